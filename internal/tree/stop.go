package tree

import (
	"context"
	"errors"
	"slices"
	"time"
)

// This file stops nodes.

// ErrInProgress is returned by Close if the node to close waits for the calling step.
var ErrInProgress = errors.New("shutdown: called from within a step, which it would wait for")

// ErrNoTime is returned by Close if no time is left to close the node now, but the node will have
// its turn.
var ErrNoTime = errors.New("no time is left to close it now, its handlers run in their turn")

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

// CloseOptions say how a node is closed early, before its turn.
type CloseOptions struct {
	By     *Node         // the step that waits for the node, nil if none does
	Values *Values       // for the contexts of the handlers; nil: the tree's values
	Limit  time.Duration // a reading; Never: only the time of By limits the close
}

// Close stops n now, or joins a stop of n that has begun, and waits until n is over. failed has the
// steps that have failed, unless Close has joined a stop. Close returns ErrInProgress if the caller
// would wait for itself, and ErrNoTime if no time is left but n will have its turn. The lock must
// not be held.
func (t *Tree) Close(n *Node, c CloseOptions) (failed []*Node, err error) {
	t.Lock()
	by := c.By
	if by != nil && (by.state == over || by.tree != t) {
		by = nil // it was abandoned: nothing waits for it, and it limits nothing
	}
	switch {
	case n.state == over:
		t.Unlock()
		return nil, nil
	case by != nil && n.waitsFor(by):
		t.Unlock()
		return nil, ErrInProgress
	}
	first := n.state == waiting
	o, err := t.closeBy(n, by, c)
	t.Unlock()
	if err != nil {
		return nil, err
	}
	<-o.done
	t.Lock()
	defer t.Unlock()
	if first {
		failed = o.failed
	}
	return failed, nil
}

// closeBy begins to stop n for a closer, or joins a stop that has begun.
func (t *Tree) closeBy(n, by *Node, c CloseOptions) (*directStop, error) {
	now := t.Now()
	begun := n.state == stopping
	o := n.direct
	if o == nil {
		o = newDirectStop()
		if o.joined = begun; !begun { // else the handlers have the values of the stop that has begun
			o.values = c.Values
		}
	}
	if by != nil {
		o.waiters = append(o.waiters, by)
	}
	n.setDirect(o)
	if !begun {
		n.Start = now
		if min(c.Limit, n.limit(now)) <= now && n.hasTurn() {
			n.setDirect(nil)
			return nil, ErrNoTime
		}
		t.Stop(n, now, c.Limit, context.Canceled)
		return o, nil
	}
	if by != nil {
		by.waitsAtDeadline(now)
	}
	o.limit = min(o.limit, c.Limit)
	if !slices.Contains(t.directStops, n) {
		t.directStops = append(t.directStops, n)
	}
	t.tighten(n, now)
	return o, nil
}

// hasTurn reports whether n will be stopped in its turn: by a stop that has begun, or by the
// program's. A detached list has no turn, and neither have its members.
func (n *Node) hasTurn() bool {
	for ; n.linked; n = n.parent {
		if n.parent.state == stopping {
			return true
		}
	}
	return n.List != nil && !n.List.closed
}

func (t *Tree) removeDirectStop(n *Node) {
	if i := slices.Index(t.directStops, n); i >= 0 {
		t.directStops = slices.Delete(t.directStops, i, i+1)
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

// HasCloser reports whether a closer or a caller of StopTask gets the error of n.
func (n *Node) HasCloser() bool {
	return n.direct != nil && !n.direct.joined || n.taskStop != nil && !n.taskStop.joined
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
