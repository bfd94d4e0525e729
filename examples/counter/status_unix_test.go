//go:build unix

package main

import (
	"os"
	"syscall"
)

// status is an exit status as a shell tells it.
func status(p *os.ProcessState) int {
	if s, ok := p.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return p.ExitCode()
}
