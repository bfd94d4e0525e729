package group_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// coordinator returns a Coordinator that catches no signals and logs nothing.
func coordinator(grace, delay time.Duration) *shutdown.Coordinator {
	nop := zerolog.Nop()
	return &shutdown.Coordinator{Grace: grace, Delay: delay, Signals: []os.Signal{}, Logger: &nop}
}

func TestCoordinatorBoundsTheStop(t *testing.T) {
	for _, tt := range []struct {
		name  string
		grace time.Duration // the group's
		stop  func(*shutdown.Coordinator, *group.Group)
		want  []string
		stuck string
	}{
		{
			"by main's deadline", 0,
			func(c *shutdown.Coordinator, _ *group.Group) { c.Stop(nil) },
			// 10 s less the handler's minimum, less 5 %, less 5 % of that.
			[]string{"1s hung told", "9.1225s hung deadline", "9.55s handler"},
			"hung: stuck 8.55s",
		}, {
			"by main's deadline if the group stops by itself", 0,
			func(_ *shutdown.Coordinator, g *group.Group) { g.Go("bad", fails(0, errBoom)) },
			[]string{"1s hung told", "9.1225s hung deadline", "9.55s handler"},
			"hung: stuck 8.55s",
		}, {
			"by its own Grace if that is shorter", 2 * s,
			func(_ *shutdown.Coordinator, g *group.Group) { g.Go("done", succeeds) },
			[]string{"1s hung told", "2.9s hung deadline", "3s handler"},
			"hung: stuck 2s",
		}, {
			"by the Coordinator's Grace while the program does not stop", 0,
			func(_ *shutdown.Coordinator, g *group.Group) { g.Go("done", succeeds) },
			[]string{"1s hung told", "10.5s hung deadline", "11s handler"},
			"hung: stuck 10s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, release := newDiary(), make(chan struct{})
				c, g := coordinator(10*s, 0), group.Group{Grace: tt.grace}
				c.Register(func(context.Context) error { d.note("handler"); return nil })
				g.Go("hung", d.hangs("hung", release))
				var result error
				done := make(chan *shutdown.Report, 1)
				go func() {
					done <- c.Run(context.Background(), func(ctx context.Context) error {
						result = g.Run(ctx)
						return result
					})
				}()
				time.Sleep(s)
				tt.stop(c, &g)
				report := <-done
				close(release)
				d.check(t, tt.want...)
				for _, f := range failures(result) {
					if f == tt.stuck {
						checkMain(t, report)
						return
					}
				}
				t.Errorf("the group's error = %q, want %q in it", failures(result), tt.stuck)
			})
		})
	}
}

// checkMain checks that main has failed, with the group's error.
func checkMain(t *testing.T, report *shutdown.Report) {
	t.Helper()
	for _, step := range report.Steps {
		if step.Kind == shutdown.KindMain && step.Outcome != shutdown.OutcomeFailed {
			t.Errorf("main's outcome = %v, want failed", step.Outcome)
		}
	}
}

// TestFailureIsT0 checks that the program's grace period begins with the failure of a task in the
// group that main runs. If the group runs in a task, the task's own failure counts.
func TestFailureIsT0(t *testing.T) {
	failing := func() *group.Group {
		var g group.Group
		g.Go("slow", newDiary().obeys("slow", 3*s))
		g.Go("bad", fails(s, errBoom))
		return &g
	}
	for _, tt := range []struct {
		name string
		main task
		want time.Duration
	}{
		{"in main's group", failing().Run, 1 * s},
		{"in main's group with a context derived from main's", func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(context.WithValue(ctx, key{}, s))
			defer cancel()
			return failing().Run(ctx)
		}, 1 * s},
		{"in a group within a task, when that ends", func(ctx context.Context) error {
			var g group.Group
			g.Go("inner", failing().Run)
			return g.Run(ctx)
		}, 4 * s},
		{"in a group within a task that goes on, not at all", func(ctx context.Context) error {
			var g group.Group
			g.Go("supervisor", func(ctx context.Context) error {
				_ = failing().Run(ctx)
				<-time.After(6 * s)
				return nil
			})
			return g.Run(ctx)
		}, 10 * s},
		{"not where a task of main's group ends with nil", func(ctx context.Context) error {
			var g group.Group
			g.Go("slow", newDiary().obeys("slow", 3*s))
			g.Go("done", fails(s, nil))
			return g.Run(ctx)
		}, 4 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, c := time.Now(), coordinator(20*s, 5*s)
				report := c.Run(context.Background(), tt.main)
				if got := report.Began.Sub(start).Round(time.Microsecond); got != tt.want {
					t.Errorf("the stop began after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestFailureEndsTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := newDiary(), coordinator(20*s, 5*s)
		report := c.Run(context.Background(), func(ctx context.Context) error {
			var g group.Group
			g.Go("a", d.obeys("a", s))
			g.Go("bad", fails(3*s, errBoom))
			c.Stop(nil)
			return g.Run(ctx)
		})
		d.check(t, "3s a told", "4s a ends")
		if report.Took.Round(time.Microsecond) != 4*s {
			t.Errorf("Took = %v, want 4s", report.Took)
		}
	})
}
