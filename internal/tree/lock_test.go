package tree_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// A watch finds out whether code of others is called with the lock held. It waits for the lock on
// another goroutine, so that nothing depends on who else takes it for a moment: these tests run
// in real time, since a bubble's clock stands still where somebody waits for a mutex.
type watch struct {
	p *program

	mu     sync.Mutex
	called map[string]int
}

func (w *watch) free(what string) {
	w.mu.Lock()
	w.called[what]++
	w.mu.Unlock()
	got := make(chan struct{})
	go func() {
		w.p.locked(func() {})
		close(got)
	}()
	select {
	case <-got:
	case <-time.After(10 * s):
		buf := make([]byte, 1<<16)
		w.p.t.Errorf("%s is called with the lock held:\n%s", what, buf[:runtime.Stack(buf, false)])
	}
}

// A watchfulError has all methods that an error can have.
type watchfulError struct{ w *watch }

func (e watchfulError) Error() string { e.w.free("Error"); return "watchful" }
func (e watchfulError) Is(error) bool { e.w.free("Is"); return false }
func (e watchfulError) As(any) bool   { e.w.free("As"); return false }
func (e watchfulError) Unwrap() error { e.w.free("Unwrap"); return errWatchful }

var errWatchful = errors.New("of a watchful error")

// A watchfulContext is a context of a user's own type.
type watchfulContext struct {
	context.Context
	w *watch
}

func (c watchfulContext) Deadline() (time.Time, bool) {
	c.w.free("Deadline")
	return c.Context.Deadline()
}
func (c watchfulContext) Done() <-chan struct{} { c.w.free("Done"); return c.Context.Done() }
func (c watchfulContext) Err() error            { c.w.free("Err"); return c.Context.Err() }
func (c watchfulContext) Value(key any) any     { c.w.free("Value"); return c.Context.Value(key) }

// A forwardingContext has an AfterFunc, too: package context calls its methods when the context
// within ends, and not on a goroutine of its own.
type forwardingContext struct{ watchfulContext }

func (c forwardingContext) AfterFunc(f func()) (stop func() bool) {
	return c.Context.(interface{ AfterFunc(f func()) func() bool }).AfterFunc(func() { c.w.free("f"); f() })
}

// watched calls f with a program whose contexts have the values of a watchful one.
func watched(t *testing.T, f func(p *program, w *watch)) {
	p := newProgram(t)
	w := &watch{p: p, called: make(map[string]int)}
	values := tree.ValuesOf(watchfulContext{context.Background(), w})
	p.locked(func() { p.SetValues(values) })
	f(p, w)
	close(p.over)
}

