//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package httpdrain

import (
	"net"
	"os"
	"syscall"
)

// takeReady accepts the connections that are ready, without waiting for more, and returns
// their descriptors; more means that there may be others, for which it has none. The Accept
// of package net cannot do that: with a deadline in the past it does not look, and with one
// ahead it waits.
func takeReady(l net.Listener) (fds []int, more bool) {
	var raw syscall.RawConn
	var err error
	switch l := l.(type) {
	case *net.TCPListener:
		raw, err = l.SyscallConn()
	case *net.UnixListener:
		raw, err = l.SyscallConn()
	default:
		return nil, false
	}
	if err != nil {
		return nil, false
	}
	_ = raw.Control(func(fd uintptr) { fds, more = acceptAll(int(fd)) })
	return fds, more
}

// maxReady bounds what is taken where connections come as fast as they are accepted. No
// queue is longer.
const maxReady = 1 << 16

// acceptAll accepts until there is nothing more, or an error.
func acceptAll(fd int) (fds []int, more bool) {
	// It is non-blocking, unless somebody has called File().Fd() on it.
	if syscall.SetNonblock(fd, true) != nil {
		return nil, false
	}
	// What package net makes of a descriptor needs another one for a moment.
	spare, err := descriptor(func() (int, error) { return syscall.Dup(fd) })
	if err != nil {
		return nil, noneLeft(err)
	}
	defer syscall.Close(spare)
	for len(fds) < maxReady {
		c, err := descriptor(func() (int, error) { c, _, err := syscall.Accept(fd); return c, err })
		switch err {
		case nil:
			fds = append(fds, c)
		case syscall.EINTR, syscall.ECONNABORTED: // the latter: it has gone already
		default:
			return fds, noneLeft(err)
		}
	}
	return fds, false
}

// descriptor makes a descriptor that processes which are started meanwhile do not get.
func descriptor(f func() (int, error)) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if fd, err = f(); err == nil {
		syscall.CloseOnExec(fd)
	}
	return fd, err
}

func noneLeft(err error) bool { return err == syscall.EMFILE || err == syscall.ENFILE }

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
