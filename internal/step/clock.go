package step

import (
	"slices"
	"time"
)

// A Clock keeps the steps that are ending to their allowances. There is one for
// each place where something stops: the program, a group, a scope that is closed
// by itself. One that runs within a step is bounded by that step's cut as soon as
// there is one, so that the innermost is given up first and names the culprit; one that
// comes after the cut gets the first half of the time from there to the end.
//
// There is one timer for any number of steps, set to the earliest instant that
// matters when it was set. A step that ends in time does not touch it again; it
// fires early at worst.
//
// All methods want the run's lock to be held.
type Clock struct {
	run     *Run
	outer   *Step
	next    *Clock // of the run
	sibling *Clock // the next within outer
	limit   time.Duration
	first   *Step // the steps that are ending: one, except in what is concurrent
	awaits  []awaited
	forced  error // why there is nothing but promises left, nil if there is more
	timer   *time.Timer
	armed   time.Duration // when the timer fires, 0 if it is not set
	closed  bool
}

// An awaited is a clock elsewhere whose end the next step of this one waits for, with
// what is kept back for that.
type awaited struct {
	*Clock
	budget  *Budget
	promise time.Duration
}

// NewClock makes a clock that ends at limit, or when the run does, within outer if that
// is not nil and not over.
func (r *Run) NewClock(outer *Step, limit time.Duration) *Clock {
	for outer != nil && outer.state == over {
		outer = outer.place.outer
	}
	c := &Clock{run: r, outer: outer, limit: min(limit, r.limit), forced: r.forced}
	c.next, r.clocks = r.clocks, c
	if outer == nil {
		return c
	}
	c.sibling, outer.inner = outer.inner, c
	if outer.state == running {
		c.limit = min(c.limit, outer.lends(r.Now()))
	}
	return c
}

// lends is when what stops within s has to be over: at the cut of s. After it, half-way
// from there to the end, and if the cut is what made it stop, as in a hold, s is not late.
func (s *Step) lends(now time.Duration) time.Duration {
	cut := time.Duration(s.cut.Load())
	if now < cut {
		return cut
	}
	s.waited = s.waited || now < s.look()
	return cut + (s.End-cut)/2
}

// Close ends the clock when its last step has ended.
func (c *Clock) Close() {
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	for p := &c.run.clocks; *p != nil; p = &(*p).next {
		if *p == c {
			*p = c.next
			break
		}
	}
	if c.outer == nil {
		return
	}
	for p := &c.outer.inner; *p != nil; p = &(*p).sibling {
		if *p == c {
			*p = c.sibling
			break
		}
	}
}

// Over reports whether the limit has been reached.
func (c *Clock) Over(now time.Duration) bool { return now >= c.limit }

// Outer is the step within which the clock runs, nil if there is none.
func (c *Clock) Outer() *Step { return c.outer }

// Plan divides the time from now to the limit among about n steps. The steps are
// still to be owed.
func (c *Clock) Plan(now time.Duration, n int) *Budget {
	b := NewBudget(now, c.limit, n)
	return &b
}

// Begin starts s, which b owes its promise. It returns false where no time is left: then
// s is over. A task, which runs, is given up, anything else is skipped.
func (c *Clock) Begin(s *Step, b *Budget, now time.Duration) bool {
	b.bound(now, c.limit) // it may have come while no step ran
	allowance, scaled := b.Take(now, s.Promise, s.Timeout, c.forced != nil)
	switch {
	case allowance > 0:
		s.Promise = scaled
		c.BeginFor(s, b, now, allowance)
		return true
	case s.Kind == Task:
		c.run.After(s.Expire)
		c.dump(s)
		s.Finish(now, Abandoned, Errors.Stuck(s.Name(), 0, s.Stack()))
	default:
		s.Finish(now, Skipped, ErrSkipped)
	}
	return false
}

// BeginFor starts s with an allowance that has been taken from b.
func (c *Clock) BeginFor(s *Step, b *Budget, now, allowance time.Duration) {
	s.place.clock, s.budget, s.state, s.Start = c, b, running, now
	s.End = now + allowance
	cut := s.End - Margin(allowance)
	s.cut.Store(int64(cut))
	s.prev, s.next = nil, c.first
	if c.first != nil {
		c.first.prev = s
	}
	c.first = s
	c.arm(now, cut)
	for i := s.inner; i != nil; i = i.sibling {
		i.Bound(now, cut)
	}
	if c.forced != nil && s.Told != nil {
		cause := c.forced
		c.run.After(func() { s.Cut(cause) }) // its work in hand, which began long ago
		s.asked = true
	}
	if c.run.Host != nil {
		c.run.Host.Began(s)
	}
}

func (c *Clock) remove(s *Step) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		c.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// Waiting calls f for each step of the run that is being waited for.
func (r *Run) Waiting(f func(*Step)) {
	for c := r.clocks; c != nil; c = c.next {
		if c.outer == nil || c.outer.state != running {
			c.waiting(f)
		}
	}
}

// waiting calls f for the innermost steps. It reports whether there was one.
func (c *Clock) waiting(f func(*Step)) bool {
	for s := c.first; s != nil; s = s.next {
		s.waitingFor(f)
	}
	return c.first != nil
}

