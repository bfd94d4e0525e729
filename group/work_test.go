package group_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

type key struct{}

func TestTaskContext(t *testing.T) {
	errCause := errors.New("the cause")
	t.Run("has the values of Run's context, and not its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			ctx, cancel := context.WithTimeoutCause(context.WithValue(context.Background(), key{}, "value"), s, errCause)
			defer cancel()
			var g group.Group
			g.Go("a", func(ctx context.Context) error {
				if got := ctx.Value(key{}); got != "value" {
					t.Errorf("Value() = %v, want %q", got, "value")
				}
				if end, ok := ctx.Deadline(); ok {
					t.Errorf("Deadline() = %v, want none", end)
				}
				<-ctx.Done()
				d.note("a told: " + context.Cause(ctx).Error())
				if ctx.Err() != context.Canceled {
					t.Errorf("Err() = %v, want Canceled", ctx.Err())
				}
				return nil
			})
			g.Go("b", d.obeys("b", s))
			checkFailures(t, g.Run(ctx))
			d.check(t, "1s b told", "2s b ends", "2s a told: the cause")
		})
	})
	for _, tt := range []struct {
		name string
		end  error
		want error
	}{
		{"has the failure that began the stop as its cause", errBoom, errBoom},
		{"has that a task ended as its cause where one returned nil", nil, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group.Group
				g.Go("a", func(ctx context.Context) error {
					<-ctx.Done()
					if cause := context.Cause(ctx); !errors.Is(cause, tt.want) {
						t.Errorf("Cause = %v, want %v", cause, tt.want)
					}
					return nil
				})
				g.Go("b", fails(s, tt.end))
				_ = g.Run(context.Background())
			})
		})
	}
	t.Run("ends derived contexts with its cause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(context.Background())
			var g group.Group
			g.Go("a", func(ctx context.Context) error {
				derived, stop := context.WithTimeout(ctx, time.Hour)
				defer stop()
				called := make(chan struct{})
				context.AfterFunc(ctx, func() { close(called) })
				<-derived.Done()
				<-called
				if derived.Err() != context.Canceled || context.Cause(derived) != errCause {
					t.Errorf("Err, Cause = %v, %v, want Canceled, %v", derived.Err(), context.Cause(derived), errCause)
				}
				return derived.Err()
			})
			wait := started(parent, &g)
			cancel(errCause)
			checkFailures(t, wait())
		})
	})
	t.Run("ends with the task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var ctxs []context.Context
			var g group.Group
			g.Go("a", func(ctx context.Context) error {
				ctxs = append(ctxs, ctx, group.WorkContext(ctx))
				return nil
			})
			checkFailures(t, g.Run(context.Background()))
			for _, ctx := range ctxs {
				if ctx.Err() != context.Canceled {
					t.Errorf("Err() = %v, want Canceled", ctx.Err())
				}
			}
		})
	})
}

// inTask runs f in a task of a group that has 10 s to stop and is asked to stop at once.
func inTask(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "outer"))
		cancel()
		g := group.Group{Grace: 10 * s}
		g.Go("a", func(ctx context.Context) error {
			f(t, ctx)
			return nil
		})
		_ = g.Run(ctx)
	})
}

