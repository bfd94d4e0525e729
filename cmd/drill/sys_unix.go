//go:build unix

package main

import (
	"net"
	"os/exec"
	"syscall"
)

// ownGroup starts cmd as the leader of a process group: a Ctrl-C on the terminal is for
// the drill alone, and a server that is started by a shell can be ended with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { killGroup(cmd); return nil }
}

// killGroup ends the process and all that it has started, as far as that did not leave
// the group.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// quiet reports whether c is open and nothing has come in. A read with a short deadline
// would not do: where the machine is busy it can pass before the read has begun.
func quiet(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var look error
	err = raw.Read(func(fd uintptr) bool {
		_, _, look = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && look == syscall.EAGAIN
}
