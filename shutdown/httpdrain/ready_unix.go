//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package httpdrain

import (
	"net"
	"os"
	"syscall"
)

// takeReady accepts the connections that are ready, without waiting for more, and returns
// their descriptors. The Accept of package net cannot do that: with a deadline in the past
// it does not look, and with one ahead it waits.
func takeReady(l net.Listener) (fds []int) {
	var raw syscall.RawConn
	var err error
	switch l := l.(type) {
	case *net.TCPListener:
		raw, err = l.SyscallConn()
	case *net.UnixListener:
		raw, err = l.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) { fds = acceptAll(int(fd)) })
	return fds
}

// maxReady bounds what is taken where connections come as fast as they are accepted. No
// queue is longer.
const maxReady = 1 << 16

// acceptAll accepts until there is nothing more, or an error.
func acceptAll(fd int) (fds []int) {
	// It is non-blocking, unless somebody has called File().Fd() on it.
	if syscall.SetNonblock(fd, true) != nil {
		return nil
	}
	for len(fds) < maxReady {
		syscall.ForkLock.RLock()
		c, _, err := syscall.Accept(fd)
		if err == nil {
			syscall.CloseOnExec(c)
		}
		syscall.ForkLock.RUnlock()
		switch err {
		case nil:
			fds = append(fds, c)
		case syscall.EINTR, syscall.ECONNABORTED: // the latter: it has gone already
		default:
			return fds
		}
	}
	return fds
}

// connsOf makes connections of descriptors.
func connsOf(fds []int) []net.Conn {
	conns := make([]net.Conn, 0, len(fds))
	for _, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		if c, err := net.FileConn(f); err == nil { // of a duplicate
			conns = append(conns, c)
		}
		_ = f.Close()
	}
	return conns
}

// unread reports whether the kernel has bytes of a connection that nobody has read.
func unread(c net.Conn) (yes bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		yes = err == nil && n > 0
	})
	return yes
}
