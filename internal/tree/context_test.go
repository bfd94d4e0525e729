package tree_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

type key string

// newContext returns the context of a step whose function does not run.
func newContext(t *testing.T) (*tree.Node, *tree.Context) {
	p := newProgram(t)
	n := newStep(tree.Hold, "step", nil, tree.Limits{})
	p.locked(func() { _ = p.Add(p.body, n, p.Values()) })
	return n, n.WorkContext()
}

// TestHowContextsEnd has each kind of context with the reason of its end, and when it ends.
func TestHowContextsEnd(t *testing.T) {
	second := errors.New("second signal")
	handler := func(p *program, f tree.Func) { p.handler(p.stack, "step", f, tree.Limits{}) }
	task := func(p *program, f tree.Func) { p.runs(p.stack, tree.Task, "step", f, tree.Limits{}) }
	mainStep := func(p *program, f tree.Func) { p.runs(p.body, tree.Main, "step", f, tree.Limits{}) }
	hold := func(p *program, f tree.Func) { p.runs(p.body, tree.Hold, "step", f, tree.Limits{}) }
	execute := func(p *program, f tree.Func) {
		p.pair(p.stack, "step", f, func(context.Context) error { return nil })
	}
	interrupt := func(p *program, f tree.Func) {
		p.pair(p.stack, "step", func(context.Context) error { return nil }, f)
	}
	work := func(ctx context.Context) context.Context { return tree.From(ctx).Work(ctx) }
	itself := func(ctx context.Context) context.Context { return ctx }
	force := func(p *program) { p.after(3*s, func() { p.locked(func() { p.Force(second) }) }) }
	for _, tt := range []struct {
		name   string
		step   func(p *program, f tree.Func)
		of     func(ctx context.Context) context.Context
		before func(p *program)
		at     time.Duration // from the start; the stop comes after a second
		err    error
		cause  error
	}{
		{"a handler's, at its deadline", handler, itself, nil, 20500 * ms, context.DeadlineExceeded, tree.ErrGrace},
		{"a handler's, after a second signal", handler, itself, force, 3 * s, context.Canceled, second},
		{"a handler's work context is no other", handler, work, nil, 20500 * ms, context.DeadlineExceeded, tree.ErrGrace},
		{"a task's, when it is told", task, itself, nil, s, context.Canceled, errStop},
		{"a task's work context, at its deadline", task, work, nil, 20500 * ms, context.DeadlineExceeded, tree.ErrGrace},
		{"a task's work context, after a second signal", task, work, force, 3 * s, context.Canceled, second},
		{"main's, when it is told", mainStep, itself, nil, s, context.Canceled, errStop},
		{"main's work context, at its deadline", mainStep, work, nil, 20500 * ms, context.DeadlineExceeded, tree.ErrGrace},
		{"a hold's, at main's deadline", hold, itself, nil, 20500 * ms, context.DeadlineExceeded, tree.ErrGrace},
		{"that of execute, at its deadline", execute, itself, nil, 20500 * ms, context.DeadlineExceeded, tree.ErrGrace},
		{"that of interrupt, at its deadline", interrupt, itself, nil, 20500 * ms, context.DeadlineExceeded, tree.ErrGrace},
		{"that of interrupt, after a second signal", interrupt, itself, force, 3 * s, context.Canceled, second},
	} {
		for _, derived := range []bool{false, true} {
			name := tt.name
			if derived {
				name = "derived from " + name
			}
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(p *program) {
					if tt.before != nil {
						tt.before(p)
					}
					ended := false
					tt.step(p, func(ctx context.Context) error {
						ctx = tt.of(ctx)
						if derived {
							var cancel context.CancelFunc
							ctx, cancel = context.WithTimeout(context.WithValue(ctx, key("k"), 1), time.Hour)
							defer cancel()
						}
						if ctx.Err() != nil || context.Cause(ctx) != nil {
							t.Errorf("at first Err = %v, Cause = %v", ctx.Err(), context.Cause(ctx))
						}
						called := make(chan time.Duration, 1)
						context.AfterFunc(ctx, func() { called <- p.since() })
						<-ctx.Done()
						if at, called := p.since(), <-called; at != tt.at || called != tt.at {
							t.Errorf("it ends at %v, its AfterFunc is called at %v; want %v", at, called, tt.at)
						}
						if ctx.Err() != tt.err || context.Cause(ctx) != tt.cause {
							t.Errorf("Err = %v, Cause = %v; want %v and %v", ctx.Err(), context.Cause(ctx), tt.err, tt.cause)
						}
						ended = true
						return nil
					})
					time.Sleep(s)
					p.stop(20 * s)
					if !ended {
						t.Error("it has not ended")
					}
				})
			})
		}
	}
}

