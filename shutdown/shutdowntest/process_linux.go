package shutdowntest

import (
	"os/exec"
	"syscall"
)

// setGroup makes the process the leader of a process group. It makes the kernel kill the process when
// the thread that has started it ends.
func setGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid // a new session is a new group, too
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
