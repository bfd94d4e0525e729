package shutdown

import (
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// host is what the tree, and the groups in it, know of a Coordinator. It is a type of its own to
// keep these methods out of the exported ones of Coordinator.
type host struct{ c *Coordinator }

// Grace bounds groups and scopes that stop by themselves.
func (h host) Grace() time.Duration { return h.c.graceOrDefault() }

// bound is the grace period in effect, or what it will be.
func (c *Coordinator) graceOrDefault() time.Duration {
	switch {
	case c.grace > 0:
		return c.grace
	case c.Grace > 0:
		return c.Grace
	}
	return DefaultGrace
}

// Stopping reports whether the stop was requested or announced.
func (h host) Stopping() bool { return h.c.t0 != 0 }

// GroupStops stops the program if a task of a group that main runs has failed. If a task has merely
// ended, the group returns, then main, and that stops the program.
func (h host) GroupStops(outer *tree.Node, now time.Duration, err error, failed bool) {
	c := h.c
	if outer != &c.main || c.main.Over() {
		return
	}
	if failed {
		c.request(now, cause{err: err}, false)
		return
	}
	c.ended, _ = err.(*group.EndedError)
}

// Scaled is told that minimums exceed 0.9 of the time left, and were reduced.
func (h host) Scaled() { h.c.note(reservesScaled{}) }

// Returned is told of a step that came back after it was abandoned.
func (h host) Returned(n *tree.Node, err error) {
	h.c.note(abandonedEnded{n.Name(), err, panicStack(err)})
}

// Notice records what happens to steps, and goes on with the timeline where main, what it waits
// for, or everything is over.
func (h host) Notice(n *tree.Node) {
	c := h.c
	switch {
	case n == &c.body.node:
		c.bodyOver()
	case n == &c.root.node:
		c.rootOver(n.End)
	case n.List != nil:
	case n.Over():
		c.stepEnded(n)
	default:
		c.stepBegan(n)
	}
	if n == &c.main && n.Over() && c.returning {
		c.stopAll(n.End)
	}
}

func (c *Coordinator) stepBegan(n *tree.Node) {
	if !c.recording() {
		return
	}
	s := c.record(n)
	if n == &c.main {
		c.mainBudget = n.End - n.Start
	}
	if c.out.observing() {
		c.out.emit(StepBegan{s.Kind, s.Name, s.Site, s.Start, n.End - n.Start})
	}
}

// stepEnded records the outcome of n. What ends before the stop is not part of the record, nor is
// a hold that was released before the stop, or a task that never ran.
func (c *Coordinator) stepEnded(n *tree.Node) {
	var s *Step
	switch {
	case n.Record > 0:
		s = &c.steps[n.Record-1]
	case n.Outcome == tree.OK && (!c.recording() || n.Kind == tree.Hold || !n.Started()):
		return
	case c.recording():
		s = c.record(n)
	default:
		s = new(Step)
		*s = c.describe(n)
	}
	if n.Record > 0 {
		c.unfinished--
		if n.Outcome != tree.OK {
			c.failures++
		}
	}
	s.Took, s.Outcome, s.Err, s.Status = n.Took(), Outcome(n.Outcome), n.Err, joinStatus(n.Progress(), n.Excused())
	if n.Outcome != tree.OK {
		c.explain(s, n)
	}
	if n.Outcome != tree.OK || n.Excused() != "" || c.out.wantsAll() {
		c.out.emit(StepEnded{*s, n.Excused() != ""})
	}
}

// recording reports whether what happens is part of the report.
func (c *Coordinator) recording() bool { return c.phase >= delaying && c.phase < finished }

// record makes room for n in the record.
func (c *Coordinator) record(n *tree.Node) *Step {
	c.unfinished++
	c.steps = append(c.steps, c.describe(n))
	n.Record = int32(len(c.steps))
	return &c.steps[n.Record-1]
}

// describe makes the line of a step that is not over, which a negative time stands for.
func (c *Coordinator) describe(n *tree.Node) Step {
	s := Step{Kind: StepKind(n.Kind), Name: n.Name(), Site: c.sites.Of(&n.Origin), Took: -1}
	if c.t0 != 0 {
		s.Start = n.Start - c.t0
	}
	return s
}

// explain adds the stacks to a failure. Those of a stuck step may still come.
func (c *Coordinator) explain(s *Step, n *tree.Node) {
	if n.Outcome == tree.Panicked { // the error is a PanicError, or a join with one
		s.Stack = panicStack(n.Err)
		return
	}
	if !n.StacksRequested() { // a progress line may have looked at a step that returned in time
		return
	}
	s.Stack, s.WaitsFor = n.Stack(), n.WaitsFor()
	if n.Record > 0 {
		c.stuck = append(c.stuck, n)
	}
}

// panicStack is the stack of a step that panicked. The tree has made its error, or a join of
// which that is the first: no method of a user's error is called.
func panicStack(err error) string {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		err = j.Unwrap()[0]
	}
	if p, ok := err.(*group.PanicError); ok {
		return string(p.Stack)
	}
	return "" // a Goexit
}

// An owner is what the tree knows of the lists of a Coordinator.
type owner struct{ c *Coordinator }

// Excuses knows what only main may return: the end of the context given to Run, which it may see
// before its own ends, and an *ExitError that says that all is well. An exit code other than 0 is
// a failure, however well the error answers the request to stop otherwise. It is found here, on
// the goroutine of main or the task: a method of the error that blocks for ever costs the step its
// time, and not the process its end.
func (o owner) Excuses(n *tree.Node, err error, excused bool) (yes, silent bool) {
	c := o.c
	if n.Kind != tree.Main && n.Kind != tree.Task {
		return excused, false
	}
	code := exitCode(err)
	if n != &c.main {
		t := c.lock()
		defer t.Unlock()
		c.setCode(n, code)
		return excused, false
	}
	if e, ok := err.(*ExitError); ok && e != nil && e.Err == nil {
		silent = true
		excused = excused || e.Code == 0
	}
	if !excused {
		if end, ended := endOf(c.parent); ended {
			excused = tree.Excused(err, end.err, end.why.err)
		}
	}
	t := c.lock()
	defer t.Unlock()
	c.setCode(n, code)
	return excused && code == 0, silent
}

// setCode notes the code of an *ExitError that main or a task has returned.
func (c *Coordinator) setCode(n *tree.Node, code int) {
	if code == 0 {
		return
	}
	if c.codes == nil {
		c.codes = make(map[*tree.Node]int)
	}
	c.codes[n] = code
}

// Returned stops the program where main or a task that was started ends by itself.
func (o owner) Returned(n *tree.Node, now time.Duration, r tree.Result, _ bool) {
	c := o.c
	switch {
	case n == &c.main:
		c.returning = c.phase < ending
		c.mainReturned(now, r.Err)
	case n.Kind != tree.Task || n.WasTold():
	case r.Err != nil:
		err := &group.TaskError{Name: n.Name(), Err: r.Err}
		c.request(now, cause{err: err, fault: &failure{err, c.codes[n]}}, false)
	case c.t0 == 0:
		c.request(now, cause{err: &group.EndedError{Name: n.Ended()}}, false)
	}
}

// mainReturned requests a stop because main has returned.
func (c *Coordinator) mainReturned(now time.Duration, err error) {
	switch {
	case err != nil:
	case c.parentIsDone():
		c.parentSeenByMain(now)
		return
	case c.ended != nil:
		err = c.ended
	default:
		err = ErrReturned
	}
	c.request(now, cause{err: err}, false)
}

// note writes something to the log that is not an Event.
func (c *Coordinator) note(n any) { c.out.note(n) }