// TestDeadlineIsConstant asks each kind of context for its deadline, before and after the stop, and
// when limits come forward. The deadline does not change, and the context does not outlive it.
func TestDeadlineIsConstant(t *testing.T) {
	inBubble(t, func(p *program) {
		type asked struct {
			name string
			ctx  context.Context
			at   time.Time
			ok   bool
		}
		var mu sync.Mutex
		var contexts []asked
		ask := func(name string, ctx context.Context) {
			at, ok := ctx.Deadline()
			mu.Lock()
			defer mu.Unlock()
			contexts = append(contexts, asked{name, ctx, at, ok})
		}
		both := func(name string, ctx context.Context) {
			ask(name, ctx)
			ask("the work context of "+name, tree.From(ctx).Work(ctx))
			ask("the work context of one derived of "+name, tree.From(ctx).Work(context.WithValue(ctx, key("k"), 1)))
		}
		step := func(name string) tree.Func {
			return func(ctx context.Context) error {
				both(name+" at the start", ctx)
				p.sleep(1500 * ms)
				both(name+" half a second later", ctx)
				p.sleep(forever)
				return nil
			}
		}
		h := p.handler(p.stack, "closed early", step("one that is closed early"), tree.Limits{})
		p.runs(p.stack, tree.Task, "task", step("a task"), tree.Limits{})
		p.handler(p.stack, "handler", step("a handler"), tree.Limits{})
		p.pair(p.stack, "pair", step("execute"), step("interrupt"))
		p.runs(p.body, tree.Main, "main", step("main"), tree.Limits{})
		p.after(0, func() { _ = p.close(context.Background(), h, 20*s) })
		time.Sleep(s)
		done := p.begin(30 * s)
		time.Sleep(s)
		p.locked(func() { p.LimitAll(p.Now() + 15*s) })
		time.Sleep(s)
		p.locked(func() { p.Force(errors.New("again")) })
		<-done
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(contexts) < 6*6 {
			t.Errorf("only %d contexts were asked", len(contexts))
		}
		known := 0
		for _, a := range contexts {
			at, ok := a.ctx.Deadline()
			if !at.Equal(a.at) || ok != a.ok {
				t.Errorf("the deadline of %s was %v (%t), and is %v (%t)", a.name, a.at, a.ok, at, ok)
			}
			if ok {
				known++
			}
			if a.ctx.Err() == nil && ok && !time.Now().Before(at) {
				t.Errorf("%s lives on after its deadline", a.name)
			}
		}
		if known < 9 {
			t.Errorf("only %d have a deadline", known)
		}
	})
}

func TestAContextsDeadlineIsAnUpperBoundOfItsEnd(t *testing.T) {
	inBubble(t, func(p *program) {
		p.handler(p.stack, "h", func(ctx context.Context) error {
			at, ok := ctx.Deadline()
			<-ctx.Done()
			// The deadline was known as 19.5 s. The margin is 5 % of the 9 s left at the new limit.
			if left := time.Until(at); !ok || left != 19500*ms-9550*ms {
				t.Errorf("it ends %v before its deadline (%t), want 9.95 s", left, ok)
			}
			return nil
		}, tree.Limits{})
		p.after(s, func() { p.locked(func() { p.LimitAll(p.Now() + 9*s) }) })
		p.stop(20 * s)
	})
}

