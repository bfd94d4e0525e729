package unsent

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func unacknowledged(s syscall.Conn) (n int) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return n
}
