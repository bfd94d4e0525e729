package shutdown

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A Registration is a handler that has been registered, or a task that has been
// started. Its methods may be called by any goroutine, also by the handler itself.
type Registration struct {
	step    step.Step
	handler step.Func
	c       *Coordinator
	sub     *Scope // what this entry of a stack stands for, if it is a scope

	// Guarded by the run's lock; late does not change after the registration.
	home         *Scope // the scope it was registered on
	older, newer *Registration
	member       bool // of home's stack: it has not had its turn
	running      bool // a task: it has been started
	closing      bool // a task: it has closed itself, and will return
	late         bool // it came when it could not run any more
}

// Err is ErrDrained if the registration came too late to run, else nil.
func (r *Registration) Err() error {
	if r.late {
		return ErrDrained
	}
	return nil
}

// Unregister takes the handler back. True means that it will never run; false that
// it has run, runs, or has been unregistered before. Exactly one of running and
// unregistering wins. A task that is running already cannot be taken back, only
// stopped, with Close.
func (r *Registration) Unregister() bool {
	run := r.c.lock()
	defer run.Unlock()
	return r.unregister()
}

func (r *Registration) unregister() bool { return !r.running && r.unlink() }

// unlink takes r out of its stack, if it is there, with what it is owed.
func (r *Registration) unlink() bool {
	if !r.member {
		return false
	}
	r.remove()
	r.home.forgive(r)
	return true
}

// push puts r on top of the stack.
func (s *Scope) push(r *Registration) {
	r.home, r.member, r.older = s, true, s.newest
	if s.newest != nil {
		s.newest.newer = r
	}
	s.newest = r
	s.size++
	if r.uneven() {
		s.uneven++
	}
}

// takePlace puts r where old is, which is taken out, and to r is owed what was to old.
func (r *Registration) takePlace(old *Registration) {
	older, newer, s := old.older, old.newer, old.home
	if b := s.planned(); b != nil {
		r.sub.promise = old.owed(b)
	}
	old.remove()
	r.home, r.member, r.older, r.newer = s, true, older, newer
	if older != nil {
		older.newer = r
	}
	if newer != nil {
		newer.older = r
	} else {
		s.newest = r
	}
	s.size++
	s.uneven++
}

func (r *Registration) remove() {
	s := r.home
	if r.newer != nil {
		r.newer.older = r.older
	} else {
		s.newest = r.older
	}
	if r.older != nil {
		r.older.newer = r.newer
	}
	r.older, r.newer, r.member = nil, nil, false
	s.size--
	if r.uneven() {
		s.uneven--
	}
}

// Close runs the handler now, if nothing else has or will, and returns its error:
//
//	defer c.Register(h).Close(ctx)
//
// Its context is as described at Scope.Close. For a task that was started, it asks
// it to stop and waits until it has ended.
func (r *Registration) Close(ctx context.Context) error {
	by := callerOf(ctx)
	byItself := r.isRunning() && r.step.Calls(ctx)
	run := r.c.lock()
	switch {
	case !r.member:
		run.Unlock()
		return nil
	case byItself:
		defer run.Unlock()
		r.closing = true
		run.After(func() { r.step.Tell(step.Asked(context.Canceled)) })
		return nil
	}
	return r.c.closeNow(by, r.alone())
}

func (r *Registration) isRunning() bool {
	run := r.c.lock()
	defer run.Unlock()
	return r.running
}

// alone puts r into a scope of its own, which takes its place in the stack, so that the
// program's drain waits for it.
func (r *Registration) alone() *Scope {
	s := &Scope{c: r.c}
	s.entry.c, s.entry.sub = r.c, s
	s.entry.takePlace(r)
	s.push(r)
	return s
}

// A caller is who calls Close, as far as the context tells that it gives. Methods of that
// may be the user's, so this is found out before the lock is taken.
type caller struct {
	step   *step.Step
	values step.Values
	left   time.Duration // until the deadline, 0 if there is none ahead
}

func callerOf(ctx context.Context) caller {
	by := caller{step: step.From(ctx), values: step.ValuesOf(ctx)}
	if t, ok := ctx.Deadline(); ok {
		by.left = max(0, time.Until(t))
	}
	return by
}

// closeNow drains s, which nobody else does, and waits. Where that would only skip all of it
// it is left to its turn. The run is locked, and unlocked on return.
func (c *Coordinator) closeNow(by caller, s *Scope) error {
	now := c.run.Now()
	returned := make(chan struct{})
	d := &drain{c: c, top: s, at: s, values: by.values, clock: c.clockFor(by, s, now)}
	d.letGo = sync.OnceFunc(func() { close(returned) })
	d.over = func(time.Duration) {
		d.clock.Close()
		d.letGo()
	}
	if d.clock.Over(now) && s.hasTurn() {
		d.clock.Close()
		c.run.Unlock()
		return errLeft
	}
	s.drain, s.state = d, scopeDraining
	s.budget = d.clock.Plan(now, s.count())
	if sum := s.plan(s.budget); !s.concurrent {
		s.budget.Owe(sum)
	}
	if s.budget.Fit(now) {
		c.scaled()
	}
	c.run.Unlock()
	d.start()
	<-returned
	c.run.Lock()
	defer c.run.Unlock()
	return errors.Join(d.errs...)
}

// hasTurn reports whether a drain will come to s: the program's, or one that has begun.
func (s *Scope) hasTurn() bool {
	for ; s != &s.c.stack && s.state != scopeDraining; s = s.entry.home {
		if !s.entry.member {
			return false
		}
	}
	return true
}

// clockFor is the clock of a Close: until the deadline that the caller gives, if that
// lies ahead, else until the cut of the step that calls, else Grace; and never longer than
// the scope's Timeout.
func (c *Coordinator) clockFor(by caller, s *Scope, now time.Duration) *step.Clock {
	outer := by.step
	if outer != nil && outer.Run() != c.run {
		outer = nil
	}
	limit := step.Sum(now, c.bound())
	switch {
	case by.left > 0:
		limit = step.Sum(now, by.left)
	case outer != nil && outer.Running():
		limit = step.Never
	}
	if t := s.entry.step.Timeout; t > 0 {
		limit = min(limit, step.Sum(now, t))
	}
	return c.run.NewClock(outer, limit)
}
