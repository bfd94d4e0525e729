package shutdown

import (
	"time"

	"github.com/lastcall-go/lastcall/group"
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
	c := h.c
	if !c.recording() {
		return
	}
	d := c.record(s)
	if c.out.observing() {
		c.out.emit(StepBegan{d.Kind, d.Name, d.Site, d.Start, s.End - s.Start})
	}
}

// Ended is told of each step that has its outcome. What ends before the stop is not
// part of the record, nor is a hold that was released before it was waited for.
func (h host) Ended(s *step.Step) {
	c := h.c
	var d *Step
	switch {
	case s.Slot > 0:
		d = &c.steps[s.Slot-1]
	case c.recording() && (s.Begun() || s.Kind != step.Hold || s.Outcome != step.OK):
		d = c.record(s)
	case s.Outcome == step.OK:
		return
	default:
		d = new(Step)
		*d = c.describe(s)
	}
	if s.Slot > 0 {
		c.unfinished--
		if s.Outcome != step.OK {
			c.failures++
		}
	}
	d.Took, d.Outcome, d.Err, d.Status = s.Took(), Outcome(s.Outcome), s.Err, s.Status()
	if s.Outcome != step.OK {
		c.explain(d, s)
	}
	if s.Outcome != step.OK || c.out.wantsAll() {
		c.out.emit(StepEnded{*d, s.Waits()})
	}
}

// recording reports whether what happens is part of the report.
func (c *Coordinator) recording() bool { return c.phase >= delaying && c.phase < finished }

// record makes room for the step in the record.
func (c *Coordinator) record(s *step.Step) *Step {
	c.unfinished++
	c.steps = append(c.steps, c.describe(s))
	s.Slot = int32(len(c.steps))
	return &c.steps[s.Slot-1]
}

// describe is the step without its outcome, which a negative time stands for.
func (c *Coordinator) describe(s *step.Step) Step {
	return Step{Kind: StepKind(s.Kind), Name: s.Name(), Site: c.sites.Of(&s.Origin), Start: s.Start - c.t0, Took: -1}
}

// explain adds the stacks to a failure. Those of a stuck step may still come.
func (c *Coordinator) explain(d *Step, s *step.Step) {
	if s.Outcome == step.Panicked { // the error is a PanicError, or a join with one
		d.Stack = string(find[*group.PanicError](s.Err).Stack)
		return
	}
	d.Stack = s.Stack()
	if s.Slot > 0 && s.Looked() {
		c.stuck = append(c.stuck, s)
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
