package shutdown

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// This file is the timeline that is drawn in doc.go, from the request to the end. Nothing
// waits for the next phase to begin: whoever ends one begins the next.

// request asks the program to stop. The first request counts; a later one at most
// ends the delay, if it comes from main's return or a failing task. The lock is held.
func (c *Coordinator) request(now time.Duration, cause, fault error, delay bool) {
	if c.phase >= delaying {
		if !delay {
			c.endDelay(now)
		}
		return
	}
	switch {
	case c.t0 == 0:
		c.stamp(now)
	case now > step.Sum(c.t0, c.grace): // a preStop hook that nothing followed in time
		c.t0, delay = now, false
	}
	c.phase, c.cause, c.fault = delaying, cause, fault
	c.end = max(step.Sum(c.t0, c.grace), now+min(minGrace, c.grace))
	c.run.Bound(now, c.end)
	for q := range c.quiets {
		q.end()
	}
	upTo := c.delay
	if !delay {
		upTo = 0
	}
	c.out.emit(StopRequested{cause, c.run.Time(c.t0), c.end - c.t0, upTo})
	wait := c.t0 + upTo - now
	if wait <= 0 {
		c.endDelay(now)
		return
	}
	c.delayOver = time.AfterFunc(wait, func() {
		run := c.lock()
		defer run.Unlock()
		c.endDelay(run.Now())
	})
}

// stamp is t0.
func (c *Coordinator) stamp(now time.Duration) {
	c.t0, c.ready = now, false
	c.undropPipe = c.dropPipe()
	close(c.stopping)
}

// endDelay ends the root context, starts main's clock, and makes the plan for all
// that is to come.
func (c *Coordinator) endDelay(now time.Duration) {
	if c.phase != delaying {
		return
	}
	c.phase = ending
	if c.delayOver != nil {
		c.delayOver.Stop()
	}
	c.out.emit(DelayEnded{now - c.t0})
	c.clock = c.run.NewClock(nil, c.end)
	c.planAll(now)
	end := step.Asked(c.cause)
	c.run.After(func() { c.main.Tell(end) })
	c.tick()
	c.mainEnded()
}

func (c *Coordinator) planAll(now time.Duration) {
	n, main := c.stack.count(), !c.mainOver || len(c.holds) > 0
	if main {
		n++
	}
	c.steps = slices.Grow(c.steps, n+len(c.holds))
	b := c.clock.Plan(now, n)
	c.stack.budget = b
	b.Owe(c.stack.plan(b))
	if main {
		c.main.Promise = b.Promise(step.Terms{})
		b.Owe(c.main.Promise)
	}
	if b.Fit(now) {
		c.scaled()
	}
	if !main {
		return
	}
	allowance, promise := b.Take(now, c.main.Promise, 0, false)
	c.main.Promise, c.mainEnd = promise, now+allowance
	if !c.mainOver {
		c.beginWithMain(&c.main, now)
	}
	for s := range c.holds {
		c.beginWithMain(s, now)
	}
}

// beginWithMain starts the clock of main or of a hold: they share an allowance.
func (c *Coordinator) beginWithMain(s *step.Step, now time.Duration) {
	s.Promise = c.main.Promise
	c.clock.BeginFor(s, c.stack.budget, now, max(0, c.mainEnd-now))
}

// mainEnded starts the handlers when main and the holds are over.
func (c *Coordinator) mainEnded() {
	if c.phase != ending || !c.mainOver || len(c.holds) > 0 {
		return
	}
	c.phase = draining
	c.stack.state = scopeDraining
	d := &drain{c: c, clock: c.clock, top: &c.stack, at: &c.stack, values: c.run.Values(), over: c.drainOver}
	c.stack.drain = d
	c.run.After(d.start)
}

// drainOver is called when the last handler is over.
func (c *Coordinator) drainOver(now time.Duration) {
	c.took = now - c.t0
	c.clock.Close()
	c.ticker.Stop()
	c.run.After(c.conclude) // on the goroutine of the last handler: it has nothing else to do
}

// conclude makes the report, sees the log out, and lets everybody go.
func (c *Coordinator) conclude() {
	unlabel()
	leaks := c.findLeaks()
	run := c.lock()
	run.Release()
	c.phase, c.leaks = finished, leaks
	c.report = c.build()
	c.out.conclude(Drained{c.report})
	left := step.Sum(c.end, afterGrace) - run.Now()
	stuck := c.byMain && c.main.Outcome == step.Abandoned
	exits := c.byMain || c.byExit
	run.Unlock()
	c.logStuck = !c.out.flush(min(max(left, afterGrace), maxFlush))
	if !exits {
		c.giveBack()
	}
	close(c.done)
	if stuck {
		c.exit(c.exitStatus())
	}
}

// giveBack stops catching signals, and watching the parent context.
func (c *Coordinator) giveBack() {
	run := c.lock()
	restore := c.restore
	if c.undropPipe != nil {
		restore = append(restore, c.undropPipe)
	}
	c.restore, c.undropPipe = nil, nil
	run.Unlock()
	for _, f := range restore {
		f()
	}
}

// finish records how a step has come back. It returns false if the step had been
// given up before. The lock is held.
func (c *Coordinator) finish(s *step.Step, now time.Duration, r step.Result) bool {
	_, inTime := s.Return(now, r)
	if !inTime {
		c.run.After(func() { host{c}.Zombie(s, r) })
	}
	return inTime
}
