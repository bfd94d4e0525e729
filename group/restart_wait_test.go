package group_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

func TestAWaitToRestart(t *testing.T) {
	hour := group.Policy{Initial: time.Hour}
	t.Run("ends at the stop, at once and without failure", func(t *testing.T) {
		for _, concurrent := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				ctx, cancel := context.WithTimeout(context.Background(), 10*s)
				defer cancel()
				g := group.Group{Concurrent: concurrent}
				task := g.Go("task", fails(s, errBoom), group.Restart(hour))
				g.Go("newer", d.obeys("newer", 5*s))
				wait := started(ctx, &g)
				time.Sleep(9 * s)
				if isClosed(task.Done()) {
					t.Error("Done is closed during the wait")
				}
				<-task.Done()
				if at := time.Since(d.start); at != 10*s {
					t.Errorf("Done is closed at %v, want 10s", at)
				}
				checkFailures(t, wait())
				d.check(t, "10s newer told", "15s newer ends")
			})
		}
	})
	t.Run("ends at the failure of another task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var g group.Group
			g.Go("task", fails(s, errBoom), group.Restart(hour))
			g.Go("other", fails(2*s, errBoom))
			checkFailures(t, g.Run(context.Background()), "other: boom")
			if at := time.Since(began); at != 2*s {
				t.Errorf("Run returned at %v, want 2s", at)
			}
		})
	})
	t.Run("ends by Shutdown, which returns nil", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			task := g.Go("task", fails(s, errBoom), group.Restart(hour))
			wait := started(context.Background(), &g)
			time.Sleep(2 * s)
			for range 2 {
				if err := task.Shutdown(context.Background()); err != nil || !isClosed(task.Done()) {
					t.Errorf("Shutdown() = %v, Done is closed: %t; want nil, true", err, isClosed(task.Done()))
				}
			}
			checkFailures(t, wait()) // no task is left
		})
	})
	t.Run("keeps the group running", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			c := new(caller)
			var g group.Group
			g.Go("task", c.fails(func(context.Context) error {
				if len(c.calls) == 1 {
					return errBoom
				}
				return nil
			}, 0, 0), group.Restart(hour), group.MayFinish())
			g.Go("other", fails(s, nil), group.MayFinish())
			checkFailures(t, g.Run(context.Background()))
			if at := time.Since(began); at < 30*time.Minute {
				t.Errorf("Run returned at %v, before the task was called again", at)
			}
		})
	})
}

func TestShutdownOfARestartedTask(t *testing.T) {
	t.Run("stops the call that runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, c := newDiary(), new(caller)
			var g group.Group
			again := d.obeys("second call", s)
			task := g.Go("task", c.fails(func(ctx context.Context) error {
				if len(c.calls) == 1 {
					return errBoom
				}
				return again(ctx)
			}, 0, 0), group.Restart(exact(0)))
			g.Go("other", waits)
			wait := started(context.Background(), &g)
			time.Sleep(s)
			done := task.Done()
			if err := task.Shutdown(context.Background()); err != nil || !isClosed(done) {
				t.Errorf("Shutdown() = %v, Done is closed: %t; want nil, true", err, isClosed(done))
			}
			d.check(t, "1s second call told", "2s second call ends")
			synctest.Wait()
			d.note("the group runs")
			g.Go("last", fails(s, nil))
			checkFailures(t, wait())
		})
	})
	t.Run("returns nil at once if the task itself calls it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := new(caller)
			var g group.Group
			var task *group.Task
			task = g.Go("task", c.fails(func(ctx context.Context) error {
				if len(c.calls) == 1 {
					return errBoom
				}
				if err := task.Shutdown(ctx); err != nil {
					t.Errorf("Shutdown() = %v, want nil", err)
				}
				return waits(ctx)
			}, 0, 0), group.Restart(exact(0)))
			checkFailures(t, g.Run(context.Background()))
		})
	})
	t.Run("at any moment, ends the task for good", func(t *testing.T) {
		for at := range 40 {
			synctest.Test(t, func(t *testing.T) {
				var g group.Group
				calls := 0
				task := g.Go("task", func(ctx context.Context) error {
					calls++
					return fails(10*time.Millisecond, errBoom)(ctx)
				}, group.Restart(group.Policy{Initial: 10 * time.Millisecond, Max: 10 * time.Millisecond, Limit: -1}))
				g.Go("other", fails(time.Minute, nil))
				wait := started(context.Background(), &g)
				time.Sleep(time.Duration(at)*time.Millisecond + 1)
				if err := task.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown() = %v, want nil", err)
				}
				before := calls
				checkFailures(t, wait())
				if calls != before || !isClosed(task.Done()) {
					t.Errorf("called %d times after Shutdown, Done is closed: %t; want none, true", calls-before, isClosed(task.Done()))
				}
			})
		}
	})
}
