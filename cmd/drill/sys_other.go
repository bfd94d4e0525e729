//go:build !unix

package main

import (
	"math"
	"net"
	"os/exec"
	"syscall"
	"time"
)

// signalNumber knows SIGTERM alone: there is no drill on these systems.
func signalNumber(name string) syscall.Signal {
	if name == stopSignal("").String() {
		return syscall.SIGTERM
	}
	return 0
}

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func quiet(*net.TCPConn) bool { return true }

func newLifeline(*exec.Cmd) (*lifeline, error) { return nil, nil }

func (l *lifeline) cut() bool { return false }

func processorTime() time.Duration { return 0 }

func fileLimit() int { return math.MaxInt32 }
