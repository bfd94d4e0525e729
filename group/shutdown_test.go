package group_test

import (
	"context"
	"errors"
	"runtime/pprof"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

func TestShutdownBeforeRun(t *testing.T) {
	never := func(t *testing.T) task {
		return func(context.Context) error {
			t.Error("a task that was shut down before Run was called")
			return nil
		}
	}
	for _, tt := range []struct {
		name string
		add  func(*group.Group, task) *group.Task
	}{
		{"of a task", func(g *group.Group, f task) *group.Task { return g.Go("a", f) }},
		{"of a pair", func(g *group.Group, f task) *group.Task { return g.Add("a", f, f) }},
	} {
		t.Run(tt.name+" means that it is never started", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group.Group
				a := tt.add(&g, never(t))
				g.Go("b", fails(time.Minute, nil))
				for range 2 {
					if err := a.Shutdown(context.Background()); err != nil {
						t.Errorf("Shutdown() = %v, want nil", err)
					}
				}
				if !isClosed(a.Done()) {
					t.Error("Done is open, want closed")
				}
				wait := started(context.Background(), &g)
				if err := a.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown() while the group runs = %v, want nil", err)
				}
				checkFailures(t, wait())
				if err := a.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown() after Run = %v, want nil", err)
				}
			})
		})
	}
	t.Run("of all tasks leaves an empty group", func(t *testing.T) {
		var g group.Group
		a, b := g.Go("a", never(t)), g.Go("b", never(t))
		_, _ = a.Shutdown(context.Background()), b.Shutdown(context.Background())
		checkFailures(t, g.Run(context.Background()))
	})
}

func TestShutdownOfARunningTask(t *testing.T) {
	t.Run("waits for it, and does not stop the group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			g.Go("a", d.obeys("a", s))
			b := g.Go("b", d.obeys("b", 2*s))
			g.Go("c", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			if err := b.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown() = %v, want nil", err)
			}
			if !isClosed(b.Done()) {
				t.Error("Done is open, want closed")
			}
			checkFailures(t, wait())
			d.check(t, "0s b told", "2s b ends", "1m0s a told", "1m1s a ends")
		})
	})
	t.Run("returns its error, which is then not the group's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			a := g.Go("a", func(ctx context.Context) error { <-ctx.Done(); return errBoom })
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			for range 2 {
				if err := a.Shutdown(context.Background()); !errors.Is(err, errBoom) {
					t.Errorf("Shutdown() = %v, want %v", err, errBoom)
				}
			}
			checkFailures(t, wait())
		})
	})
	t.Run("returns the interrupt's error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := newDiary().server()
			srv.serveErr, srv.shutdownErr = errors.New("closed"), errBoom
			var g group.Group
			a := g.Add("a", srv.serve, srv.shutdown)
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			if err := a.Shutdown(context.Background()); !errors.Is(err, errBoom) {
				t.Errorf("Shutdown() = %v, want %v", err, errBoom)
			}
			checkFailures(t, wait())
			srv.checkInterrupts(t)
		})
	})
	t.Run("of the last task ends Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			a := g.Go("a", waits)
			wait := started(context.Background(), &g)
			if err := a.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown() = %v, want nil", err)
			}
			checkFailures(t, wait())
		})
	})
	t.Run("has context.Canceled as the cause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			a := g.Go("a", func(ctx context.Context) error {
				<-ctx.Done()
				if cause := context.Cause(ctx); cause != context.Canceled {
					t.Errorf("Cause = %v, want context.Canceled", cause)
				}
				return nil
			})
			wait := started(context.Background(), &g)
			_ = a.Shutdown(context.Background())
			checkFailures(t, wait())
		})
	})
	t.Run("by two callers gives both its error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			a := g.Go("a", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(s); return errBoom })
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			other := make(chan error, 1)
			go func() { other <- a.Shutdown(context.Background()) }()
			for _, err := range []error{a.Shutdown(context.Background()), <-other} {
				if !errors.Is(err, errBoom) {
					t.Errorf("Shutdown() = %v, want %v", err, errBoom)
				}
			}
			checkFailures(t, wait())
		})
	})
}

