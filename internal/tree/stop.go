package tree

import (
	"context"
	"slices"
	"time"
)

// This file stops nodes.

// A directStop is a stop of a node that does not come from the list around it: a Close, the stop of
// a group, or the program's stop.
type directStop struct {
	limit   time.Duration
	floor   time.Duration // the floor of its plan; 0: it has none, because the node was stopping already
	values  *Values       // for the contexts of the handlers; nil: the tree's values
	waiters []*Node       // the steps that wait for the node; none of them is over
	joined  bool          // the node was stopping already, so the closer does not get its failures
	done    chan struct{} // closed when the node is over
	failed  []*Node       // the failed steps whose errors the closer gets
	mayFail []*Node       // the first of those that may fail, which are not among failed
	more    int           // how many steps that may fail have failed besides these
}

func newDirectStop() *directStop { return &directStop{limit: Never, done: make(chan struct{})} }

// RunBy prepares n, a list that only Stop stops. outer is the step that waits for the end of n, or
// nil.
func (t *Tree) RunBy(n, outer *Node) {
	n.direct, n.List.outer = newDirectStop(), outer
	if outer != nil && outer.state != over {
		n.direct.waiters = []*Node{outer}
	}
}

// Stop begins to stop n, which is not stopping yet, because of cause. n has to be over at limit, or
// earlier if another limit applies. The channel is closed when n is over.
func (t *Tree) Stop(n *Node, now, limit time.Duration, cause error) (done <-chan struct{}) {
	o := n.direct
	if o == nil {
		o = newDirectStop()
		n.setDirect(o)
	}
	o.limit = min(o.limit, limit)
	n.Start = now
	o.floor = planFloor(n.limit(now)-now, n.count())
	n.plan(o.floor)
	if n.List != nil {
		n.List.cause = cause
	}
	t.directStops = append(t.directStops, n)
	if n.List != nil && !n.List.Concurrent {
		t.fit(n, now)
	}
	for _, w := range o.waiters {
		w.waitsAtDeadline(now)
	}
	t.begin(n, now)
	return o.done
}

// setDirect gives n a direct stop.
func (n *Node) setDirect(o *directStop) {
	n.direct = o
	if n.linked {
		n.parent.mix()
		n.changed()
	}
}

// waitsAtDeadline records that n waits for a node that it stops, if n is between its deadline and
// the instant at which its stacks are taken. n is then not late because of that node.
func (n *Node) waitsAtDeadline(now time.Duration) {
	if n.state == stopping && now >= n.deadline && now < n.stacksAt() {
		n.waited = true
	}
}

// begin begins to stop n. A list advances, a step that runs is told, and a handler is called.
func (t *Tree) begin(n *Node, now time.Duration) {
	n.state, n.Start = stopping, now
	if n.starting {
		n.deadline, n.End = 0, 0 // those of its start
	}
	n.changed() // n may be closed before its turn
	if n.List != nil {
		t.beginList(n, now)
		return
	}
	if !n.called() && !n.started && n.Run != nil { // its function does not run
		t.Drop(n, now)
		return
	}
	end := n.limit(now)
	if n.called() {
		n.env = t.envOf(n)
	} else {
		t.Tell(n, n.cause(), n.ending())
	}
	if end <= now {
		t.beginTooLate(n, now)
		return
	}
	n.setEnd(now, end)
	if n.called() {
		n.work.deadline = n.deadline
		n.started = true
		t.enter(n)
		t.calls = append(t.calls, call{n: n})
	} else {
		if t.forced != nil && n.Kind != Hold { // a hold that begins to stop only now is, like a handler, a step to come
			t.finish(&n.work, t.forced)
		}
		if t.waitsForDirectStop(n) {
			t.tighten(n, now)
		}
	}
	t.Host.Notice(n)
}

// beginTooLate ends a step for which no time is left. A step that runs is told all the same, and
// abandoned.
func (t *Tree) beginTooLate(n *Node, now time.Duration) {
	n.End = now
	if n.called() {
		t.end(n, now, Skipped, ErrSkipped)
		return
	}
	t.finish(&n.work, expired)
	t.giveUp(n, now)
}

func (t *Tree) beginList(n *Node, now time.Duration) {
	if n.taken && n.List.cause == nil {
		n.List.cause = n.parent.List.cause
	}
	if !t.advance(n, now) && t.waitsForDirectStop(n) {
		t.tighten(n, now)
	}
}

// advance begins to stop the newest member of a list if none is active, or all members if the list
// is concurrent. It reports whether the list is over.
func (t *Tree) advance(l *Node, now time.Duration) (isOver bool) {
	li := l.List
	if li.queue != nil {
		li.cachedLimit = l.limit(now)
	}
	for li.queue != nil && (li.active == nil || li.Concurrent) {
		n := li.queue
		l.take(n)
		if n.state == stopping { // it is being closed early
			t.tighten(n, now)
		} else {
			t.begin(n, now)
		}
	}
	li.cachedLimit = 0
	if li.active != nil {
		return false
	}
	t.end(l, now, OK, nil)
	return true
}

// proceed goes on after n, which is over: the list around it advances.
func (t *Tree) proceed(n *Node, now time.Duration) {
	for n.state == over && n.taken && n.parent.List.active == nil && n.parent.state == stopping && t.advance(n.parent, now) {
		n = n.parent
	}
}