func TestWorkContext(t *testing.T) {
	t.Run("outlives the request to stop and ends at the deadline", func(t *testing.T) {
		inTask(t, func(t *testing.T, ctx context.Context) {
			start, work := time.Now(), group.WorkContext(ctx)
			<-ctx.Done()
			if work.Err() != nil || context.Cause(work) != nil {
				t.Errorf("Err, Cause = %v, %v when told, want none", work.Err(), context.Cause(work))
			}
			if end, ok := group.WorkContext(ctx).Deadline(); !ok || end.Sub(start).Round(time.Microsecond) != 9500*time.Millisecond {
				t.Errorf("Deadline() of one made when told = start + %v, %v, want 9.5s", end.Sub(start), ok)
			}
			<-work.Done()
			if took := time.Since(start); took != 9500*time.Millisecond {
				t.Errorf("it ended after %v, want 9.5s", took)
			}
			if work.Err() != context.DeadlineExceeded || !errors.Is(context.Cause(work), context.DeadlineExceeded) {
				t.Errorf("Err, Cause = %v, %v, want DeadlineExceeded", work.Err(), context.Cause(work))
			}
		})
	})
	t.Run("has the values of the context that it is made from, and not its end", func(t *testing.T) {
		inTask(t, func(t *testing.T, ctx context.Context) {
			derived, cancel := context.WithCancelCause(context.WithValue(ctx, s, "inner"))
			work := group.WorkContext(derived)
			cancel(errBoom)
			if work.Value(key{}) != "outer" || work.Value(s) != "inner" {
				t.Errorf("values = %v, %v, want outer, inner", work.Value(key{}), work.Value(s))
			}
			if work.Err() != nil || context.Cause(work) != nil {
				t.Errorf("Err, Cause = %v, %v, want none", work.Err(), context.Cause(work))
			}
			<-work.Done()
			if cause := context.Cause(work); !errors.Is(cause, context.DeadlineExceeded) || cause == errBoom {
				t.Errorf("Cause = %v, want ErrGrace", cause)
			}
		})
	})
	t.Run("ends contexts derived from it", func(t *testing.T) {
		inTask(t, func(t *testing.T, ctx context.Context) {
			with := context.WithValue(ctx, s, s)
			derived, cancel := context.WithCancel(group.WorkContext(with))
			defer cancel()
			<-ctx.Done()
			<-derived.Done()
			if derived.Err() != context.DeadlineExceeded {
				t.Errorf("Err() = %v, want DeadlineExceeded", derived.Err())
			}
			if cause, want := context.Cause(derived), context.Cause(group.WorkContext(ctx)); cause != want {
				t.Errorf("Cause = %v, want %v", cause, want)
			}
		})
	})
	t.Run("of a work context is a work context", func(t *testing.T) {
		inTask(t, func(t *testing.T, ctx context.Context) {
			work := group.WorkContext(group.WorkContext(context.WithValue(ctx, s, "inner")))
			<-ctx.Done()
			if work.Err() != nil || work.Value(s) != "inner" {
				t.Errorf("Err, Value = %v, %v, want nil, inner", work.Err(), work.Value(s))
			}
			<-work.Done()
		})
	})
	t.Run("of the contexts of a pair ends at the deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, g := newDiary(), group.Group{Grace: 10 * s}
			quit := make(chan struct{})
			g.Add("a", func(ctx context.Context) error {
				<-quit
				if err := group.WorkContext(ctx).Err(); err != nil {
					t.Errorf("execute's Err() = %v, want nil", err)
				}
				return nil
			}, func(ctx context.Context) error {
				close(quit)
				<-group.WorkContext(ctx).Done()
				d.note("deadline")
				return nil
			})
			g.Go("b", succeeds)
			_ = g.Run(context.Background())
			d.check(t, "9.5s deadline")
		})
	})
	t.Run("of any other context is that context without its end", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, "value"), time.Hour)
		cancel()
		work := group.WorkContext(ctx)
		if work.Err() != nil || work.Done() != nil || work.Value(key{}) != "value" {
			t.Errorf("Err, Value = %v, %v, want nil, value", work.Err(), work.Value(key{}))
		}
		if _, ok := work.Deadline(); ok {
			t.Error("it has a deadline")
		}
	})
}

// A task may take a work context for each of its jobs.
func TestWorkContextDoesNotGrow(t *testing.T) {
	const jobs = 100_000
	for _, tt := range []struct {
		name string
		job  func(ctx context.Context)
	}{
		{"by itself", func(ctx context.Context) { group.WorkContext(ctx) }},
		{"with values", func(ctx context.Context) { group.WorkContext(context.WithValue(ctx, key{}, s)).Done() }},
		{"with derived contexts that are released", func(ctx context.Context) {
			_, cancel := context.WithCancel(group.WorkContext(context.WithValue(ctx, key{}, s)))
			cancel()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var g group.Group
			g.Go("a", func(ctx context.Context) error {
				var grown int64
				for range 5 { // goroutines of other tests may allocate
					before := heap()
					for range jobs {
						tt.job(ctx)
					}
					if grown = int64(heap()) - int64(before); grown <= jobs {
						return nil
					}
				}
				t.Errorf("the heap has grown by %d bytes in %d jobs, want none", grown, jobs)
				return nil
			})
			checkFailures(t, g.Run(context.Background()))
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