func TestShutdownWhoseContextEnds(t *testing.T) {
	t.Run("ends the task's work context a little before, and the task stays a member", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			ctx, cancel := context.WithTimeout(context.Background(), 10*s)
			defer cancel()
			var g group.Group
			hung := g.Go("hung", d.hangs("hung", release))
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			if err := hung.Shutdown(ctx); err != context.DeadlineExceeded {
				t.Errorf("Shutdown() = %v, want DeadlineExceeded", err)
			}
			d.note("Shutdown returns")
			if isClosed(hung.Done()) {
				t.Error("Done is closed, want open")
			}
			checkFailures(t, wait(), "hung: stuck 25s")
			d.note("Run returns")
			close(release)
			d.check(t, "0s hung told", "9.5s hung deadline", "10s Shutdown returns", "1m25s Run returns")
		})
	})
	t.Run("returns nil if the task returns at its deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*s)
			defer cancel()
			var g group.Group
			a := g.Go("a", func(ctx context.Context) error { <-group.WorkContext(ctx).Done(); return nil })
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			if err := a.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown() = %v, want nil", err)
			}
			checkFailures(t, wait())
		})
	})
	t.Run("leaves the error of the task to the group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			var g group.Group
			a := g.Go("a", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(s); return errBoom })
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			cancel()
			if err := a.Shutdown(ctx); err != context.Canceled {
				t.Errorf("Shutdown() = %v, want Canceled", err)
			}
			checkFailures(t, wait(), "a: boom")
		})
	})
	t.Run("leaves the error to another call that still waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			short, cancel := context.WithTimeout(context.Background(), s)
			defer cancel()
			var g group.Group
			a := g.Go("a", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(5 * s); return errBoom })
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			go func() { _ = a.Shutdown(short) }()
			if err := a.Shutdown(context.Background()); !errors.Is(err, errBoom) {
				t.Errorf("Shutdown() = %v, want %v", err, errBoom)
			}
			checkFailures(t, wait())
		})
	})
	t.Run("just before the end of the task does not lose its error", func(t *testing.T) {
		for range 200 {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), s)
				defer cancel()
				var g group.Group
				a := g.Go("a", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(s); return errBoom })
				g.Go("b", fails(time.Minute, nil))
				wait := started(context.Background(), &g)
				taken, left := a.Shutdown(ctx), wait()
				if errors.Is(taken, errBoom) == errors.Is(left, errBoom) {
					t.Errorf("Shutdown() = %v, Run() = %v, want the error in one of them", taken, left)
				}
			})
			if t.Failed() {
				return
			}
		}
	})
	t.Run("can be tried again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			short, cancel := context.WithTimeout(context.Background(), s)
			defer cancel()
			var g group.Group
			a := g.Go("a", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(5 * s); return errBoom })
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			if err := a.Shutdown(short); err != context.DeadlineExceeded {
				t.Errorf("Shutdown() = %v, want DeadlineExceeded", err)
			}
			if err := a.Shutdown(context.Background()); !errors.Is(err, errBoom) {
				t.Errorf("Shutdown() again = %v, want %v", err, errBoom)
			}
			checkFailures(t, wait())
		})
	})
	t.Run("returns the result of a task that has ended all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			var g group.Group
			a := g.Go("a", succeeds, group.MayFinish())
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			for range 50 {
				if err := a.Shutdown(ctx); err != nil {
					t.Fatalf("Shutdown() = %v, want nil", err)
				}
			}
			checkFailures(t, wait())
		})
	})
}

// inside are the ways to call Shutdown from within the task that it shuts down.
var inside = []struct {
	name string
	call func(self *group.Task, ctx context.Context) error
}{
	{"on its goroutine", func(self *group.Task, _ context.Context) error {
		return self.Shutdown(context.Background())
	}},
	{"with its context", func(self *group.Task, ctx context.Context) error {
		return elsewhere(func() error { return self.Shutdown(ctx) })
	}},
	{"with a context that descends from its own", func(self *group.Task, ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithValue(ctx, s, s), time.Hour)
		defer cancel()
		return elsewhere(func() error { return self.Shutdown(ctx) })
	}},
	{"with its work context", func(self *group.Task, ctx context.Context) error {
		return elsewhere(func() error { return self.Shutdown(group.WorkContext(ctx)) })
	}},
	{"from a group within it, on its goroutine", func(self *group.Task, ctx context.Context) error {
		return fromWithin(ctx, func(context.Context) error { return self.Shutdown(context.Background()) })
	}},
	{"from a group within it, with its context", func(self *group.Task, ctx context.Context) error {
		return fromWithin(ctx, func(ctx context.Context) error {
			return elsewhere(func() error { return self.Shutdown(ctx) })
		})
	}},
}

