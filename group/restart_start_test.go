package group_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// starts returns a task that notes each call. In call k it runs calls[k]; later it says that it has
// started, and obeys.
func (d *diary) starts(name string, calls ...task) task {
	k := 0
	return func(ctx context.Context) error {
		d.note(fmt.Sprintf("%s called", name))
		if k++; k <= len(calls) {
			return calls[k-1](ctx)
		}
		group.Started(ctx)
		return waits(ctx)
	}
}

// runFor runs g for the given time and returns Run's error.
func runFor(g *group.Group, d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return g.Run(ctx)
}

// wait has waits that near does not show.
var wait = group.Restart(exact(-1))

// near is check, with times to the second.
func (d *diary) near(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	for i, l := range d.lines {
		at, what, _ := strings.Cut(l, " ")
		if exactly, err := time.ParseDuration(at); err == nil {
			d.lines[i] = fmt.Sprint(exactly.Round(s), " ", what)
		}
	}
	d.mu.Unlock()
	d.check(t, want...)
}

func TestRestartWithWarmup(t *testing.T) {
	t.Run("gives each start the time of Warmup, and has the next task wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			g.Go("first", d.starts("first", waits, waits), group.Warmup(5*s), group.Restart(group.Policy{Initial: 2, Max: 2}))
			g.Go("next", d.starts("next"))
			checkFailures(t, runFor(&g, time.Minute))
			d.near(t, "0s first called", "5s first called", "10s first called", "10s next called")
		})
	})
	t.Run("has the next task wait during the backoff", func(t *testing.T) {
		for _, way := range ways {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				var g group.Group
				g.Go("first", d.starts("first", way.fail), group.Warmup(0), group.Restart(group.Policy{Initial: time.Hour}))
				g.Go("next", d.starts("next"))
				checkFailures(t, runFor(&g, time.Minute))
				d.check(t, "0s first called")
			})
		}
	})
	t.Run("begins the next task when Shutdown has ended the backoff", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*s)
			defer cancel()
			d := newDiary()
			var g group.Group
			first := g.Go("first", d.starts("first", ways[0].fail), group.Warmup(0), group.Restart(group.Policy{Initial: time.Hour}))
			g.Go("next", d.starts("next"))
			result := started(ctx, &g)
			time.Sleep(s)
			if err := first.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown() = %v, want nil", err)
			}
			checkFailures(t, result())
			d.check(t, "0s first called", "1s next called")
		})
	})
	t.Run("does not count Started with the context of an earlier call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var old context.Context
			var g group.Group
			g.Go("first", d.starts("first", func(ctx context.Context) error {
				old = ctx
				return errBoom
			}, func(ctx context.Context) error {
				group.Started(old)
				time.Sleep(3 * s)
				group.Started(ctx)
				return waits(ctx)
			}), group.Warmup(5*s), wait)
			g.Go("next", d.starts("next"))
			checkFailures(t, runFor(&g, time.Minute))
			d.near(t, "0s first called", "0s first called", "3s next called")
		})
	})
	t.Run("has a task that fails after its start begin alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			g.Go("first", d.starts("first", func(ctx context.Context) error {
				group.Started(ctx)
				time.Sleep(s)
				return errBoom
			}, waits), group.Warmup(5*s), wait)
			g.Go("next", d.starts("next"))
			checkFailures(t, runFor(&g, time.Minute))
			d.near(t, "0s first called", "0s next called", "1s first called", "6s first called")
		})
	})
	t.Run("stops the group at once if no restart is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			g.Go("first", d.starts("first", waits, waits), group.Warmup(5*s), group.Restart(exact(1)))
			err := g.Run(context.Background())
			d.note("stopped")
			var failed *group.StartError
			if !errors.As(err, &failed) || failed.Name != "first" {
				t.Errorf("Run() = %v, want a StartError", err)
			}
			d.near(t, "0s first called", "5s first called", "10s stopped")
		})
	})
	t.Run("does not call a task again that has not returned, and stops the group after Grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			release := make(chan struct{})
			defer close(release)
			g := group.Group{Grace: 10 * s}
			g.Go("first", d.starts("first", func(context.Context) error { <-release; return errBoom }), group.Warmup(5*s), wait)
			g.Go("next", d.starts("next"))
			err := g.Run(context.Background())
			d.note("stopped")
			var failed *group.StartError
			var stuck *group.StuckError
			if !errors.As(err, &failed) || !errors.As(err, &stuck) {
				t.Errorf("Run() = %v, want a StartError and a StuckError", err)
			}
			d.near(t, "0s first called", "15s stopped")
		})
	})
	t.Run("ends at a stop, while the task that exceeded its limit still returns", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			g.Go("first", d.starts("first", func(context.Context) error { time.Sleep(8 * s); return nil }), group.Warmup(5*s), wait)
			g.Go("next", d.starts("next"))
			err := runFor(&g, 6*s)
			d.note("stopped")
			var failed *group.StartError
			if !errors.As(err, &failed) {
				t.Errorf("Run() = %v, want a StartError", err)
			}
			d.near(t, "0s first called", "8s stopped")
		})
	})
}

func TestMayFailWithWarmup(t *testing.T) {
	var stuck chan struct{}
	for _, tt := range []struct {
		name  string
		start task
		next  string // when the next task is called
	}{
		{"that fails", ways[0].fail, "0s"},
		{"that panics", ways[1].fail, "0s"},
		{"that calls Goexit", ways[2].fail, "0s"},
		{"that returns nil", func(context.Context) error { return nil }, "0s"},
		{"that exceeds its limit", waits, "5s"},
		{"that exceeds its limit and takes its time", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(2 * s); return nil }, "7s"},
		{"that is stuck", nil, "15s"},
	} {
		t.Run("goes on after a start "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stuck = make(chan struct{})
				defer close(stuck)
				d := newDiary()
				start := tt.start
				if start == nil {
					start = func(context.Context) error { <-stuck; return nil }
				}
				g := group.Group{Grace: 10 * s}
				g.Go("first", d.starts("first", start), group.Warmup(5*s), group.MayFail())
				g.Go("next", d.starts("next"))
				err := runFor(&g, time.Minute)
				d.note("stopped")
				var failed *group.TaskError
				if !errors.As(err, &failed) || failed.Name != "first" {
					t.Errorf("Run() = %v, want the failure of the first task", err)
				}
				d.near(t, "0s first called", tt.next+" next called", "1m0s stopped")
			})
		})
	}
	t.Run("lets Run return if the stuck task was the last", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stuck = make(chan struct{})
			defer close(stuck)
			began := time.Now()
			g := group.Group{Grace: 10 * s}
			g.Go("first", func(context.Context) error { <-stuck; return nil }, group.Warmup(5*s), group.MayFail())
			err := g.Run(context.Background())
			var failed *group.StuckError
			if at := time.Since(began).Round(s); !errors.As(err, &failed) || at != 15*s {
				t.Errorf("Run() = %v at %v, want a StuckError at 15s", err, at)
			}
		})
	})
}
