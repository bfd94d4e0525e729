package tree

import (
	"context"
	"slices"
	"time"
)

// This file is how one step of a list that runs is asked to stop, while the list goes on. That is
// no stop with a budget: the step may take as long as it likes, who waits for it gives up, and the
// time of the step runs from its turn in the list's own stop.

// A dismissal is what the callers of Dismiss have in common who wait for a step.
type taskStop struct {
	callers  int           // that wait, and will have the step's error
	waiters  []*Node       // those of them that are steps
	deadline time.Duration // when the step's work context ends, for the least patient caller
	limit    time.Duration // when that caller gives up; Never
	joined   bool          // the step was stopping or failing before: its error is not theirs
	over     chan struct{} // closed when the step has its outcome
}

// Dismiss asks n, which runs, to stop, and waits until it is over or done is closed, which is
// expected at limit. The work context of n ends a little before that, and so does the time of
// what stops within n; n itself stays a member of its list. Dismiss returns ErrInProgress where
// by, the step that calls, would wait for itself. The lock must not be held.
func (t *Tree) StopTask(n, by *Node, limit time.Duration, done <-chan struct{}) (isOver bool, err error) {
	t.Lock()
	if by != nil && by.state == over {
		by = nil
	}
	switch {
	case n.state == over:
		t.Unlock()
		return true, nil
	case by != nil && n.waitsFor(by):
		t.Unlock()
		return false, ErrInProgress
	}
	now := t.Now()
	if n.taskStop == nil {
		failing := n.pair() && n.More.result.Err != nil
		n.taskStop = &taskStop{deadline: Never, limit: Never, joined: n.state == stopping || failing, over: make(chan struct{})}
	}
	d := n.taskStop
	d.callers++
	if by != nil {
		d.waiters = append(d.waiters, by)
	}
	t.Tell(n, context.Canceled, canceled)
	if limit != Never {
		deadline := limit - Margin(max(0, limit-now))
		t.limitTaskStop(n, now, deadline, limit)
		timer := time.AfterFunc(deadline-now, func() {
			unlabel()
			t.Lock()
			defer t.Unlock()
			t.finish(&n.work, expired)
		})
		defer timer.Stop()
	}
	t.Unlock()
	select {
	case <-d.over:
	case <-done:
	}
	t.Lock()
	defer t.Unlock()
	d.callers--
	if i := slices.Index(d.waiters, by); i >= 0 {
		d.waiters = slices.Delete(d.waiters, i, i+1)
	}
	if n.state == over {
		return true, nil
	}
	now = t.Now()
	t.limitTaskStop(n, now, now, Sum(now, returnTime))
	t.finish(&n.work, expired)
	if d.callers == 0 {
		n.taskStop = nil
	}
	return false, nil
}

// dismissBy brings the end of what stops within n forward.
func (t *Tree) limitTaskStop(n *Node, now, deadline, limit time.Duration) {
	d := n.taskStop
	d.deadline, d.limit = min(d.deadline, deadline), min(d.limit, limit)
	t.tighten(n, now)
}

// innerDeadline is when what stops within a dismissed step has to be over.
func (d *taskStop) innerDeadline(now time.Duration) time.Duration {
	switch {
	case d == nil:
		return Never
	case now < d.deadline:
		return d.deadline
	}
	return d.deadline + (d.limit-d.deadline)/2
}
