package shutdown_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

type key string

func TestAHandlersContext(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			if got := ctx.Value(key("k")); got != "v" {
				t.Errorf("Value = %v, want that of the root context", got)
			}
			if ctx.Err() != nil || context.Cause(ctx) != nil || isClosed(ctx.Done()) {
				t.Errorf("Err = %v, Cause = %v; want a live context", ctx.Err(), context.Cause(ctx))
			}
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != 24500*ms {
				t.Errorf("Deadline in %v, %v; want 24.5 s", time.Until(d), ok)
			}
			if shutdown.FromContext(ctx) != p.Coordinator {
				t.Error("FromContext is another Coordinator")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key("k"), "v"))
		p.at(s, cancel)
		if err := p.Run(ctx, obey).Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestContextsEndAtTheDeadlineWithItsCause(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			before := runtime.NumGoroutine()
			cancelled, cancel := context.WithCancel(ctx)
			defer cancel()
			timed, cancelTimed := context.WithTimeout(ctx, time.Hour)
			defer cancelTimed()
			grandchild, cancelGrandchild := context.WithCancel(context.WithValue(cancelled, key("k"), "v"))
			defer cancelGrandchild()
			free := context.WithoutCancel(ctx)
			after := make(chan time.Duration, 1)
			context.AfterFunc(ctx, func() { after <- p.now() })
			if n := runtime.NumGoroutine() - before; n > 0 {
				t.Errorf("%d goroutines for derived contexts, want none", n)
			}
			<-grandchild.Done()
			if got := p.now(); got != 950*ms || <-after != got {
				t.Errorf("ended at %v, want the deadline, 950 ms", got)
			}
			for name, c := range map[string]context.Context{
				"the handler's": ctx, "WithCancel": cancelled, "WithTimeout": timed, "a grandchild": grandchild,
				"WithValue": context.WithValue(ctx, key("k"), 1),
			} {
				<-c.Done()
				if c.Err() != context.DeadlineExceeded || context.Cause(c) != shutdown.ErrGrace {
					t.Errorf("%s context: Err = %v, Cause = %v; want DeadlineExceeded and ErrGrace", name, c.Err(), context.Cause(c))
				}
			}
			lateChild, cancelLate := context.WithCancel(ctx)
			defer cancelLate()
			if lateChild.Err() != context.DeadlineExceeded || context.Cause(lateChild) != shutdown.ErrGrace {
				t.Errorf("a context derived after the deadline: Err = %v, Cause = %v", lateChild.Err(), context.Cause(lateChild))
			}
			if free.Err() != nil || context.Cause(free) != nil {
				t.Errorf("WithoutCancel: Err = %v, Cause = %v; want nil", free.Err(), context.Cause(free))
			}
			return nil
		}, shutdown.Timeout(s))
		p.runs(nothing)
	})
}

func TestAStoppedAfterFuncIsNotCalled(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			stop := context.AfterFunc(ctx, func() { t.Error("called") })
			if !stop() {
				t.Error("stop() = false before the end")
			}
			if stop() {
				t.Error("a second stop() = true")
			}
			<-ctx.Done()
			synctest.Wait()
			called := make(chan bool)
			context.AfterFunc(ctx, func() { close(called) })
			<-called // of an ended context: at once
			return nil
		}, shutdown.Timeout(s))
		p.runs(nothing)
	})
}

func TestContextsEndWhenTheirStepHasReturned(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var of, child context.Context
		cancel := func() {}
		defer func() { cancel() }()
		p.Register(shutdown.Func(func() {
			if of.Err() != context.Canceled || child.Err() != context.Canceled {
				t.Errorf("of the handler before: Err = %v, of its child %v; want Canceled", of.Err(), child.Err())
			}
		}))
		p.Register(func(ctx context.Context) error {
			of = ctx
			child, cancel = context.WithCancel(ctx)
			return nil
		})
		p.runs(nothing)
	})
}

func TestTheRootContextsCauseIsTheRequests(t *testing.T) {
	cause := errors.New("disk full")
	for _, tt := range []struct {
		name string
		stop func(*bubble)
		want error
	}{
		{"Stop with a cause", func(p *bubble) { p.Stop(cause) }, cause},
		{"Stop without one", func(p *bubble) { p.Stop(nil) }, shutdown.ErrStopRequested},
		{"a signal", func(p *bubble) { p.signals <- sigint }, &signals.Error{Signal: sigint}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.at(s, func() { tt.stop(p) })
				p.runs(func(ctx context.Context) error {
					child, cancel := context.WithCancel(ctx)
					defer cancel()
					<-child.Done()
					for _, c := range []context.Context{ctx, child} {
						if c.Err() != context.Canceled || !errors.Is(context.Cause(c), tt.want) {
							t.Errorf("Err = %v, Cause = %v; want Canceled and %v", c.Err(), context.Cause(c), tt.want)
						}
					}
					return context.Cause(ctx)
				})
			})
		})
	}
}

