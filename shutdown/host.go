package shutdown

import (
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// host is what the mechanism, and the groups in it, know of a Coordinator. It is a
// type of its own so that its methods are not a Coordinator's.
type host struct{ c *Coordinator }

// Grace bounds groups and scopes that stop by themselves.
func (h host) Grace() time.Duration { return h.c.bound() }

// bound is the grace period in effect, or what it will be.
func (c *Coordinator) bound() time.Duration {
	switch {
	case c.grace > 0:
		return c.grace
	case c.Grace > 0:
		return c.Grace
	}
	return DefaultGrace
}

// Failed is told that a task of a group within s has failed.
func (h host) Failed(s *step.Step, cause error) {
	run := h.c.lock()
	defer run.Unlock()
	if s == &h.c.main && !h.c.main.Over() {
		h.c.request(run.Now(), cause, nil, false)
	}
}

// Began is told of each step whose clock starts.
func (h host) Began(s *step.Step) {
	if h.c.t0 == 0 {
		return
	}
	h.c.steps = append(h.c.steps, s)
	if h.c.out.observing() {
		h.c.out.emit(StepBegan{StepKind(s.Kind), s.Name(), s.Site(), s.Start - h.c.t0, s.End() - s.Start})
	}
}

// Ended is told of each step that has its outcome.
func (h host) Ended(s *step.Step) {
	c := h.c
	if c.t0 != 0 && !s.Begun() && (s.Kind != step.Hold || s.Outcome != step.OK) {
		c.steps = append(c.steps, s)
	}
	if s.Outcome != step.OK || c.t0 != 0 && c.out.wantsAll() {
		c.out.emit(StepEnded{c.describe(s, nil), s.Waits()})
	}
}

// StepOver is told when main or a hold is over.
func (h host) StepOver(s *step.Step) {
	if s == &h.c.main {
		h.c.mainOver = true
	}
	delete(h.c.holds, s)
	h.c.mainEnded()
}

// Scaled is told that more has been promised than there is.
func (h host) Scaled() { h.c.scaled() }

func (c *Coordinator) scaled() { c.note(promisesScaled{}) }

// Zombie is told of a step that came back after it had been given up.
func (h host) Zombie(s *step.Step, r step.Result) {
	if r.How == step.Panic || r.How == step.Goexit {
		h.c.note(zombie{s.Name(), r.Err})
	}
}

// note writes something to the log that is not an Event.
func (c *Coordinator) note(n any) { c.out.log(n) }
