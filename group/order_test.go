package group_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
)

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name       string
		concurrent bool
		want       []string
	}{
		{"the newest is told first and awaited before the next", false, []string{
			"0s c told", "3s c ends", "3s b told", "5s b ends", "5s a told", "6s a ends", "6s Run returns",
		}},
		{"a concurrent group tells all at once", true, []string{
			"0s told", "0s told", "0s told", "1s a ends", "2s b ends", "3s c ends", "3s Run returns",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, ctx, cancel := newDiary(), context.Background(), context.CancelFunc(nil)
				ctx, cancel = context.WithCancel(ctx)
				g := group.Group{Concurrent: tt.concurrent}
				for i, name := range []string{"a", "b", "c"} {
					told := name + " told"
					if tt.concurrent {
						told = "told" // in no order
					}
					g.Go(name, d.needs(name, told, time.Duration(i+1)*time.Second))
				}
				wait := started(ctx, &g)
				cancel()
				if err := wait(); err != nil {
					t.Errorf("Run() = %v, want nil", err)
				}
				d.note("Run returns")
				d.check(t, tt.want...)
			})
		})
	}
}

func (d *diary) needs(name, told string, needs time.Duration) task {
	return func(ctx context.Context) error {
		<-ctx.Done()
		d.note(told)
		time.Sleep(needs)
		d.note(name + " ends")
		return ctx.Err()
	}
}

func TestFirstToReturnStopsTheGroup(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  error
		want []string
	}{
		{"with nil", nil, nil},
		{"with an error", errBoom, []string{"b: boom"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				var g group.Group
				g.Go("a", d.obeys("a", time.Second))
				g.Go("b", fails(time.Minute, tt.end))
				g.Go("c", d.obeys("c", time.Second))
				checkFailures(t, g.Run(context.Background()), tt.want...)
				d.note("Run returns")
				d.check(t, "1m0s c told", "1m1s c ends", "1m1s a told", "1m2s a ends", "1m2s Run returns")
			})
		})
	}
}

func TestGoWhileRunning(t *testing.T) {
	t.Run("starts the task at once and stops it first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			ctx, cancel := context.WithCancel(context.Background())
			var g group.Group
			g.Go("a", d.obeys("a", time.Second))
			wait := started(ctx, &g)
			g.Go("b", func(ctx context.Context) error {
				d.note("b begins")
				return d.obeys("b", time.Second)(ctx)
			})
			time.Sleep(time.Minute)
			cancel()
			checkFailures(t, wait())
			d.check(t, "0s b begins", "1m0s b told", "1m1s b ends", "1m1s a told", "1m2s a ends")
		})
	})
	t.Run("works from within a task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("a", func(ctx context.Context) error {
				g.Go("b", fails(time.Second, errBoom))
				return waits(ctx)
			})
			checkFailures(t, g.Run(context.Background()), "b: boom")
		})
	})
	t.Run("does not stop the group when a task with MayFinish ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			g.Go("a", fails(time.Hour, nil))
			job := g.Go("job", fails(time.Minute, nil), group.MayFinish())
			wait := started(context.Background(), &g)
			<-job.Done()
			d.note("job done")
			checkFailures(t, wait())
			d.note("Run returns")
			d.check(t, "1m0s job done", "1h0m0s Run returns")
		})
	})
}

