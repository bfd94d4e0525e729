//go:build unix

package shutdowntest

import (
	"os"
	"syscall"
)

// killAll kills the process's group.
func killAll(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// dump makes a Go program print its stacks and end.
func dump(p *os.Process) { _ = p.Signal(syscall.SIGQUIT) }

func endedBy(s *os.ProcessState) os.Signal {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return w.Signal()
	}
	return nil
}
