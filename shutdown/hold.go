package shutdown

import (
	"context"
	"fmt"
	"sync"

	"github.com/lastcall-go/lastcall/internal/step"
)

// Hold tells of work in flight that main's end must wait for, such as a callback of a
// library that starts goroutines of its own. It is awaited like main, within the same
// allowance; one that is not released by then is abandoned by name.
//
// It returns false if it is too late: main has ended or been given up. release is never
// nil, and may be called more than once.
func (c *Coordinator) Hold(name string) (release func(), ok bool) {
	return c.holdFor(name, step.CallSite().As(name))
}

func (c *Coordinator) holdFor(name string, at step.Origin) (release func(), ok bool) {
	s := step.New(at, step.Hold)
	c.setup()
	if !c.hold(s, step.ValuesOf(context.Background())) {
		return func() {}, false
	}
	return sync.OnceFunc(func() { c.release(s, step.Result{}) }), true
}

// Go runs work on a goroutine of its own, as a Hold. The context of work has the
// values of ctx but not its end: it is cut with the drain, and not told before that the
// program stops. An error, a panic or a
// Goexit is logged, and is one of the report's failures if it comes after the stop has
// begun; it is never the end of the process.
//
// It returns false, and does not call work, if it is too late for a Hold. A nil work
// panics.
func (c *Coordinator) Go(ctx context.Context, name string, work func(context.Context) error) bool {
	at := step.CallSite().As(name)
	if work == nil {
		panic(fmt.Sprintf("shutdown: Go(%q) was given nil work, at %s", name, at.Site()))
	}
	s := step.New(at.Named(work), step.Hold)
	c.setup()
	if !c.hold(s, step.ValuesOf(ctx)) {
		return false
	}
	go step.Serve(&holder{c, s, work})
	return true
}

func (c *Coordinator) hold(s *step.Step, values step.Values) bool {
	run := c.lock()
	defer run.Unlock()
	now := run.Now()
	spent := c.phase == ending && now >= c.mainEnd // main is given up at this instant
	if c.mainOver || c.phase >= draining || spent {
		return false
	}
	s.Init(run.Place(nil, values, s.Name(), "h"))
	s.Waiter = host{c}
	c.holds[s] = struct{}{}
	if c.phase == ending {
		c.beginWithMain(s, now)
	}
	return true
}

func (c *Coordinator) release(s *step.Step, r step.Result) {
	r = s.Excuse(r)
	run := c.lock()
	defer run.Unlock()
	c.finish(s, run.Now(), r)
}

// A holder runs the work of a hold.
type holder struct {
	c    *Coordinator
	s    *step.Step
	work step.Func
}

func (h *holder) Next(last *step.Step, r step.Result) (*step.Step, step.Func, context.Context) {
	if last == nil {
		return h.s, h.work, &h.s.Ctx
	}
	h.c.release(h.s, r)
	return nil, nil, nil
}
