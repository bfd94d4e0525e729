//go:build unix && !linux

package shutdowntest

import (
	"os/exec"
	"syscall"
)

// belongToUs makes the process the first of a group.
func belongToUs(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid // who begins a session begins a group
}
