package step

import (
	"time"
)

// A Clock keeps the steps that are ending to their allowances. There is one for
// each place where something stops: the program, a group, a scope that is closed
// by itself. One that runs within a step is bounded by that step's cut as soon as
// there is one, so that the innermost is given up first and names the culprit.
//
// There is one timer for any number of steps, set to the earliest instant that
// matters when it was set. A step that ends in time does not touch it again; it
// fires early at worst.
//
// All methods want the run's lock to be held.
type Clock struct {
	run     *Run
	outer   *Step
	sibling *Clock // the next within outer, or in no step
	limit   time.Duration
	first   *Step // the steps that are ending: one, except in what is concurrent
	forced  bool
	timer   *time.Timer
	armed   time.Duration // when the timer fires, 0 if it is not set
	closed  bool
}

// NewClock makes a clock that ends at limit, within outer if that is not nil.
func (r *Run) NewClock(outer *Step, limit time.Duration) *Clock {
	c := &Clock{run: r, outer: outer, limit: limit}
	list := c.list()
	c.sibling, *list = *list, c
	if outer != nil && outer.state == running {
		c.limit = min(limit, time.Duration(outer.cut.Load()))
	}
	return c
}

// list is the head of the list that c is in.
func (c *Clock) list() **Clock {
	if c.outer != nil {
		return &c.outer.inner
	}
	return &c.run.clocks
}

// Close ends the clock when its last step has ended.
func (c *Clock) Close() {
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	for p := c.list(); *p != nil; p = &(*p).sibling {
		if *p == c {
			*p = c.sibling
			return
		}
	}
}

// Outer is the step within which the clock runs, nil if there is none.
func (c *Clock) Outer() *Step { return c.outer }

// Plan divides the time from now to the limit among about n steps. The steps are
// still to be owed.
func (c *Clock) Plan(now time.Duration, n int) *Budget {
	b := NewBudget(now, c.limit, n)
	return &b
}

// Begin starts s, which b owes its promise. It returns false, and does not start it,
// where no time is left.
func (c *Clock) Begin(s *Step, b *Budget, now time.Duration) bool {
	b.bound(now, c.limit) // it may have come while no step ran
	allowance, scaled := b.Take(now, s.Promise, s.Timeout, c.forced)
	if allowance <= 0 {
		return false
	}
	s.Promise = scaled
	c.BeginFor(s, b, now, allowance)
	return true
}

// BeginFor starts s with an allowance that has been taken from b.
func (c *Clock) BeginFor(s *Step, b *Budget, now, allowance time.Duration) {
	s.clock, s.budget, s.state, s.Start = c, b, running, now
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
	for c := r.clocks; c != nil; c = c.sibling {
		c.waiting(f)
	}
}

// waiting calls f for the innermost steps. It reports whether there was one.
func (c *Clock) waiting(f func(*Step)) bool {
	for s := c.first; s != nil; s = s.next {
		s.waitingFor(f)
	}
	return c.first != nil
}

// Force forces all clocks of the run.
func (r *Run) Force(now time.Duration, cause error) {
	for c := r.clocks; c != nil; c = c.sibling {
		c.Force(now, cause)
	}
}

// Force gives each step that is ending, and each still to come, just its
// promise. The contexts of the former end now, because of cause.
func (c *Clock) Force(now time.Duration, cause error) {
	c.forced = true
	for s := c.first; s != nil; s = s.next {
		c.run.After(func() { s.Cut(cause) })
		s.asked = true
		c.shorten(s, now, s.Promise)
		for i := s.inner; i != nil; i = i.sibling {
			i.Force(now, cause)
		}
	}
}

// Bound brings the limit forward. What is owed to the steps to come stays owed.
func (c *Clock) Bound(now, limit time.Duration) {
	if limit >= c.limit {
		return
	}
	c.limit = limit
	for s := c.first; s != nil; s = s.next {
		s.budget.bound(now, limit)
		c.shorten(s, now, s.budget.again(now, owing{s.Promise, s.Timeout}))
	}
}

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
	}
	if now >= s.End {
		c.giveUp(s, now)
		return 0
	}
	if look := cut + (s.End-cut)/4; now < look {
		return look
	}
	c.dump(s)
	return s.End
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
