//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package httpdrain

import "net"

// takeReady has no way to look without waiting.
func takeReady(net.Listener) (fds []int, more bool) { return nil, false }

func connsOf([]int) []net.Conn { return nil }

// unread reports whether the kernel has bytes of a connection that nobody has read. Here
// that cannot be told.
func unread(net.Conn) bool { return false }
