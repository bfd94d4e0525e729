package step

import (
	"context"
	"sync"
	"time"
)

// stepKey is the context key under which a step is found.
type stepKey struct{}

// From returns the step that ctx belongs to, nil if it belongs to none.
func From(ctx context.Context) *Step {
	s, _ := ctx.Value(stepKey{}).(*Step)
	return s
}

// A Context is the context of a step. It is a type of its own because three
// things have to hold at once, and no combination of the standard ones does it:
// it costs nothing while nobody asks for Done (a step that ignores its context,
// which is most handlers); it carries the values of one context and the end of
// another; and its end, which is not known when it is handed out, may be a
// deadline (DeadlineExceeded, with ErrGrace as the cause) or a cancellation.
//
// Derived contexts are children without a goroutine: package context uses the
// AfterFunc method. It finds the cause by asking Value for a key of its own,
// which Ending answers.
type Context struct {
	step   *Step
	values context.Context // with the step's profiler label, never cancelled

	mu    sync.Mutex
	done  chan struct{} // made when asked for
	end   *Ending       // nil while the context lives
	after map[*func()]struct{}
}

// An Ending is why and how contexts end; one can end many.
type Ending struct {
	err    error
	causer context.Context // a cancelled context that has nothing but the cause
}

// finished ends the context of a step that has returned.
var finished = newEnding(context.Canceled, context.Canceled)

func newEnding(err, cause error) *Ending {
	c, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return &Ending{err, c}
}

// Asked makes the end of contexts whose steps are asked to stop because of cause.
func Asked(cause error) *Ending { return newEnding(context.Canceled, cause) }

// expired is the end of a step at its cut.
var expired = newEnding(context.DeadlineExceeded, ErrGrace)

func (c *Context) finish(e *Ending) {
	c.mu.Lock()
	if c.end != nil {
		c.mu.Unlock()
		return
	}
	c.end = e
	if c.done != nil {
		close(c.done)
	}
	after := c.after
	c.after = nil
	c.mu.Unlock()
	for f := range after {
		(*f)()
	}
}

// idle ends a context that nobody has derived from or waits for, and reports
// whether it could.
func (c *Context) idle(e *Ending) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil || c.after != nil {
		return false
	}
	if c.end == nil {
		c.end = e
	}
	return true
}

func (c *Context) ended() *Ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// Deadline is the cut of the step, once it is known. The context that asks a
// task to stop has none: it is the work context that is cut.
func (c *Context) Deadline() (time.Time, bool) {
	if c == c.step.Told {
		return time.Time{}, false
	}
	cut := time.Duration(c.step.cut.Load())
	if cut == 0 {
		return time.Time{}, false
	}
	return c.step.run.Time(cut), true
}

// Done is closed when the context ends.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.end != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err is nil while the context lives, context.DeadlineExceeded after the step's
// cut, else context.Canceled.
func (c *Context) Err() error {
	if e := c.ended(); e != nil {
		return e.err
	}
	return nil
}

// Value finds the step, the cause of the end, and the values.
func (c *Context) Value(key any) any {
	if v := c.own(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

func (c *Context) own(key any) any {
	if key == (stepKey{}) {
		return c.step
	}
	if e := c.ended(); e != nil {
		return e.causer.Value(key)
	}
	return nil
}

// AfterFunc calls f when the context has ended. Package context calls it for
// derived contexts, whose functions do not block.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = make(map[*func()]struct{})
	}
	c.after[&f] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, ok := c.after[&f]
		delete(c.after, &f)
		return ok
	}
}

// String keeps fmt from reading the fields while they change.
func (c *Context) String() string { return "lastcall.Context" }

// Work returns the context for work in hand of the step that ctx belongs to: the
// values of ctx and the end of the step's work, which is its cut.
func (s *Step) Work(ctx context.Context) context.Context {
	if c, ok := ctx.(*Context); ok && c.step == s {
		return &s.Ctx
	}
	return &workContext{&s.Ctx, ctx}
}

// A workContext costs the step nothing, however many jobs take one: it registers
// with the step's context only when a context is derived from it.
type workContext struct {
	*Context
	with context.Context
}

func (w *workContext) Value(key any) any {
	if v := w.own(key); v != nil {
		return v
	}
	return w.with.Value(key)
}
