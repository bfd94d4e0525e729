package group_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

func TestMayFail(t *testing.T) {
	for _, way := range ways {
		t.Run("ends the task that fails "+way.name+", not the group", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 10*s)
				defer cancel()
				began := time.Now()
				var g group.Group
				task := g.Go("task", way.fail, group.MayFail())
				g.Go("other", waits)
				wait := started(ctx, &g)
				if !isClosed(task.Done()) {
					t.Error("Done is not closed")
				}
				err := wait()
				var failed *group.TaskError
				if !errors.As(err, &failed) || failed.Name != "task" || !errors.Is(failed.Err, way.want) {
					t.Errorf("Run() = %v, want %v of the task", err, way.want)
				}
				if at := time.Since(began); at != 10*s {
					t.Errorf("Run returned at %v, want 10s", at)
				}
			})
		})
	}
	t.Run("has Run join the failures last", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("oldest", func(ctx context.Context) error { <-ctx.Done(); return errors.New("in the stop") })
			g.Go("first", fails(s, errors.New("one")), group.MayFail())
			g.Go("second", fails(2*s, errors.New("two")), group.MayFail())
			g.Go("fails", fails(3*s, errBoom))
			g.Go("in the stop", func(ctx context.Context) error { <-ctx.Done(); return errors.New("three") }, group.MayFail())
			checkFailures(t, g.Run(context.Background()),
				"fails: boom", "oldest: in the stop", "first: one", "second: two", "in the stop: three")
		})
	})
	t.Run("lets Run return if no task is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("one", fails(s, errBoom), group.MayFail())
			g.Go("two", fails(2*s, errBoom), group.MayFail())
			checkFailures(t, g.Run(context.Background()), "one: boom", "two: boom")
		})
	})
	t.Run("does not change what a return without an error means", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var g group.Group
			g.Go("task", fails(s, nil), group.MayFail())
			g.Go("other", waits)
			checkFailures(t, g.Run(context.Background()))
			if at := time.Since(began); at != s {
				t.Errorf("Run returned at %v, want 1s", at)
			}
		})
	})
	t.Run("leaves the error to Shutdown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			task := g.Go("task", func(ctx context.Context) error { <-ctx.Done(); return errBoom }, group.MayFail())
			wait := started(context.Background(), &g)
			if err := task.Shutdown(context.Background()); err != errBoom {
				t.Errorf("Shutdown() = %v, want %v", err, errBoom)
			}
			checkFailures(t, wait())
		})
	})
	t.Run("calls the interrupt of a pair whose execute has failed", func(t *testing.T) {
		for _, way := range ways {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 10*s)
				defer cancel()
				d := newDiary()
				var g group.Group
				task := g.Add("pair", way.fail, func(context.Context) error { d.note("interrupt"); return nil }, group.MayFail())
				g.Go("other", d.obeys("other", 0))
				wait := started(ctx, &g)
				if !isClosed(task.Done()) {
					t.Error("Done is not closed")
				}
				if err := wait(); !errors.Is(err, way.want) {
					t.Errorf("Run() = %v, want %v", err, way.want)
				}
				d.check(t, "0s interrupt", "10s other told", "10s other ends")
			})
		}
	})
	t.Run("with Restart, ends the task that has failed too often", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			began := time.Now()
			c := new(caller)
			var g group.Group
			g.Go("task", c.fails(ways[0].fail, 0, 0, 0), group.MayFail(), group.Restart(exact(2)))
			g.Go("other", waits)
			checkFailures(t, g.Run(ctx), "task: boom")
			if at := time.Since(began); at != time.Hour || len(c.calls) != 3 {
				t.Errorf("Run returned at %v, after the calls at %v; want three, and 1h", at, c.calls)
			}
		})
	})
	for n, want := range map[int]string{
		101:  "group: 1 more task with MayFail has failed",
		1000: "group: 900 more tasks with MayFail have failed",
	} {
		t.Run(fmt.Sprintf("has Run keep the first 100 of %d failures, and count the rest", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var g group.Group
				g.Go("other", waits)
				wait := started(ctx, &g)
				for i := range n {
					g.Go("task", fails(0, fmt.Errorf("failure %d", i)), group.MayFail())
					synctest.Wait()
					time.Sleep(time.Nanosecond)
				}
				cancel()
				got := failures(wait())
				if len(got) != 101 || got[0] != "task: failure 0" || got[99] != "task: failure 99" || got[100] != want {
					t.Errorf("Run returned %d errors: %q", len(got), got)
				}
			})
		})
	}
}