func TestAWorkContextEndsWithItsStep(t *testing.T) {
	inBubble(t, func(p *program) {
		var contexts []context.Context
		step := func(ctx context.Context) error {
			work := tree.From(ctx).Work(ctx)
			derived, cancel := context.WithCancel(work)
			p.after(time.Hour, cancel)
			contexts = append(contexts, ctx, work, derived, tree.From(ctx).Work(derived))
			return nil
		}
		p.runs(p.body, tree.Main, "main", step, tree.Limits{})
		synctest.Wait()
		p.runs(p.stack, tree.Task, "task", step, tree.Limits{})
		synctest.Wait()
		p.handler(p.stack, "handler", step, tree.Limits{})
		p.stop(s)
		synctest.Wait()
		if len(contexts) != 12 {
			t.Fatalf("%d contexts", len(contexts))
		}
		for i, ctx := range contexts {
			if ctx.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
				t.Errorf("context %d: Err = %v, Cause = %v", i, ctx.Err(), context.Cause(ctx))
			}
		}
	})
}

func TestTheValuesOfContexts(t *testing.T) {
	inBubble(t, func(p *program) {
		outer := context.WithValue(context.Background(), key("k"), "outer")
		outer, cancel := context.WithCancel(pprof.WithLabels(outer, pprof.Labels("service", "orders")))
		cancel()
		p.locked(func() { p.SetValues(tree.ValuesOf(outer)) })
		check := func(what string, ctx context.Context, value any) {
			if got := ctx.Value(key("k")); got != value {
				t.Errorf("%s: the value is %v, want %v", what, got, value)
			}
			if got, _ := pprof.Label(ctx, "service"); got != "orders" {
				t.Errorf("%s: the label is %q", what, got)
			}
			if got, _ := pprof.Label(ctx, "lastcall"); !strings.HasPrefix(got, "step#") {
				t.Errorf("%s: our label is %q", what, got)
			}
			if ctx.Err() != nil {
				t.Errorf("%s: it has the end of what it has the values of", what)
			}
		}
		p.handler(p.stack, "step", func(ctx context.Context) error {
			check("a handler", ctx, "outer")
			n := tree.From(ctx)
			check("what is derived", n.Work(context.WithValue(ctx, key("k"), "derived")), "derived")
			if tree.From(context.WithValue(ctx, key("x"), 1)) != n {
				t.Error("the step is not found in what is derived")
			}
			return nil
		}, tree.Limits{})
		h := p.handler(p.stack, "step", func(ctx context.Context) error { check("closed early", ctx, "closer"); return nil }, tree.Limits{})
		closer, cancel := context.WithCancel(context.WithValue(outer, key("k"), "closer"))
		cancel()
		if err := p.close(closer, h, s); err != nil {
			t.Error(err)
		}
		p.stop(s)
	})
	if tree.From(context.Background()) != nil {
		t.Error("a step is found where none is")
	}
}

// A deepContext records the depth of the stack when it is asked for a value.
type deepContext struct {
	context.Context
	depth *int
}

func (c deepContext) Value(any) any {
	*c.depth = runtime.Callers(0, make([]uintptr, 1000))
	return nil
}

// Work that starts more work, and so on, must not make a chain of contexts.
func TestContextsOfWorkThatStartsWorkDoNotGrow(t *testing.T) {
	inBubble(t, func(p *program) {
		var depths []int
		var again tree.Func
		depth := 0
		again = func(ctx context.Context) error {
			ctx.Value(key("k"))
			if depths = append(depths, depth); len(depths) == 100 {
				return nil
			}
			n, values := newStep(tree.Hold, "hold", again, tree.Limits{}), tree.ValuesOf(ctx)
			p.locked(func() {
				_ = p.Add(p.body, n, values)
				p.Call(n)
			})
			return nil
		}
		p.locked(func() { p.SetValues(tree.ValuesOf(deepContext{context.Background(), &depth})) })
		p.runs(p.body, tree.Hold, "hold", again, tree.Limits{})
		synctest.Wait()
		if len(depths) != 100 || depths[0] != depths[99] {
			t.Errorf("of %d steps the first asks %d calls deep, the last %d", len(depths), depths[0], depths[len(depths)-1])
		}
		p.stop(s)
	})
}

