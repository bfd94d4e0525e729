package shutdowntest

import (
	"os/exec"
	"syscall"
)

// belongToUs makes the process the first of a group, and has it die with the thread that
// starts it.
func belongToUs(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid // who begins a session begins a group
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