func TestGoAfterTheStopBegan(t *testing.T) {
	refused := func(t *testing.T, g *group.Group) {
		t.Helper()
		late := g.Go("late", func(context.Context) error {
			t.Error("a refused task was started")
			return nil
		})
		if !isClosed(late.Done()) {
			t.Error("Done of a refused task is open, want closed")
		}
		if err := late.Shutdown(context.Background()); err != group.ErrStopped {
			t.Errorf("Shutdown() = %v, want ErrStopped", err)
		}
	}
	t.Run("is refused while tasks end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("a", func(ctx context.Context) error {
				<-ctx.Done()
				refused(t, &g)
				return nil
			})
			g.Go("b", fails(time.Second, nil))
			checkFailures(t, g.Run(context.Background()))
		})
	})
	t.Run("is refused after Run", func(t *testing.T) {
		var g group.Group
		g.Go("a", fails(0, nil))
		checkFailures(t, g.Run(context.Background()))
		refused(t, &g)
	})
	t.Run("is refused for pairs and actors, which are not interrupted", func(t *testing.T) {
		var g group.Group
		checkFailures(t, g.Run(context.Background()))
		never := func(context.Context) error { t.Error("called"); return nil }
		pair := g.Add("pair", never, never)
		actor := g.AddActor("actor", func() error { return never(nil) }, func(error) { _ = never(nil) })
		for _, late := range []*group.Task{pair, actor} {
			if err := late.Shutdown(context.Background()); err != group.ErrStopped || !isClosed(late.Done()) {
				t.Errorf("Shutdown() = %v, Done closed %v, want ErrStopped, true", err, isClosed(late.Done()))
			}
		}
	})
}

func TestRun(t *testing.T) {
	t.Run("returns at once without tasks", func(t *testing.T) {
		var g group.Group
		if err := g.Run(context.Background()); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	t.Run("returns ErrStopped the second time", func(t *testing.T) {
		var g group.Group
		_ = g.Run(context.Background())
		if err := g.Run(context.Background()); err != group.ErrStopped {
			t.Errorf("Run() = %v, want ErrStopped", err)
		}
	})
	t.Run("returns ErrStopped while it runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("a", func(ctx context.Context) error { return g.Run(ctx) })
			if err := g.Run(context.Background()); !errors.Is(err, group.ErrStopped) {
				t.Errorf("Run() = %v, want the task's ErrStopped", err)
			}
		})
	})
	t.Run("returns when the last of several tasks with MayFinish has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			g.Go("a", fails(time.Second, nil), group.MayFinish())
			g.Go("b", fails(time.Minute, nil), group.MayFinish())
			checkFailures(t, g.Run(context.Background()))
			d.note("Run returns")
			d.check(t, "1m0s Run returns")
		})
	})
	t.Run("stops at an error of a task with MayFinish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("a", waits)
			g.Go("b", fails(time.Second, errBoom), group.MayFinish())
			checkFailures(t, g.Run(context.Background()), "b: boom")
		})
	})
	t.Run("starts and stops all tasks, newest first, with a context that has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			d := newDiary()
			var g group.Group
			g.Go("a", d.obeys("a", time.Second))
			g.Go("b", d.obeys("b", time.Second))
			checkFailures(t, g.Run(ctx))
			d.check(t, "0s b told", "1s b ends", "1s a told", "2s a ends")
		})
	})
	t.Run("has closed Done of each task when it returns", func(t *testing.T) {
		for range 200 {
			ctx, cancel := context.WithCancel(context.Background())
			var g group.Group
			tasks := []*group.Task{g.Go("a", waits), g.Go("b", waits), g.Go("c", waits)}
			cancel()
			checkFailures(t, g.Run(ctx))
			for i, task := range tasks {
				if !isClosed(task.Done()) {
					t.Fatalf("Done of task %d is open when Run has returned", i)
				}
			}
		}
	})
}

// The error of the last task must be there when Run returns, however early the stop learns that the
// task has ended.
func TestNoErrorIsLost(t *testing.T) {
	for range 500 {
		ctx, cancel := context.WithCancel(context.Background())
		var g group.Group
		for _, name := range []string{"a", "b"} {
			g.Go(name, func(ctx context.Context) error {
				<-ctx.Done()
				return errBoom
			})
		}
		cancel()
		if diff := cmp.Diff([]string{"b: boom", "a: boom"}, failures(g.Run(ctx))); diff != "" {
			t.Fatalf("Run's error (-want +got):\n%s", diff)
		}
	}
}
