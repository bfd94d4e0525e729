package tree

import (
	"context"
	"errors"
	"slices"
	"time"
)

// This file is how a node stops.

// ErrInProgress is returned by Close to a step that the node to close waits for.
var ErrInProgress = errors.New("shutdown: called from within a step, which it would wait for")

// ErrNoTime is returned by Close where no time is left to close the node, and a stop will come to it.
var ErrNoTime = errors.New("left to its turn, no time is left to close it here")

// An outside is a stop of a node that the list around it has not begun: a Close, a group's own
// stop, the program's.
type directStop struct {
	limit   time.Duration
	floor   time.Duration // of its plan; 0: none, the node was stopping already
	values  *Values       // of the contexts of the handlers; nil: those of the tree
	waiters []*Node       // the steps that wait for it; none is over
	joined  bool          // the node was stopping already: its failures are not the closer's
	done    chan struct{} // closed when the node is over
	failed  []*Node       // the steps whose failures nobody else is told of
}

func newDirectStop() *directStop { return &directStop{limit: Never, done: make(chan struct{})} }

// RunBy says that outer, if it is not nil, waits for the end of the list n, which nothing else
// stops.
func (t *Tree) RunBy(n, outer *Node) {
	n.direct, n.List.outer = newDirectStop(), outer
	if outer != nil && outer.state != over {
		n.direct.waiters = []*Node{outer}
	}
}

// Stop begins to stop n, which is not stopping yet, because of cause. Its time is over at limit,
// if nothing ends it before. The channel is closed when n is over.
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

// stopFrom has n stopped from outside its list.
func (n *Node) setDirect(o *directStop) {
	n.direct = o
	if n.linked {
		n.parent.mix()
		n.changed()
	}
}

// waitsAtDeadline notes that n, if it is at its deadline, waits for something that it stops, and
// is not to blame for its time.
func (n *Node) waitsAtDeadline(now time.Duration) {
	if n.state == stopping && now >= n.deadline && now < n.stacksAt() {
		n.waited = true
	}
}

// A Closing says how a node is closed early, before its turn.
type CloseOptions struct {
	By     *Node         // the step that waits for it, nil if none does
	Values *Values       // of the contexts of what is called; nil for those of the tree
	Limit  time.Duration // a reading; Never: what bounds By
}

// Close stops n now, or joins a stop of n that has begun, and waits until n is over. failed are the
// steps that have failed, if nobody else had begun to stop n. Close returns ErrInProgress where the
// caller would wait for itself, and ErrNoTime where no time is left but n will have its turn. The
// lock must not be held.
func (t *Tree) Close(n *Node, c CloseOptions) (failed []*Node, err error) {
	t.Lock()
	by := c.By
	if by != nil && (by.state == over || by.tree != t) {
		by = nil // it was abandoned: nobody waits for it, and it bounds nothing
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
		if o.joined = begun; !begun { // else the values are those of whoever has begun to stop it
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

// hasTurn reports whether a stop will come to n: one that is under way, or the program's. None
// comes to a list that was detached, or to its members.
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

// begin begins to stop n: a list advances, a step that runs is told, another is called.
func (t *Tree) begin(n *Node, now time.Duration) {
	n.state, n.Start = stopping, now
	n.changed() // if somebody closes it before its turn
	if n.List != nil {
		t.beginList(n, now)
		return
	}
	if !n.called() && !n.started && n.Run != nil { // nothing of it runs
		t.end(n, now, OK, nil)
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
		if t.forced != nil && n.Kind != Hold { // a hold that begins only now is, like a handler, a step to come
			t.finish(&n.work, t.forced)
		}
		if t.waitsForDirectStop(n) {
			t.tighten(n, now)
		}
	}
	t.Host.Notice(n)
}

// beginTooLate is for a step for which no time is left. One that runs is told all the same, and
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

// advance begins what may begin in a list: the newest member where none runs, all where they
// stop side by side. It reports whether the list is over.
func (t *Tree) advance(l *Node, now time.Duration) (isOver bool) {
	li := l.List
	if li.queue != nil {
		li.cachedLimit = l.limit(now)
	}
	for li.queue != nil && (li.active == nil || li.Concurrent) {
		n := li.queue
		l.take(n)
		if n.state == stopping { // somebody closes it
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

// proceed goes on with whatever waits for the end of n.
func (t *Tree) proceed(n *Node, now time.Duration) {
	for n.state == over && n.taken && n.parent.List.active == nil && n.parent.state == stopping && t.advance(n.parent, now) {
		n = n.parent
	}
}

// end gives n its outcome, and takes it out of its list and of what runs.
func (t *Tree) end(n *Node, now time.Duration, o Outcome, err error) {
	t.exit(n)
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

// HasCloser reports whether somebody who closes n early will have its error.
func (n *Node) HasCloser() bool {
	return n.direct != nil && !n.direct.joined || n.taskStop != nil && !n.taskStop.joined
}

// Failed are the steps of the list n, which RunBy was called for, that have failed, and of which
// nobody else has the error, in the order of their ends.
func (n *Node) Failed() []*Node { return n.direct.failed }

// Encloses reports whether by is n, or runs in a group that n runs.
func (n *Node) Encloses(by *Node) bool {
	for by != nil && by != n {
		by = by.container()
	}
	return by != nil
}

// blame tells whoever stops n from outside its list of its failure.
func (n *Node) reportFailure() {
	if n.taskStop != nil && !n.taskStop.joined {
		return
	}
	for m := n; m != nil; m = m.parent {
		if m.direct != nil && !m.direct.joined {
			m.direct.failed = append(m.direct.failed, n)
			return
		}
	}
}

// release is for the end of the step n, which may have closed other nodes. Their stops go on, and
// are now bounded by what is around n.
func (t *Tree) endWaiting(n *Node, now time.Duration) {
	for _, c := range t.directStops {
		o := c.direct
		if slices.Contains(o.waiters, n) { // twice where two goroutines of n close c
			o.waiters = slices.DeleteFunc(o.waiters, func(w *Node) bool { return w == n })
			limit := Sum(now, t.Host.Grace())
			if n.parent != nil {
				limit = min(limit, n.parent.innerDeadline(now))
			}
			o.limit = min(o.limit, limit)
		}
		c.changed() // n may be what a closer runs in
	}
}

// Tell asks n, which runs, to stop because of cause, once.
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

// TellCanceled is Tell for a step that is stopped by itself, or by one that it runs.
func (t *Tree) TellCanceled(n *Node) { t.Tell(n, context.Canceled, canceled) }

// cause is why the list around n, or a closer, stops it.
func (n *Node) cause() error {
	if n.taken {
		return n.parent.List.cause
	}
	return context.Canceled
}

// ending is the end of the context that tells n. The members of a list share one.
func (n *Node) ending() *Ending {
	if !n.taken || n.parent.List.cause == nil {
		return canceled
	}
	l := n.parent.List
	if l.ending == nil {
		l.ending = Asked(l.cause)
	}
	return l.ending
}

// Bound brings the end of everything forward.
func (t *Tree) LimitAll(limit time.Duration) {
	if limit < t.limit {
		t.limit = limit
		t.tighten(nil, t.Now())
	}
}

// Force leaves each step just its minimum, from now on or from its start, and ends the contexts
// of those whose time runs.
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

// Release is the end of Bound and Force, for what is closed after the program's end.
func (t *Tree) ResetLimits() { t.limit, t.forced = Never, nil }