func TestAHoldThatComesLateKnowsItsDeadline(t *testing.T) {
	inBubble(t, func(p *program) {
		p.runs(p.body, tree.Main, "main", p.takes(2*s), tree.Limits{})
		done := p.begin(20 * s)
		time.Sleep(s)
		p.runs(p.body, tree.Hold, "hold", func(ctx context.Context) error {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) != 18500*ms {
				t.Errorf("its deadline is %v ahead (%t), want 18.5 s", time.Until(at), ok)
			}
			return nil
		}, tree.Limits{})
		<-done
	})
}

func TestOnlyTheFirstEndCounts(t *testing.T) {
	for _, used := range []bool{false, true} {
		n, ctx := newContext(t)
		if used {
			ctx.Done()
		}
		first := errors.New("first")
		for _, e := range []*tree.Ending{tree.Asked(first), tree.Asked(errors.New("second")), tree.Expired, tree.Canceled} {
			n.Finish(e)
		}
		if ctx.Err() != context.Canceled || context.Cause(ctx) != first {
			t.Errorf("used %t: Err = %v, Cause = %v; want Canceled and the first", used, ctx.Err(), context.Cause(ctx))
		}
		<-ctx.Done()
	}
}

func TestDerivedContextsCostNoGoroutine(t *testing.T) {
	n, ctx := newContext(t)
	before := runtime.NumGoroutine()
	var cancels []context.CancelFunc
	for range 50 {
		a, cancel := context.WithCancel(ctx)
		b, cancelTimed := context.WithTimeout(n.Work(context.WithValue(ctx, key("k"), 1)), time.Hour)
		context.AfterFunc(a, func() {})
		context.AfterFunc(b, func() {})
		cancels = append(cancels, cancel, cancelTimed)
	}
	if n := runtime.NumGoroutine() - before; n > 0 {
		t.Errorf("%d goroutines", n)
	}
	for _, cancel := range cancels {
		cancel()
	}
}

func TestAStoppedAfterFuncIsNotCalled(t *testing.T) {
	n, ctx := newContext(t)
	called := make(chan string, 3)
	stop := context.AfterFunc(ctx, func() { called <- "taken back" })
	context.AfterFunc(ctx, func() { called <- "kept" })
	if !stop() || stop() {
		t.Error("it cannot be taken back, or twice")
	}
	n.Finish(tree.Canceled)
	if got := <-called; got != "kept" {
		t.Errorf("the one that is %s is called", got)
	}
	stop = context.AfterFunc(ctx, func() { called <- "late" })
	if got := <-called; got != "late" || stop() {
		t.Errorf("of an ended context: %q is called", got)
	}
}

// Many goroutines end a context and call its methods at the same time.
func TestContextUnderRaces(t *testing.T) {
	for range 100 {
		n, ctx := newContext(t)
		cause := errors.New("cause")
		asked := tree.Asked(cause)
		var all sync.WaitGroup
		child := make(chan context.Context, 1)
		for _, f := range []func(){
			func() { n.Finish(asked) },
			func() { n.Finish(tree.Expired) },
			func() { <-ctx.Done() },
			func() {
				c, cancel := context.WithCancel(ctx)
				defer cancel()
				<-c.Done()
				child <- c
			},
			func() { stop := context.AfterFunc(ctx, func() {}); stop() },
			func() { _ = ctx.Err(); _ = context.Cause(ctx); _, _ = ctx.Deadline() },
		} {
			all.Go(f)
		}
		all.Wait()
		err, want := ctx.Err(), context.Cause(ctx)
		if (err == context.Canceled) != (want == cause) || (err == context.DeadlineExceeded) != (want == tree.ErrGrace) {
			t.Fatalf("Err = %v, Cause = %v", err, want)
		}
		if c := <-child; c.Err() != err || context.Cause(c) != want {
			t.Fatalf("of a child: Err = %v, Cause = %v; want %v and %v", c.Err(), context.Cause(c), err, want)
		}
	}
}
