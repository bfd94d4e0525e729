//go:build unix

package main

import (
	"os"
	"syscall"
)

// status returns an exit status as a shell reports it.
func status(p *os.ProcessState) int {
	if s, ok := p.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return p.ExitCode()
}
