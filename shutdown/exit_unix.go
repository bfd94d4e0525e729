//go:build unix

package shutdown

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// reraise ends the process by the signal. It returns if that has not worked after
// 200 ms: the signal may be blocked, or ignored by an ancestor's choice. It returns at
// once where a Go process does not die of the signal.
func reraise(sig os.Signal) {
	switch sig {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM:
	default:
		// The runtime has set its own handler for all others: for SIGQUIT, SIGILL, SIGTRAP,
		// SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGEMT and SIGSTKFLT it dumps stacks and
		// exits with status 2, and for the rest it does nothing.
		return
	}
	s := sig.(syscall.Signal)
	signal.Reset(s)
	if syscall.Kill(os.Getpid(), s) == nil {
		time.Sleep(200 * time.Millisecond)
	}
}

// exitStatus is the code that makes the process fail as code asks for: of a code that is
// not 0, the system keeps the low eight bits, which may be.
func exitStatus(code int) int {
	if code&0xff == 0 {
		return 1
	}
	return code
}

// unblockStderr has standard error, if it is a pipe, lose what does not fit into it. The
// other processes that write to the pipe have to live with that.
func unblockStderr() {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		_ = syscall.SetNonblock(syscall.Stderr, true)
	}
}
