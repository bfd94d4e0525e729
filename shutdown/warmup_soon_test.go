package shutdown_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A start that hangs is to be named within 50 ms of its limit, also by a program that has one processor
// and uses all of it. On a machine that stalls meanwhile a try is late, or has no stacks, so there are
// many.
func TestAStartThatHangsIsNamedWithin50ms(t *testing.T) {
	const (
		limit = 100 * ms
		tries = 50
	)
	for name, procs := range map[string]int{"with all processors": runtime.GOMAXPROCS(0), "with one processor": 1} {
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			late := time.Duration(-1)
			for range tries {
				d, stacks := namedAfter(t, limit)
				if d -= limit; stacks && (late < 0 || d < late) {
					late = d
				}
				if stacks && d <= 50*ms {
					t.Logf("named %v after the limit", late)
					return
				}
			}
			t.Errorf("in none of %d tries was it named with its stacks within 50 ms of the limit; the best with stacks was %v", tries, late)
		})
	}
}

// namedAfter runs a program whose task hangs at its start, and uses a processor. It returns the time
// until the stop is requested with a StartError, and whether that has its stacks.
func namedAfter(t *testing.T, limit time.Duration) (after time.Duration, stacks bool) {
	t.Helper()
	logger := zerolog.Nop()
	c := &shutdown.Coordinator{Grace: 5 * s, Signals: []os.Signal{}, Logger: &logger}
	var began atomic.Int64
	start, named := time.Now(), make(chan time.Duration, 1)
	c.Observe = func(e shutdown.Event) {
		if r, ok := e.(shutdown.StopRequested); ok {
			var hangs *group.StartError
			if errors.As(r.Cause, &hangs) {
				stacks = strings.Contains(hangs.Stack, "busy")
			} else {
				t.Errorf("the cause is %v, want a StartError", r.Cause)
			}
			named <- time.Since(start) - time.Duration(began.Load())
		}
	}
	c.Run(context.Background(), func(ctx context.Context) error {
		var g group.Group
		g.Go("busy", func(ctx context.Context) error {
			began.Store(int64(time.Since(start)))
			return busy(ctx)
		}, group.Warmup(limit))
		return g.Run(ctx)
	})
	return <-named, stacks
}

//go:noinline
func busy(ctx context.Context) error {
	for ctx.Err() == nil {
	}
	return ctx.Err()
}
