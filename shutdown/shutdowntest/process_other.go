//go:build !unix

package shutdowntest

import (
	"os"
	"os/exec"
)

func setGroup(*exec.Cmd) {}

func killAll(p *os.Process) { _ = p.Kill() }

func dump(*os.Process) {}

func endedBy(*os.ProcessState) os.Signal { return nil }
