//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package httpdrain

import "net"

// takeReady returns nothing: here no call accepts without waiting.
func takeReady(net.Listener) (fds []int, spare int, more bool) { return nil, -1, false }

func connsOf([]int, int) []net.Conn { return nil }

// unread returns false: here no call tells whether the kernel holds unread bytes.
func unread(net.Conn) bool { return false }