func elsewhere(f func() error) error {
	result := make(chan error)
	go func() { result <- f() }()
	return <-result
}

func fromWithin(ctx context.Context, f task) error {
	var g group.Group
	g.Go("within", f)
	return g.Run(ctx)
}

func TestShutdownFromInside(t *testing.T) {
	for _, in := range inside {
		t.Run(in.name+" tells the task and returns nil at once", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				var g group.Group
				var self *group.Task
				self = g.Go("self", func(ctx context.Context) error {
					if err := in.call(self, ctx); err != nil {
						t.Errorf("Shutdown() = %v, want nil", err)
					}
					d.note("Shutdown returns")
					return waits(ctx)
				})
				g.Go("b", fails(time.Minute, nil))
				wait := started(context.Background(), &g)
				<-self.Done()
				d.note("Done")
				checkFailures(t, wait())
				d.note("Run returns")
				d.check(t, "0s Shutdown returns", "0s Done", "1m0s Run returns")
			})
		})
	}
	t.Run("does not lose the task's error", func(t *testing.T) {
		for _, m := range append(misdeeds[:len(misdeeds):len(misdeeds)], fault) {
			t.Run("when it "+m.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var g group.Group
					var self *group.Task
					self = g.Go("self", func(context.Context) (err error) {
						_ = self.Shutdown(context.Background())
						if m.do == nil {
							return errBoom
						}
						m.do()
						return nil
					})
					g.Go("b", fails(time.Minute, nil))
					wait := started(context.Background(), &g)
					m.check(t, wait())
				})
			})
		}
	})
	t.Run("by the interrupt returns at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			srv := d.server()
			var g group.Group
			var self *group.Task
			self = g.Add("self", srv.serve, func(ctx context.Context) error {
				if err := self.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown() = %v, want nil", err)
				}
				return srv.shutdown(ctx)
			})
			g.Go("b", succeeds)
			checkFailures(t, g.Run(context.Background()))
			srv.checkInterrupts(t)
			d.check(t, "0s shutdown")
		})
	})
	t.Run("by the execute of a pair is followed by its interrupt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := newDiary().server()
			var g group.Group
			var self *group.Task
			self = g.Add("self", func(ctx context.Context) error {
				if err := self.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown() = %v, want nil", err)
				}
				return srv.serve(ctx)
			}, srv.shutdown)
			g.Go("b", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			if !isClosed(self.Done()) {
				t.Error("Done is open, want closed")
			}
			checkFailures(t, wait())
			srv.checkInterrupts(t)
		})
	})
}

// fault is a task that returns an error.
var fault = struct {
	name  string
	do    func()
	check func(*testing.T, error)
}{"fails", nil, func(t *testing.T, err error) { checkFailures(t, err, "self: boom") }}

// Shutdown waits for the task although its caller is a task of the same group.
func TestShutdownOfASibling(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(sibling *group.Task, ctx context.Context) error
	}{
		{"on its goroutine", func(sibling *group.Task, _ context.Context) error {
			return sibling.Shutdown(context.Background())
		}},
		{"with its context", func(sibling *group.Task, ctx context.Context) error { return sibling.Shutdown(ctx) }},
		{"on another goroutine", func(sibling *group.Task, _ context.Context) error {
			return elsewhere(func() error { return sibling.Shutdown(context.Background()) })
		}},
		{"under a label", func(sibling *group.Task, ctx context.Context) (err error) {
			pprof.Do(ctx, pprof.Labels("key", "value"), func(context.Context) {
				err = sibling.Shutdown(context.Background())
			})
			return err
		}},
		{"from a group within", func(sibling *group.Task, ctx context.Context) error {
			return fromWithin(ctx, func(context.Context) error { return sibling.Shutdown(context.Background()) })
		}},
	} {
		t.Run(tt.name+" waits", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				var g group.Group
				sibling := g.Go("name", d.obeys("sibling", 3*s))
				g.Go("name", func(ctx context.Context) error {
					if err := tt.call(sibling, ctx); err != nil {
						t.Errorf("Shutdown() = %v, want nil", err)
					}
					d.note("Shutdown returns")
					return waits(ctx)
				})
				g.Go("b", fails(time.Minute, nil))
				checkFailures(t, g.Run(context.Background()))
				d.check(t, "0s sibling told", "3s sibling ends", "3s Shutdown returns")
			})
		})
	}
}