func TestNoCodeOfTheUserIsCalledWithTheLockHeld(t *testing.T) {
	for name, test := range map[string]struct {
		play func(p *program, w *watch)
		want []string // what has to have been called
	}{
		"errors of steps": {func(p *program, w *watch) {
			returns := func(context.Context) error { w.free("a step"); return watchfulError{w} }
			whenTold := func(ctx context.Context) error { <-ctx.Done(); return returns(ctx) }
			p.handler(p.stack, "handler", returns, tree.Limits{})
			p.runs(p.stack, tree.Task, "task", whenTold, tree.Limits{})
			p.runs(p.body, tree.Hold, "hold", returns, tree.Limits{})
			p.runs(p.body, tree.Main, "main", whenTold, tree.Limits{})
			interrupted := make(chan struct{})
			p.pair(p.stack, "pair", func(ctx context.Context) error { <-interrupted; return returns(ctx) },
				func(ctx context.Context) error { close(interrupted); return returns(ctx) })
			p.stop(10 * s)
		}, []string{"a step", "Unwrap"}},
		"errors that are expected": {func(p *program, w *watch) {
			n := newStep(tree.Task, "task", func(ctx context.Context) error { <-ctx.Done(); return watchfulError{w} }, tree.Limits{})
			n.More = &tree.More{Expect: []error{context.DeadlineExceeded, errWatchful}}
			p.run(p.stack, n)
			p.stop(10 * s)
			if n.Outcome != tree.OK {
				p.t.Errorf("its outcome is %v", n.Outcome)
			}
		}, []string{"Is", "Unwrap", "Error"}},
		"errors of steps that are late": {func(p *program, w *watch) {
			p.handler(p.stack, "late", func(ctx context.Context) error { <-ctx.Done(); return watchfulError{w} }, tree.Limits{Timeout: 60 * ms})
			p.runs(p.stack, tree.Task, "late", func(ctx context.Context) error { <-p.over; return watchfulError{w} }, tree.Limits{Timeout: 60 * ms})
			p.stop(10 * s)
		}, nil},
		"panics": {func(p *program, w *watch) {
			p.handler(p.stack, "panics", func(context.Context) error { panic(watchfulError{w}) }, tree.Limits{})
			p.handler(p.stack, "defers", func(context.Context) error {
				defer w.free("a deferred function")
				runtime.Goexit()
				return nil
			}, tree.Limits{})
			p.stop(10 * s)
		}, []string{"a deferred function"}},
		"contexts": {func(p *program, w *watch) {
			asks := func(ctx context.Context) error {
				_ = ctx.Value("key")
				_, _ = ctx.Deadline()
				work := tree.From(ctx).Work(watchfulContext{ctx, w})
				_ = work.Value("key")
				_, _ = work.Deadline()
				derived, cancel := context.WithTimeout(watchfulContext{work, w}, time.Hour)
				defer cancel()
				_ = derived.Value("key")
				return context.Cause(derived)
			}
			p.handler(p.stack, "handler", asks, tree.Limits{})
			p.runs(p.stack, tree.Task, "task", func(ctx context.Context) error { <-ctx.Done(); return asks(ctx) }, tree.Limits{})
			h := p.handler(p.stack, "closed early", asks, tree.Limits{})
			_ = p.close(watchfulContext{context.Background(), w}, h, s)
			p.stop(10 * s)
		}, []string{"Value", "Deadline", "Done"}},
		"functions that wait for the end of a context": {func(p *program, w *watch) {
			waits := func(ctx context.Context) error {
				called := make(chan struct{})
				context.AfterFunc(ctx, func() { w.free("an AfterFunc"); close(called) })
				derived, cancel := context.WithCancel(forwardingContext{watchfulContext{ctx, w}})
				defer cancel()
				context.AfterFunc(watchfulContext{ctx, w}, func() { w.free("an AfterFunc") })
				<-called
				<-derived.Done()
				return nil
			}
			p.handler(p.stack, "at its deadline", waits, tree.Limits{Timeout: 60 * ms})
			p.runs(p.stack, tree.Task, "when it is told", waits, tree.Limits{})
			p.handler(p.stack, "after a second signal", func(ctx context.Context) error {
				go p.locked(func() { p.Force(watchfulError{w}) })
				return waits(ctx)
			}, tree.Limits{})
			p.stop(10 * s)
		}, []string{"an AfterFunc", "f", "Err", "Done", "Value"}},
		"what a step says of itself": {func(p *program, w *watch) {
			said := make(chan struct{})
			n := p.handler(p.stack, "h", func(ctx context.Context) error {
				tree.Describe(watchfulContext{ctx, w}, func() string {
					w.free("progress")
					select {
					case said <- struct{}{}:
					default: // it is asked again and again
					}
					return "busy"
				})
				<-said
				<-said
				return nil
			}, tree.Limits{Timeout: s})
			done := p.begin(10 * s)
			for over := false; !over; {
				p.Ask([]*tree.Node{n}, s)
				select {
				case <-done:
					over = true
				default:
				}
			}
		}, []string{"progress"}},
		"an owner": {func(p *program, w *watch) {
			p.stack.List.Owner = excuses{w}
			p.handler(p.stack, "h", func(context.Context) error { return errWatchful }, tree.Limits{})
			p.stop(10 * s)
		}, []string{"Excuses"}},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, func(p *program, w *watch) {
				test.play(p, w)
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, what := range test.want {
					if w.called[what] == 0 {
						t.Errorf("%s was not called: the test shows nothing of it", what)
					}
				}
			})
		})
	}
}

// excuses is the owner of a list that looks into errors.
type excuses struct{ w *watch }

func (o excuses) Excuses(*tree.Node, error, bool) (yes, silent bool) {
	o.w.free("Excuses")
	return false, false
}

func (o excuses) Returned(_ *tree.Node, _ time.Duration, r tree.Result, _ bool) tree.Result { return r }
func (o excuses) StartFailed(*tree.Node, time.Duration, error)                              {}
func (o excuses) StartEnded(*tree.Node, time.Duration)                                      {}
func (o excuses) Abandoned(*tree.Node, time.Duration, error)                                {}
