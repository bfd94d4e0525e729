//go:build unix

package shutdown

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// reraise ends the process by the signal. It returns if the process still runs after 200 ms: a
// parent process may have blocked or ignored the signal. It returns at once if the signal does not
// end a Go process.
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

// exitStatus returns 1 for a code whose low eight bits are 0, since the system keeps only these and
// the process must not seem to succeed. It is not called with 0.
func exitStatus(code int) int {
	if code&0xff == 0 {
		return 1
	}
	return code
}

// unblockStderr makes standard error non-blocking, if it is a pipe: text that does not fit into
// the pipe is lost. This also affects the other processes that write to the pipe.
func unblockStderr() {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		_ = syscall.SetNonblock(syscall.Stderr, true)
	}
}
