//go:build unix

package shutdown_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/shutdown"
)

func init() {
	scenario("a Run in a context of os/signal", func() {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		c := &shutdown.Coordinator{Grace: exitGrace, Reraise: true}
		r := c.Run(ctx, untilStopped)
		say("cause %v", r.Cause)
		os.Exit(r.ExitCode())
	})
}

// The signal reaches the context of os/signal and the Coordinator in no order. Without work to do,
// the program may be over before the goroutine that receives the signal has run.
func TestProcessParentOfOSSignal(t *testing.T) {
	t.Parallel()
	ends := make(map[string]int)
	for range 40 {
		p := start(t, "a Run in a context of os/signal")
		p.expect("running")
		p.signal(syscall.SIGTERM)
		p.wait()
		cause, _ := p.out.after("cause ")
		ends[fmt.Sprintf("%s, %v", cause, p.cmd.ProcessState)]++
	}
	if want := "received signal terminated, exit status 143"; ends[want] != 40 {
		t.Errorf("of 40: %v, want all: %s", ends, want)
	}
}
