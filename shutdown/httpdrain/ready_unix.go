//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package httpdrain

import (
	"net"
	"os"
	"syscall"
)

// takeReady accepts the connections in the accept queue without waiting, and returns their
// descriptors. more means that it has run out of descriptors, and that there may be more
// connections. spare is one more descriptor for connsOf, or -1. The Accept of package net cannot do
// this: with a deadline in the past it does not try, and with one in the future it waits.
func takeReady(l net.Listener) (fds []int, spare int, more bool) {
	var raw syscall.RawConn
	var err error
	switch l := l.(type) {
	case *net.TCPListener:
		raw, err = l.SyscallConn()
	case *net.UnixListener:
		raw, err = l.SyscallConn()
	default:
		return nil, -1, false
	}
	if err != nil {
		return nil, -1, false
	}
	spare = -1
	_ = raw.Control(func(fd uintptr) { fds, spare, more = acceptAll(int(fd)) })
	return fds, spare, more
}

// maxReady bounds the loop in case connections come as fast as they are accepted. No accept
// queue is longer.
const maxReady = 1 << 16

// acceptAll accepts until the queue is empty, or an error occurs.
func acceptAll(fd int) (fds []int, spare int, more bool) {
	// The descriptor is non-blocking already, unless somebody has called File().Fd() on it.
	if syscall.SetNonblock(fd, true) != nil {
		return nil, -1, false
	}
	// spare is no duplicate of fd: that would keep the socket open. A sandbox may forbid Unix sockets
	// (RestrictAddressFamilies of systemd). Then there is no spare one, which is needed only if
	// descriptors run out.
	spare, err := descriptor(func() (int, error) { return syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0) })
	if outOfDescriptors(err) {
		return nil, -1, true
	}
	for len(fds) < maxReady {
		c, err := descriptor(func() (int, error) { c, _, err := syscall.Accept(fd); return c, err })
		switch err {
		case nil:
			fds = append(fds, c)
		case syscall.EINTR, syscall.ECONNABORTED: // ECONNABORTED: the client has gone
		default:
			return fds, spare, outOfDescriptors(err)
		}
	}
	return fds, spare, false
}

// descriptor makes a descriptor that child processes do not inherit.
func descriptor(f func() (int, error)) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if fd, err = f(); err == nil {
		syscall.CloseOnExec(fd)
	}
	return fd, err
}

func outOfDescriptors(err error) bool { return err == syscall.EMFILE || err == syscall.ENFILE }

// connsOf makes connections from descriptors, and closes these. net.FileConn duplicates a
// descriptor, and so needs a second one for a moment: the spare one.
func connsOf(fds []int, spare int) []net.Conn {
	if spare >= 0 {
		_ = syscall.Close(spare)
	}
	conns := make([]net.Conn, 0, len(fds))
	for _, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		if c, err := net.FileConn(f); err == nil { // c has a duplicate
			conns = append(conns, c)
		}
		_ = f.Close()
	}
	return conns
}

// unread reports whether the kernel holds unread bytes of a connection.
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
