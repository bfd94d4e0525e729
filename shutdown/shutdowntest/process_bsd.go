//go:build unix && !linux

package shutdowntest

import (
	"os/exec"
	"syscall"
)

// setGroup makes the process the leader of a process group.
func setGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid // a new session is a new group, too
}
