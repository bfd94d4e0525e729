package group_test

import (
	"context"
	"runtime/pprof"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// If a step has replaced its profiler labels, Shutdown cannot tell whether the task would wait for
// it. It returns at once, and the task is told to stop all the same. The step's context still says
// which step it is.
func TestShutdownWithReplacedLabels(t *testing.T) {
	for _, tt := range []struct {
		name string
		ctx  func(ofStep context.Context) context.Context
		err  error
		took time.Duration
	}{
		{"with an unrelated context", func(context.Context) context.Context { return context.Background() }, shutdown.ErrInProgress, 0},
		{"with the context of the step", func(ctx context.Context) context.Context { return ctx }, nil, 3 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				var g group.Group
				sibling := g.Go("sibling", d.obeys("sibling", 3*s))
				g.Go("caller", func(ctx context.Context) error {
					pprof.SetGoroutineLabels(context.Background())
					began := time.Now()
					if err := sibling.Shutdown(tt.ctx(ctx)); err != tt.err || time.Since(began) != tt.took {
						t.Errorf("Shutdown() = %v after %v, want %v after %v", err, time.Since(began), tt.err, tt.took)
					}
					return waits(ctx)
				})
				g.Go("end", fails(time.Minute, nil))
				checkFailures(t, g.Run(context.Background()))
				d.check(t, "0s sibling told", "3s sibling ends")
			})
		})
	}
}

// Two tasks shut each other down. The second one would wait for itself: it gets ErrInProgress, and
// the first is not told to stop by it.
func TestShutdownOfATaskThatWaitsForTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		var g group.Group
		var first, second *group.Task
		first = g.Go("first", func(ctx context.Context) error {
			if err := second.Shutdown(ctx); err != nil {
				t.Errorf("the first Shutdown() = %v, want nil", err)
			}
			d.note("second has ended")
			return waits(ctx)
		})
		second = g.Go("second", func(ctx context.Context) error {
			<-ctx.Done()
			if err := first.Shutdown(group.WorkContext(ctx)); err != shutdown.ErrInProgress {
				t.Errorf("the second Shutdown() = %v, want ErrInProgress", err)
			}
			time.Sleep(s)
			return nil
		})
		g.Go("end", fails(time.Minute, nil))
		checkFailures(t, g.Run(context.Background()))
		d.check(t, "1s second has ended")
	})
}
