package tree

import (
	"errors"
	"time"
)

// This file has the timer, which ends contexts at deadlines, and abandons steps at their ends.

// arm makes the timer fire at the given reading, or before.
func (t *Tree) arm(now, at time.Duration) {
	if at == Never || t.armed != 0 && t.armed <= at {
		return
	}
	t.armed = at
	if t.timer == nil {
		t.timer = time.AfterFunc(at-now, t.fire)
		return
	}
	t.timer.Reset(at - now)
}

// fire handles the steps whose deadlines or ends have come, and sets the timer for the next ones.
// The timer is not stopped when a step ends in time, so it may fire early.
func (t *Tree) fire() {
	unlabel() // the timer's goroutine inherits a label from the one that ran before it
	t.Lock()
	defer t.Unlock()
	now := t.Now()
	t.armed = 0
	for i := 0; i < len(t.running); {
		s := t.running[i]
		if s.hasDeadline() {
			t.due(s, now)
		}
		if i < len(t.running) && t.running[i] == s { // else another step has moved to this index
			i++
		}
	}
	next := Never
	for _, s := range t.running {
		if s.hasDeadline() {
			next = min(next, s.dueAt())
		}
	}
	t.arm(now, next)
}

// dueAt returns when the timer has to fire next for a step whose time runs.
func (n *Node) dueAt() time.Duration {
	switch {
	case n.state == waiting: // it starts
		return n.End
	case !n.deadlinePassed:
		return n.deadline
	case !n.StacksRequested():
		return min(n.stacksAt(), n.End)
	}
	return n.End
}

// stacksAt returns when the stacks of n are taken: a quarter of the way from its deadline to its
// end. A step that returns at its deadline has returned by then.
func (n *Node) stacksAt() time.Duration { return n.deadline + (n.End-n.deadline)/4 }

// due handles a step whose deadline may have come: it ends the context at the deadline, has the
// stacks taken, and abandons the step at its end.
func (t *Tree) due(n *Node, now time.Duration) {
	if now < n.deadline {
		return
	}
	if n.state == waiting {
		t.startDue(n, now)
		return
	}
	if !n.deadlinePassed {
		n.deadlinePassed = true
		n.waited = n.waited || t.waitsForDirectStop(n)
		t.finish(&n.work, expired)
		t.allowLateTimer(n, now)
		n.forgetStacks() // those of its start, if that has failed
	}
	if now >= n.stacksAt() {
		t.requestStacks(n)
	}
	if now >= n.End {
		t.abandon(n, now)
	}
}

// allowLateTimer gives a step at most 25 ms to return if the timer fired late for it. That may
// exceed the step's timeout, and take time from the members after it, but not the limit of the list
// around it.
func (t *Tree) allowLateTimer(n *Node, now time.Duration) {
	late := Sum(now, min(minMargin, n.End-n.deadline))
	if late <= n.End {
		return
	}
	limit := t.limit
	if n.parent != nil && n.parent.state == stopping {
		limit = min(limit, n.parent.limit(now))
	}
	n.End = max(n.End, min(late, limit))
}

// abandon ends the step n as abandoned, and begins to stop the next member.
func (t *Tree) abandon(n *Node, now time.Duration) {
	n.anyWaiter(func(r *Node) bool { // a step that waits for n is not late because of n
		if r.List == nil && r.state == stopping && now >= r.deadline {
			r.waited = true
		}
		return false
	})
	t.giveUp(n, now)
	t.proceed(n, now)
}

// giveUp gives n, which has not returned, its outcome.
func (t *Tree) giveUp(n *Node, now time.Duration) {
	t.requestStacks(n)
	err := Errors.Stuck(n.Name(), now-n.Start, n.Stack())
	if n.More != nil && n.More.result.Err != nil { // one function of a pair has failed, and the other is stuck
		err = errors.Join(n.More.result.Err, err)
	}
	if o := n.parent.List.Owner; o != nil {
		o.Abandoned(n, now, err)
	}
	t.end(n, now, Abandoned, err)
}
