package shutdown

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A drain runs the handlers of a scope, newest first, on one goroutine, which is
// replaced if it gets lost in a handler. It goes down into the scopes within and up
// again by moving a cursor, so that the depth of nesting costs nothing and a
// successor can go on where the lost one was.
type drain struct {
	c      *Coordinator
	clock  *step.Clock
	top    *Scope // what is drained
	at     *Scope // the innermost scope that has been reached
	values step.Values
	places places
	turn   *step.Turn // of the last handler, for the next

	// Called with the lock held: over at the end, letGo when it turns out that the drain has
	// to wait for the caller of the Close that it is for.
	over  func(now time.Duration)
	letGo func()

	errs   []error
	parked bool // no goroutine runs it: it waits for something to be over
}

// start runs the drain on a goroutine of its own.
func (d *drain) start() { go step.Serve(d) }

// Next records how the last handler ended and takes the next from the stack.
func (d *drain) Next(last *step.Step, r step.Result) (*step.Step, step.Func, context.Context) {
	if last != nil {
		r = last.Excuse(r)
	}
	run := d.c.run
	run.Lock()
	defer run.Unlock()
	now := run.Now()
	if last != nil {
		if !d.c.finish(last, now, r) {
			return nil, nil, nil // it had been given up, and another goroutine goes on
		}
		d.turn = last.Pass()
	}
	next := d.next(now)
	if next == nil {
		return nil, nil, nil
	}
	return &next.step, next.handler, &next.step.Ctx
}

// next begins the next handler. It returns nil if there is none, or if something
// has to be over first; StepOver or resume then goes on.
func (d *drain) next(now time.Duration) *Registration {
	for {
		r := d.at.newest
		switch {
		case r == nil:
			if !d.up(now) {
				return nil
			}
		case d.at.concurrent:
			if d.fanOut(now) {
				return nil
			}
		case r.sub != nil:
			if d.down(r, now) {
				return nil
			}
		default:
			r.remove()
			if d.begin(r, now) {
				return r
			}
			if d.parked {
				return nil
			}
		}
	}
}

// begin starts the clock of r, and reports whether its handler is to be called. A
// task that was started is told to stop instead, and waited for.
func (d *drain) begin(r *Registration, now time.Duration) bool {
	task := r.step.Kind == step.Task
	switch {
	case !task:
		r.step.Turn = d.nextTurn()
		r.step.Init(d.places.of(d, r))
	case r.running:
		cause := d.c.cause
		d.c.run.After(func() { r.step.Tell(step.Asked(cause)) })
	default: // Run has not begun it, so there is nothing to stop
		d.at.budget.Forgive(d.at.budget.Promise(r.step.Terms))
		return false
	}
	r.step.Promise = d.at.budget.Promise(r.step.Terms)
	if !d.clock.Begin(&r.step, d.at.budget, now) {
		d.failed(&r.step)
		if !task {
			d.turn = r.step.Pass()
		}
		return false
	}
	r.step.Waiter, d.parked = d, task
	return !task
}

// StepOver is told when a handler has ended or has been given up. In the latter
// case, and for a task, there is no goroutine that would go on.
func (d *drain) StepOver(s *step.Step) {
	d.failed(s)
	if s.Outcome == step.Abandoned {
		d.places = places{} // its goroutines keep the label: others must not have the same
	}
	if d.parked || s.Outcome == step.Abandoned {
		d.resume()
	}
}

func (d *drain) failed(s *step.Step) {
	if s.Outcome != step.OK {
		d.errs = append(d.errs, &stepError{StepKind(s.Kind), s.Name(), d.c.sites.Of(&s.Origin), s.Err})
	}
}

func (d *drain) resume() {
	d.parked = false
	d.c.run.After(d.start)
}

// down moves the cursor into a scope. It reports whether that has to be waited for,
// because someone else is closing it.
func (d *drain) down(r *Registration, now time.Duration) bool {
	s := r.sub
	if s.state != scopeOpen {
		if d.clock.Await(s.drain.clock, d.at.budget, now, s.promise) {
			s.promise = 0
		} else {
			d.letGo()
		}
		s.after = append(s.after, d)
		d.parked = true
		return true
	}
	s.state, s.drain = scopeDraining, d
	s.budget = d.at.budget.Nest(now, s.promise, r.step.Timeout)
	s.promise = 0 // it has been given
	if !s.concurrent {
		s.budget.Owe(s.owed(s.budget))
	}
	d.at = s
	return false
}

// up closes the scope that has been drained and moves the cursor to the one that it
// is in. It returns false at the top.
func (d *drain) up(now time.Duration) bool {
	s := d.at
	s.state = scopeClosed
	for _, waiting := range s.after {
		waiting.resume()
	}
	s.after = nil
	s.leave()
	if s != d.top {
		d.at = s.entry.home
		return true
	}
	d.over(now)
	return false
}

// nextTurn is the turn for the next handler.
func (d *drain) nextTurn() *step.Turn {
	t := d.turn
	if d.turn = nil; t == nil {
		t = new(step.Turn)
	}
	return t
}

// places are those of the handlers that a drain runs one after the other, one for each
// origin: making one, with its label, costs more than all the rest that is done for a handler.
type places struct {
	origin step.Origin
	last   *step.Place // of origin
	all    map[step.Origin]*step.Place
}

func (p *places) of(d *drain, r *Registration) *step.Place {
	if p.last == nil || r.step.Origin != p.origin {
		p.origin = r.step.Origin
		p.last = p.find(d, r)
	}
	return p.last
}

func (p *places) find(d *drain, r *Registration) *step.Place {
	if found, ok := p.all[p.origin]; ok {
		return found
	}
	made := d.c.run.Place(nil, d.values, r.step.Name(), "").Within(d.clock.Outer())
	if p.all == nil {
		p.all = make(map[step.Origin]*step.Place)
	}
	p.all[p.origin] = made
	return made
}
