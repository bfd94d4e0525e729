package tree

import (
	"slices"
	"time"
)

// This file stops one task of a list while the list goes on. The task has no budget for that: its
// callers may give up, but it is not abandoned. Its budget begins with its turn in the list's own
// stop.

// A taskStop is shared by the callers of StopTask that wait for the same task.
type taskStop struct {
	callers  int           // the number of callers that wait, and will get the task's error
	waiters  []*Node       // the callers that are steps
	deadline time.Duration // when the task's work context ends, by the earliest limit of a caller
	limit    time.Duration // the earliest limit of a caller; Never: none
	joined   bool          // the task was stopping or failing before: its error is not the callers'
	over     chan struct{} // closed when the task has its outcome
}

// StopTask asks the task n to stop, and waits until it is over or done is closed, which should
// happen at limit. A little before limit the work context of n ends. The same limit applies to
// nodes that stop within n. n itself stays a member of its list. StopTask returns ErrInProgress if
// by, the calling step, would wait for itself. The lock is held, but not during the wait.
func (t *Tree) StopTask(n, by *Node, limit time.Duration, done <-chan struct{}) (isOver bool, err error) {
	if by != nil && by.state == over {
		by = nil
	}
	switch {
	case n.state == over:
		return true, nil
	case by != nil && n.waitsFor(by):
		return false, ErrInProgress
	}
	now := t.Now()
	if n.taskStop == nil {
		failing := n.pair() && n.More.result.Err != nil
		stops := n.state == stopping && !n.stopsAlone()
		n.taskStop = &taskStop{deadline: Never, limit: Never, joined: stops || failing, over: make(chan struct{})}
	}
	d := n.taskStop
	d.callers++
	if by != nil {
		d.waiters = append(d.waiters, by)
	}
	t.TellCanceled(n)
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

// limitTaskStop brings forward the limits of nodes that stop within n.
func (t *Tree) limitTaskStop(n *Node, now, deadline, limit time.Duration) {
	d := n.taskStop
	d.deadline, d.limit = min(d.deadline, deadline), min(d.limit, limit)
	t.tighten(n, now)
}

// innerDeadline returns when nodes that stop within the task have to be over.
func (d *taskStop) innerDeadline(now time.Duration) time.Duration {
	switch {
	case d == nil:
		return Never
	case now < d.deadline:
		return d.deadline
	}
	return d.deadline + (d.limit-d.deadline)/2
}