func TestFromContext(t *testing.T) {
	inBubble(t, func(p *bubble) {
		check := func(where string, ctx context.Context) {
			if shutdown.FromContext(ctx) != p.Coordinator {
				t.Errorf("FromContext in %s is another Coordinator", where)
			}
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			if shutdown.FromContext(child) != p.Coordinator {
				t.Errorf("FromContext of a derived context in %s is another Coordinator", where)
			}
		}
		p.Start(func(ctx context.Context) error {
			check("a started task", ctx)
			return obey(ctx)
		})
		p.Register(func(ctx context.Context) error { check("a handler", ctx); return nil })
		scope := p.Scope("")
		scope.Register(func(ctx context.Context) error { check("a scope that is closed", ctx); return nil })
		p.at(s, func() { p.Stop(nil) })
		p.runs(func(ctx context.Context) error {
			check("main", ctx)
			check("WorkContext", group.WorkContext(ctx))
			p.Go(ctx, "held", func(ctx context.Context) error { check("a hold", ctx); return nil })
			_ = scope.Close(context.Background())
			var g group.Group
			g.Go("task", func(ctx context.Context) error { check("a task", ctx); return obey(ctx) })
			return g.Run(ctx)
		})
		if shutdown.FromContext(context.Background()) != shutdown.Default {
			t.Error("FromContext of another context is not Default")
		}
		inOther := false
		p.another().Run(context.Background(), func(ctx context.Context) error {
			inOther = shutdown.FromContext(ctx) != p.Coordinator && shutdown.FromContext(ctx) != shutdown.Default
			return nil
		})
		if !inOther {
			t.Error("FromContext mixes up Coordinators")
		}
	})
}

func TestWorkContextOutlivesTheRequestAndEndsAtTheDeadline(t *testing.T) {
	work := func(t *testing.T, p *bubble, ctx context.Context, told, deadline time.Duration) {
		t.Helper()
		ctx = context.WithValue(ctx, key("k"), "v")
		w := group.WorkContext(ctx)
		if ctx.Done() != nil && told > 0 {
			<-ctx.Done()
			if got := p.now(); got != told {
				t.Errorf("asked to stop at %v, want %v", got, told)
			}
		}
		if w.Err() != nil || context.Cause(w) != nil || w.Value(key("k")) != "v" {
			t.Errorf("after the request: Err = %v, Cause = %v, Value = %v; want a live context with the values of ctx",
				w.Err(), context.Cause(w), w.Value(key("k")))
		}
		child, cancel := context.WithCancel(w)
		defer cancel()
		<-child.Done()
		if got := p.now(); got != deadline {
			t.Errorf("ended at %v, want the deadline, %v", got, deadline)
		}
		for _, c := range []context.Context{w, child} {
			if c.Err() != context.DeadlineExceeded || context.Cause(c) != shutdown.ErrGrace {
				t.Errorf("Err = %v, Cause = %v; want DeadlineExceeded and ErrGrace", c.Err(), context.Cause(c))
			}
		}
	}
	t.Run("in main", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.at(s, func() { p.Stop(nil) })
			p.runs(func(ctx context.Context) error {
				work(t, p, ctx, s, s+24500*ms)
				return nil
			})
		})
	})
	t.Run("in a task", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.at(s, func() { p.Stop(nil) })
			p.runs(groupOf(func(ctx context.Context) error {
				work(t, p, ctx, s, s+24*s) // main's deadline, less half a second
				return nil
			}))
		})
	})
	t.Run("in a handler it is the handler's", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.Register(func(ctx context.Context) error {
				work(t, p, ctx, 0, 24500*ms)
				return nil
			})
			p.runs(nothing)
		})
	})
	t.Run("in a started task", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.Start(func(ctx context.Context) error {
				work(t, p, ctx, s, s+24500*ms)
				return nil
			})
			p.runs(p.takes(s))
		})
	})
}

func TestWorkContextOfAContextThatHasEndedItself(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.runs(func(ctx context.Context) error {
			gone := errors.New("the client has gone")
			request, cancel := context.WithCancelCause(ctx)
			cancel(gone)
			w := group.WorkContext(request)
			if w.Err() != nil || context.Cause(w) != nil {
				t.Errorf("Err = %v, Cause = %v; want both nil", w.Err(), context.Cause(w))
			}
			child, stop := context.WithTimeout(w, time.Hour)
			defer stop()
			if child.Err() != nil || context.Cause(child) != nil {
				t.Errorf("of a child: Err = %v, Cause = %v; want both nil", child.Err(), context.Cause(child))
			}
			return nil
		})
	})
}

func TestLabels(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			label, ok := pprof.Label(ctx, "lastcall")
			if !ok || !strings.HasPrefix(label, "flush#") {
				t.Errorf("label of the context = %q, want one with the name of the handler", label)
			}
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			if got, _ := pprof.Label(child, "lastcall"); got != label {
				t.Errorf("label of a derived context = %q, want %q", got, label)
			}
			pprof.Do(ctx, pprof.Labels("own", "one"), func(context.Context) {
				go p.hangs(ctx) // a child with a label of its own, and the handler's
			})
			return p.hangs(ctx)
		}, shutdown.Name("flush"), shutdown.Timeout(s))
		stack := step(t, p.runs(nothing), "flush").Stack
		if n := strings.Count(stack, "1 goroutine"); n != 2 {
			t.Errorf("the stacks of the stuck handler show %d goroutines, want it and its child:\n%s", n, stack)
		}
		if !strings.Contains(stack, "(*bubble).hangs") {
			t.Errorf("the stacks do not show where it is stuck:\n%s", stack)
		}
	})
}

func TestLabelsOfTwoRunsAreDifferent(t *testing.T) {
	inBubble(t, func(p *bubble) {
		label := func(c *shutdown.Coordinator) (label string) {
			c.Register(func(ctx context.Context) error {
				label, _ = pprof.Label(ctx, "lastcall")
				return nil
			}, shutdown.Name("flush"))
			c.Run(context.Background(), nothing)
			return label
		}
		if a, b := label(p.Coordinator), label(p.another()); a == b || a == "" {
			t.Errorf("labels %q and %q, want two", a, b)
		}
	})
}