// end gives n its outcome, and removes it from its list and from the running steps.
func (t *Tree) end(n *Node, now time.Duration, o Outcome, err error) {
	t.exit(n)
	if n.starting { // before Start changes, which still says when its start began
		finished := o == OK && n.started && n.state == waiting && (!n.told || n.pair() && n.More.Cause == nil)
		n.neverStarted = !finished
		t.endStart(n, now, finished)
	}
	if n.state == waiting {
		n.Start = now
	}
	switch {
	case n.linked:
		n.leave()
	case n.taken:
		pull(&n.parent.List.active, n)
		n.parent.changed()
	}
	n.state, n.Outcome, n.Err, n.End = over, o, err, now
	if o != OK {
		n.reportFailure()
	}
	if (o == Late && now >= n.deadline || o == Failed && n.work.ended() != nil) && !t.Alone() {
		t.requestLeft(n)
	}
	if n.direct != nil {
		t.removeDirectStop(n)
		close(n.direct.done)
	}
	if n.taskStop != nil {
		close(n.taskStop.over)
	}
	if n.List == nil {
		t.endWaiting(n, now)
	} else {
		n.List.closed = true
	}
	t.Host.Notice(n)
}

// Failed returns the failed steps of the list n, for which RunBy was called: first those that may
// not fail, then those that may, each in the order of their ends. It leaves out steps whose errors a
// closer gets. Of the steps that may fail it has the first MaxMayFail; more is the number of others.
func (n *Node) Failed() (failed []*Node, more int) {
	o := n.direct
	return slices.Concat(o.failed, o.mayFail), o.more
}

// MaxMayFail is how many failures of steps that may fail are remembered, because a program may run
// for months and have any number of them. The others are counted.
const MaxMayFail = 100

// add adds the failed step n.
func (o *directStop) add(n *Node) {
	switch {
	case !n.MayFail():
		o.failed = append(o.failed, n)
	case len(o.mayFail) < MaxMayFail:
		o.mayFail = append(o.mayFail, n)
	default:
		o.more++
	}
}

// Encloses reports whether by is n, or runs in a group that n runs.
func (n *Node) Encloses(by *Node) bool {
	for by != nil && by != n {
		by = by.container()
	}
	return by != nil
}

// reportFailure gives n, which has failed, to the direct stop that n is a part of.
func (n *Node) reportFailure() {
	if n.taskStop != nil && !n.taskStop.joined {
		return
	}
	for m := n; m != nil; m = m.parent {
		if m.direct != nil && !m.direct.joined {
			m.direct.add(n)
			return
		}
	}
}

// endWaiting is called at the end of the step n, which may wait for nodes with a direct stop. Those
// stops go on. They are now limited by the nodes around n, and by the grace period.
func (t *Tree) endWaiting(n *Node, now time.Duration) {
	for _, c := range t.directStops {
		o := c.direct
		if slices.Contains(o.waiters, n) { // more than once if several goroutines of n close c
			o.waiters = slices.DeleteFunc(o.waiters, func(w *Node) bool { return w == n })
			limit := Sum(now, t.Host.Grace())
			if n.parent != nil {
				limit = min(limit, n.parent.innerDeadline(now))
			}
			o.limit = min(o.limit, limit)
		}
		c.changed() // a closer may run within n
	}
}

// Tell asks n, which runs, to stop because of cause. Only the first call has an effect.
func (t *Tree) Tell(n *Node, cause error, e *Ending) {
	if n.told {
		return
	}
	n.told = true
	switch {
	case n.pair():
		n.More.Cause = cause
		t.calls = append(t.calls, call{n, true})
	case n.RunContext != nil:
		t.finish(n.RunContext, e)
	}
}

// TellCanceled is Tell with context.Canceled as the cause, for a task that Shutdown or Close stops.
func (t *Tree) TellCanceled(n *Node) {
	n.startFailed = false
	t.Tell(n, context.Canceled, canceled)
}

// cause returns why the list around n, or a closer, stops n.
func (n *Node) cause() error {
	if n.taken {
		return n.parent.List.cause
	}
	return context.Canceled
}

// ending returns the end of the context that tells n to stop. The members of a list share one.
func (n *Node) ending() *Ending {
	if !n.taken || n.parent.List.cause == nil {
		return canceled
	}
	li := n.parent.List
	if li.ending == nil {
		li.ending = Asked(li.cause)
	}
	return li.ending
}

// LimitAll brings the end of the whole program forward.
func (t *Tree) LimitAll(limit time.Duration) {
	if limit < t.limit {
		t.limit = limit
		t.tighten(nil, t.Now())
	}
}

// Force leaves each step just its minimum, from now on or from its start. It ends the work contexts
// of the steps that are stopping.
func (t *Tree) Force(cause error) {
	if t.forced != nil {
		return
	}
	t.forced = Asked(cause)
	for _, s := range t.running {
		if s.state == stopping {
			t.finish(&s.work, t.forced)
		}
	}
	t.tighten(nil, t.Now())
}

// ResetLimits ends the effect of LimitAll and Force, for nodes that are closed after the drain. A
// node that is being closed already keeps the limit.
func (t *Tree) ResetLimits() {
	for _, n := range t.directStops {
		n.direct.limit = min(n.direct.limit, t.limit)
	}
	t.limit, t.forced = Never, nil
}