// Force gives each step that is ending, and each still to come, just its promise, on all
// clocks of the run. The contexts of the former end now, because of cause.
func (r *Run) Force(now time.Duration, cause error) {
	r.forced = cause
	for c := r.clocks; c != nil; c = c.next {
		c.forced = cause
		for s := c.first; s != nil; s = s.next {
			r.After(func() { s.Cut(cause) })
			s.asked = true
			c.shorten(s, now, s.Promise)
		}
	}
}

// rest is what s, which runs, is owed of its promise from now on: of a promise that was made
// at its start. With force it is promised anew.
func (s *Step) rest(now time.Duration) time.Duration {
	if s.Run().forced != nil {
		return s.Promise
	}
	return min(s.Promise, max(s.Promise-(now-s.Start), toObey))
}

// Bound brings the limit forward. What is owed to the steps to come stays owed.
func (c *Clock) Bound(now, limit time.Duration) {
	if limit >= c.limit {
		return
	}
	c.limit = limit
	for s := c.first; s != nil; s = s.next {
		s.budget.bound(now, limit)
		c.shorten(s, now, s.budget.again(now, owing{s.rest(now), s.Timeout}))
	}
	for _, a := range c.awaits {
		a.budget.bound(now, limit)
		a.Clock.Bound(now, now+a.budget.again(now, owing{a.promise, 0}))
	}
}

// Await keeps o, which the next step of c has to wait for, to what b owes it. If c runs
// within a step of o, that bounds it already: then nothing is taken from b, and it returns
// false.
func (c *Clock) Await(o *Clock, b *Budget, now, promise time.Duration) bool {
	for s := c.outer; s != nil; s = s.place.outer {
		if s.place.clock == o {
			return false
		}
	}
	b.bound(now, c.limit)
	if least := min(b.floor, toObey); promise < least {
		b.Owe(least - promise) // nothing more is to come there, but something runs
		promise = least
	}
	allowance, _ := b.Take(now, promise, 0, false)
	o.Bound(now, now+allowance)
	c.awaits = slices.DeleteFunc(c.awaits, func(a awaited) bool { return a.closed })
	c.awaits = append(c.awaits, awaited{o, b, promise})
	return true
}

// Bound brings the limits of all clocks of the run forward, and of those to come.
func (r *Run) Bound(now, limit time.Duration) {
	r.limit = limit
	for c := r.clocks; c != nil; c = c.next {
		c.Bound(now, limit)
	}
}

// Release is the end of Force and Bound for clocks to come.
func (r *Run) Release() { r.limit, r.forced = Never, nil }

// shorten gives s at most this allowance from now on.
func (c *Clock) shorten(s *Step, now, allowance time.Duration) {
	if now+allowance >= s.End {
		return
	}
	s.End = now + allowance
	cut := min(s.End-Margin(allowance), time.Duration(s.cut.Load()))
	s.cut.Store(int64(cut))
	c.arm(now, max(now, cut))
	for i := s.inner; i != nil; i = i.sibling {
		i.Bound(now, cut)
	}
}

// arm has the timer fire at the given reading, or before.
func (c *Clock) arm(now, at time.Duration) {
	if c.armed != 0 && c.armed <= at {
		return
	}
	c.armed = at
	if c.timer == nil {
		c.timer = time.AfterFunc(at-now, c.fire)
		return
	}
	c.timer.Reset(at - now)
}

// fire does what is due and sets the timer to what is due next.
func (c *Clock) fire() {
	c.run.Lock()
	defer c.run.Unlock()
	if c.closed {
		return
	}
	now := c.run.Now()
	c.armed = 0 // giving a step up may begin the next, which sets the timer
	next := Never
	for s := c.first; s != nil; {
		after := s.next
		if at := c.due(s, now); at != 0 {
			next = min(next, at)
		}
		s = after
	}
	if next != Never {
		c.arm(now, next)
	}
}

// due does what is due for s and returns when the next thing is, 0 if s has been
// given up. First the context ends; a quarter of the way from there to the end the stacks
// are taken, when a step that obeys has had time to return.
func (c *Clock) due(s *Step, now time.Duration) time.Duration {
	cut := time.Duration(s.cut.Load())
	if now < cut {
		return cut
	}
	if !s.asked {
		s.asked = true
		s.waited = s.waited || s.inner != nil
		c.run.After(s.Expire)
		// The timer may be late: a step that obeys shall still have time to, be it beyond
		// its timeout.
		s.End = max(s.End, min(now+min(minMargin, s.End-cut), c.limit))
	}
	if now >= s.End {
		c.giveUp(s, now)
		return 0
	}
	if look := s.look(); now < look {
		return look
	}
	c.dump(s)
	return s.End
}

// look is when the stacks of s are taken if it has not returned.
func (s *Step) look() time.Duration {
	cut := time.Duration(s.cut.Load())
	return cut + (s.End-cut)/4
}

func (c *Clock) giveUp(s *Step, now time.Duration) {
	if c.outer != nil && c.outer.state == running && c.limit >= time.Duration(c.outer.cut.Load()) {
		c.outer.waited = true
	}
	c.dump(s)
	s.Finish(now, Abandoned, Errors.Stuck(s.Name(), now-s.Start, s.Stack()))
}

// dump has the stacks of s taken. Nobody waits for them.
func (c *Clock) dump(s *Step) {
	if s.dumped {
		return
	}
	s.dumped = true
	c.run.After(func() { go s.takeStacks() })
}