func TestShutdownDuringTheStop(t *testing.T) {
	t.Run("tells a task before its turn and waits for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var g group.Group
			a := g.Go("a", d.obeys("a", 5*s))
			g.Go("b", d.obeys("b", 3*s))
			g.Go("c", succeeds)
			wait := started(context.Background(), &g)
			time.Sleep(s)
			if err := a.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown() = %v, want nil", err)
			}
			d.note("Shutdown returns")
			checkFailures(t, wait())
			d.note("Run returns")
			d.check(t, "0s b told", "1s a told", "3s b ends", "6s a ends", "6s Shutdown returns", "6s Run returns")
		})
	})
	t.Run("leaves the error that began the stop with the group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := newDiary().server()
			var g group.Group
			bad := g.Add("bad", fails(0, errBoom), srv.shutdown)
			g.Go("slow", newDiary().obeys("slow", 3*s))
			wait := started(context.Background(), &g)
			time.Sleep(s)
			if err := bad.Shutdown(context.Background()); !errors.Is(err, errBoom) {
				t.Errorf("Shutdown() = %v, want %v", err, errBoom)
			}
			checkFailures(t, wait(), "bad: boom")
			srv.checkInterrupts(t)
		})
	})
	t.Run("returns the error of a task that has already failed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			bad := g.Go("bad", fails(0, errBoom))
			g.Go("slow", newDiary().obeys("slow", 3*s))
			wait := started(context.Background(), &g)
			<-bad.Done()
			if err := bad.Shutdown(context.Background()); !errors.Is(err, errBoom) {
				t.Errorf("Shutdown() = %v, want %v", err, errBoom)
			}
			checkFailures(t, wait(), "bad: boom")
			if err := bad.Shutdown(context.Background()); !errors.Is(err, errBoom) {
				t.Errorf("Shutdown() after Run = %v, want %v", err, errBoom)
			}
		})
	})
}

// curious is a context that calls the task when it is asked for its error.
type curious struct {
	context.Context
	task *group.Task
}

func (c curious) Err() error { c.task.Done(); return c.Context.Err() }

func TestShutdownsContextMayCallTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group.Group
		task := g.Go("slow", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Minute); return nil })
		g.Go("other", func(ctx context.Context) error { <-ctx.Done(); return nil })
		run := make(chan error)
		parent, stop := context.WithCancel(context.Background())
		go func() { run <- g.Run(parent) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := task.Shutdown(curious{ctx, task}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want that its context has ended", err)
		}
		<-task.Done()
		stop()
		if err := <-run; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownOfATaskThatReturnsAfterItWasAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration) func(context.Context) error {
			return func(ctx context.Context) error { <-ctx.Done(); time.Sleep(d); return nil }
		}
		var g group.Group
		g.Go("older", after(5*time.Second))
		task := g.Go("stuck", after(3*time.Second), group.Timeout(time.Second))
		ctx, cancel := context.WithCancel(context.Background())
		run := make(chan error)
		go func() { run <- g.Run(ctx) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		var stuck *group.StuckError
		if err := task.Shutdown(context.Background()); !errors.As(err, &stuck) { // before Run has returned
			t.Errorf("Shutdown = %v, want a *StuckError", err)
		}
		if err := <-run; !errors.As(err, &stuck) {
			t.Errorf("Run = %v, want a *StuckError", err)
		}
	})
}
