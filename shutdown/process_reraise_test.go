//go:build unix

package shutdown_test

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// signalVariable has the number of the only signal that the child catches.
const signalVariable = "LASTCALL_TEST_SIGNAL"

func init() {
	scenario("a command that dies by any one signal", func() {
		n, err := strconv.Atoi(os.Getenv(signalVariable))
		if err != nil {
			panic(err)
		}
		c := telling(exitGrace)
		c.Reraise = true
		c.Signals = []os.Signal{syscall.Signal(n)}
		c.Register(func(context.Context) error {
			say("last")
			return nil
		})
		os.Exit(c.Main(untilStopped))
	})
}

// A Go process can end by three signals. For some others the runtime prints the stacks of all
// goroutines and exits with status 2, and for the rest it does nothing.
func TestProcessReraisesWhatTheRuntimeDiesOf(t *testing.T) {
	t.Parallel()
	dies := map[syscall.Signal]bool{syscall.SIGHUP: true, syscall.SIGINT: true, syscall.SIGTERM: true}
	sigs := []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, // it dumps stacks
		syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSYS,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGVTALRM, // it does nothing
		syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
		syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGIO, syscall.SIGXCPU, syscall.SIGXFSZ,
	}
	if runtime.GOOS == "linux" && !strings.HasPrefix(runtime.GOARCH, "mips") {
		const stackFault, realTime = 16, 40
		sigs = append(sigs, stackFault, realTime)
	}
	for _, sig := range sigs {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p := start(t, "a command that dies by any one signal", with(signalVariable+"="+strconv.Itoa(int(sig))))
			p.expect("running")
			p.signal(sig)
			if dies[sig] {
				p.dies(sig)
			} else {
				p.exits(128 + int(sig))
			}
			if _, ok := p.out.after("last"); !ok || strings.Contains(p.err.String(), "goroutine ") {
				t.Errorf("the handler ran: %t, want true and no stacks\n%s", ok, p)
			}
		})
	}
}
