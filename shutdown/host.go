package shutdown

import (
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// host is the tree.Host of a Coordinator. It is a type of its own so that its methods are no methods
// of Coordinator.
type host struct{ c *Coordinator }

// Grace returns the time for groups and scopes that stop by themselves.
func (h host) Grace() time.Duration { return h.c.graceOrDefault() }

// graceOrDefault returns the grace period in effect. Before Run it returns Grace, or DefaultGrace.
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

// Requested reports whether the stop was requested.
func (h host) Requested() bool { return h.c.phase >= delaying }

// GroupStops stops the program if a task of a group that main runs has failed. If a task has ended
// without an error, the return of main stops the program, after the group has returned.
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

// Scaled logs that minimums exceeded 0.9 of the time left, and were reduced.
func (h host) Scaled() { h.c.note(reservesScaled{}) }

// Returned logs that an abandoned step has ended with a panic or a Goexit.
func (h host) Returned(n *tree.Node, err error) {
	h.c.note(abandonedEnded{n.Name(), err, panicStack(err)})
}

// Restarts tells that a step has failed, and will be called again.
func (h host) Restarts(n *tree.Node, in time.Duration) {
	s := h.c.describe(n)
	h.c.out.emit(Restarted{s.Kind, s.Name, s.Site, s.LastErr, in, s.Restarts})
}

// Notice records the start and the end of steps. When the body or the root is over, it begins the
// next phase.
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

// stepEnded records the outcome of n. It leaves out steps that end without a failure before the stop,
// holds that are released before they were told to stop, and tasks that never ran. But if a task ends
// before it has started, the program may be ready now, and only this event says so.
func (c *Coordinator) stepEnded(n *tree.Node) {
	restarts, _ := n.Restarts()
	neverRan := !n.Started() && restarts == 0
	var s *Step
	switch {
	case n.Record > 0:
		s = &c.steps[n.Record-1]
	case n.Outcome == tree.OK && (!c.recording() && !n.NeverStarted() || n.Kind == tree.Hold || neverRan):
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
	if c.phase <= active && n.MayFail() && !n.HasCloser() {
		c.keepEarly(*s, n.Start)
	}
	if n.Outcome != tree.OK || n.Excused() != "" || c.out.wantsAll() {
		c.emitEnded(n, StepEnded{*s, n.Excused() != ""})
	}
}

// A pendingStep is a StepEnded of a step whose stacks are being taken. The log and Observe wait for
// them before they handle this event and the events after it.
type pendingStep struct {
	StepEnded
	node  *tree.Node
	taken <-chan struct{}
}

// emitEnded emits the event of the end of n, as a pendingStep if its stacks are being taken.
func (c *Coordinator) emitEnded(n *tree.Node, e StepEnded) {
	taken := n.StacksTaken()
	if taken == nil {
		c.out.emit(e)
		return
	}
	c.out.emit(&pendingStep{e, n, taken})
}

// settle adds the stacks to the event. At the end of the drain it does not wait for them any more.
func (p *pendingStep) settle(c *Coordinator) StepEnded {
	select {
	case <-p.taken:
	case <-c.tooLateForStacks:
	}
	t := c.lock()
	defer t.Unlock()
	e := p.StepEnded
	e.Stack, e.WaitsFor = p.node.Stack(), p.node.WaitsFor()
	return e
}

// recording reports whether steps are recorded for the report at present.
func (c *Coordinator) recording() bool { return c.phase >= delaying && c.phase < finished }

// record adds the step n to the record.
func (c *Coordinator) record(n *tree.Node) *Step {
	c.unfinished++
	c.steps = append(c.steps, c.describe(n))
	n.Record = int32(len(c.steps))
	return &c.steps[n.Record-1]
}

// describe returns the Step of n, which is not over: its Took is negative.
func (c *Coordinator) describe(n *tree.Node) Step {
	s := Step{Kind: StepKind(n.Kind), Name: n.Name(), Site: c.sites.Of(&n.Origin), Took: -1}
	s.Restarts, s.LastErr = n.Restarts()
	if c.t0 != 0 {
		s.Start = n.Start - c.t0
	}
	return s
}

// explain adds the stacks to a failure. They may not have been taken yet.
func (c *Coordinator) explain(s *Step, n *tree.Node) {
	if n.Outcome == tree.Panicked {
		s.Stack = panicStack(n.Err)
		return
	}
	if !n.StacksRequested() { // the stacks of a progress line do not count
		return
	}
	s.Stack, s.WaitsFor = n.Stack(), n.WaitsFor()
	if n.Record > 0 {
		c.stuck = append(c.stuck, n)
	}
}

// panicStack returns the stack of a step that panicked. Its error is a PanicError that the tree has
// made, or a join with that as its first error, so no method of a user's error is called.
func panicStack(err error) string {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		err = j.Unwrap()[0]
	}
	if p, ok := err.(*group.PanicError); ok {
		return string(p.Stack)
	}
	return "" // a Goexit
}

// An owner is the tree.Owner of the lists of a Coordinator.
type owner struct{ c *Coordinator }

// Excuses handles the errors that only main may return: the end of the context given to Run, which
// main may see before its own context ends, and an *ExitError with code 0. An exit code other than
// 0 is a failure, even if the error otherwise answers the request to stop.
//
// The code is taken from the error here, on the goroutine of main or the task. If a method of the
// error blocks for ever, the step is abandoned, and the drain goes on.
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

// setCode keeps the code of an *ExitError that main or a task has returned.
func (c *Coordinator) setCode(n *tree.Node, code int) {
	if code == 0 {
		return
	}
	if c.codes == nil {
		c.codes = make(map[*tree.Node]int)
	}
	c.codes[n] = code
}

// Returned stops the program if main or a task of Start ends by itself.
func (o owner) Returned(n *tree.Node, now time.Duration, r tree.Result, _ bool) tree.Result {
	c := o.c
	if n.Starting() && r.Err == nil && !n.Tree().Host.Stopping() && !c.parentIsDone() { // n is main
		r = c.tree.NotStarted(n, now, true)
	}
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
	return r
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

// note logs an item that is not an Event.
func (c *Coordinator) note(n any) { c.out.note(n) }
