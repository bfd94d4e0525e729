package group_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// A task that a group within has abandoned still runs when the task around it returns.
func TestRestartAfterAGroupWithinHasAbandonedATask(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails time.Duration // when the other task within fails; 0: it does not
		opts  []group.Option
		boom  bool // Run returns errBoom, and else a StartError
	}{
		{"because another task has failed", s, nil, true},
		{"because the Warmup was exceeded of the task around it", 0, []group.Option{group.Warmup(5 * s)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				calls := 0
				var outer group.Group
				outer.Go("outer", func(ctx context.Context) error {
					calls++
					within := group.Group{Grace: s}
					within.Go("stuck", func(context.Context) error { <-release; return nil })
					within.Go("other", func(ctx context.Context) error {
						if tt.fails == 0 {
							return waits(ctx)
						}
						return fails(tt.fails, errBoom)(ctx)
					})
					if len(tt.opts) > 0 {
						within.Go("starts", waits, group.Warmup(0))
					}
					return within.Run(ctx)
				}, append(tt.opts, wait)...)
				outer.Go("neighbour", waits)
				err := runFor(&outer, time.Minute)
				var stuck *group.StuckError
				var start *group.StartError
				if calls != 1 || !errors.As(err, &stuck) {
					t.Errorf("called %d times, Run() = %v; want once, and a StuckError", calls, err)
				}
				if errors.Is(err, errBoom) != tt.boom || errors.As(err, &start) == tt.boom {
					t.Errorf("Run() = %v, want errBoom: %t, or else a StartError", err, tt.boom)
				}
				close(release)
			})
		})
	}
}

func TestShutdownOfATaskThatHasExceededItsWarmup(t *testing.T) {
	errOwn := errors.New("own")
	for _, tt := range []struct {
		name  string
		own   bool          // the task itself calls Shutdown
		needs time.Duration // how long the task needs after its context has ended
		ret   error
		want  string // what Shutdown returns
		run   []string
	}{
		{"returns the errors of the task", false, 4 * s, errOwn, "db had not called group.Started after 1s\nown", nil},
		{"returns the error of its start", false, 4 * s, nil, "db had not called group.Started after 1s", nil},
		{"returns a StuckError", false, time.Hour, nil, "db had not called group.Started after 1s\nstill running 10s after it was told to stop", nil},
		{"by itself returns nil", true, 4 * s, nil, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				g := group.Group{Grace: 10 * s}
				var db *group.Task
				shutdown := func(ctx context.Context) {
					text := ""
					if err := db.Shutdown(ctx); err != nil {
						text = err.Error()
					}
					if text != tt.want {
						t.Errorf("Shutdown() = %q, want %q", text, tt.want)
					}
				}
				db = g.Go("db", func(ctx context.Context) error {
					d.note("db called")
					<-ctx.Done()
					if tt.own {
						shutdown(ctx)
					}
					time.Sleep(tt.needs)
					return tt.ret
				}, group.Warmup(s), wait)
				g.Go("other", d.begins("other"))
				if !tt.own {
					time.AfterFunc(2*s, func() { shutdown(context.Background()) })
				}
				checkFailures(t, runFor(&g, 20*s), tt.run...)
				at := "5s"
				if tt.needs == time.Hour {
					at = "11s"
				}
				d.near(t, "0s db called", at+" other begins", "20s other told")
				time.Sleep(2 * time.Hour)
			})
		})
	}
}
