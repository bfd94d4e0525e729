package group_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

func TestRestartNeverCallsATaskAgain(t *testing.T) {
	t.Run("that has failed after the stop", func(t *testing.T) {
		for _, way := range ways {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), s)
				defer cancel()
				calls := 0
				var g group.Group
				g.Go("task", func(ctx context.Context) error {
					calls++
					<-ctx.Done()
					return way.fail(ctx)
				}, group.Restart(exact(0)))
				if err := g.Run(ctx); !errors.Is(err, way.want) || calls != 1 {
					t.Errorf("Run() = %v after %d calls, want %v after one", err, calls, way.want)
				}
			})
		}
	})
	t.Run("that fails after the group's stop has begun, before its turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), s)
			defer cancel()
			d, c := newDiary(), new(caller)
			var g group.Group
			g.Go("task", c.fails(ways[0].fail, 2*s), group.Restart(exact(0)))
			g.Go("newer", d.obeys("newer", 5*s))
			checkFailures(t, g.Run(ctx), "task: boom")
			if len(c.calls) != 1 {
				t.Errorf("called at %v, want one call", c.calls)
			}
		})
	})
	t.Run("that Shutdown has told to stop, and returns its error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			var g group.Group
			task := g.Go("task", func(ctx context.Context) error {
				calls++
				<-ctx.Done()
				return errBoom
			}, group.Restart(exact(0)))
			wait := started(context.Background(), &g)
			if err := task.Shutdown(context.Background()); err != errBoom {
				t.Errorf("Shutdown() = %v, want %v", err, errBoom)
			}
			checkFailures(t, wait())
			if calls != 1 {
				t.Errorf("called %d times, want once", calls)
			}
		})
	})
	t.Run("that Shutdown has told to stop, after Shutdown has given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gone, cancel := context.WithCancel(context.Background())
			cancel()
			c := new(caller)
			var g group.Group
			task := g.Go("task", c.fails(ways[0].fail, 2*s), group.Restart(exact(0)))
			wait := started(context.Background(), &g)
			if err := task.Shutdown(gone); err != context.Canceled {
				t.Errorf("Shutdown() = %v, want %v", err, context.Canceled)
			}
			checkFailures(t, wait(), "task: boom")
			if len(c.calls) != 1 {
				t.Errorf("called at %v, want one call", c.calls)
			}
		})
	})
	t.Run("that returns nil", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := new(caller)
			var g group.Group
			g.Go("task", c.fails(func(context.Context) error { return nil }, s), group.Restart(exact(0)))
			checkFailures(t, g.Run(context.Background()))
			if len(c.calls) != 1 {
				t.Errorf("called at %v, want one call", c.calls)
			}
		})
	})
	for _, way := range ways {
		t.Run("that was abandoned, and fails later "+way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), s)
				defer cancel()
				var calls atomic.Int32
				release := make(chan struct{})
				g := group.Group{Grace: 4 * s}
				task := g.Go("task", func(ctx context.Context) error {
					calls.Add(1)
					<-release
					return way.fail(ctx)
				}, group.Restart(exact(-1)))
				checkFailures(t, g.Run(ctx), "task: stuck 4s")
				close(release)
				time.Sleep(time.Hour)
				if calls.Load() != 1 || !isClosed(task.Done()) {
					t.Errorf("called %d times, Done is closed: %t; want once, and true", calls.Load(), isClosed(task.Done()))
				}
			})
		})
	}
	for _, err := range []error{group.ErrStopped, fmt.Errorf("cannot run: %w", group.ErrStopped), errors.Join(errBoom, group.ErrStopped)} {
		t.Run("that has returned "+strings.ReplaceAll(err.Error(), "\n", " and "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := new(caller)
				var g group.Group
				g.Go("task", c.fails(fails(0, err), 0, 0), group.Restart(exact(0)))
				if got := g.Run(context.Background()); !errors.Is(got, err) || len(c.calls) != 1 {
					t.Errorf("Run() = %v, called at %v; want %v after one call", got, c.calls, err)
				}
			})
		})
	}
}

func TestAGroupInATaskWithRestart(t *testing.T) {
	t.Run("runs each time if the task makes it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			calls := 0
			var g group.Group
			g.Go("outer", func(ctx context.Context) error {
				var inner group.Group
				inner.Go("worker", d.obeys("worker", s))
				inner.Go("fails", func(ctx context.Context) error {
					if calls++; calls < 3 {
						return errBoom
					}
					return waits(ctx)
				})
				return inner.Run(ctx)
			}, group.Restart(exact(0)))
			wait := started(ctx, &g)
			time.Sleep(10 * s)
			cancel()
			checkFailures(t, wait())
			if calls != 3 || len(d.lines) != 6 {
				t.Errorf("the inner group ran %d times, and %q; want 3 times, its worker awaited each time", calls, d.lines)
			}
		})
	})
	t.Run("fails the second time if it is the same, and says what to do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g, inner group.Group
			inner.Go("fails", fails(s, errBoom))
			g.Go("outer", inner.Run, group.Restart(exact(0)))
			err := g.Run(context.Background())
			if !errors.Is(err, group.ErrStopped) || !strings.Contains(err.Error(), "make a new one in the task") {
				t.Errorf("Run() = %v, want ErrStopped, with what to do", err)
			}
		})
	})
}
