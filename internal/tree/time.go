package tree

import (
	"errors"
	"math"
	"slices"
	"time"
)

// This file is how long a step may take. The rule is in package shutdown's documentation. A plan
// sets the floor and the scale of each list. All else is computed from these when a step begins,
// which sets its deadline and its end, and again when a limit comes forward.

// maxFloor is the most that a step without limits has at least. A second closes nearly every
// pool, file and connection; what needs more says so with a reserve.
const maxFloor = time.Second

// A step's context ends before the step is abandoned, so that one that obeys can still return:
// 5 % of its budget earlier, at most half a second. Of a small budget 5 % is nothing (1 ms of
// 20), and a throttled container would turn steps that obey into abandoned ones: so at least
// 25 ms, but never more than half.
const (
	minMargin = 25 * time.Millisecond
	maxMargin = 500 * time.Millisecond
)

// toObey is the time that a running step keeps when a limit comes forward and the step has used
// its minimum: half of it until its deadline, half from there to its end.
const returnTime = 2 * minMargin

// mostPlanned is the part of the time left that minimums may have together when they are
// planned or registered, so that reserves cannot leave nothing to the step that runs.
const mostPlanned = 0.9

// Margin is the time between the deadline and the end of a step with this budget.
func Margin(budget time.Duration) time.Duration {
	return min(max(budget/20, minMargin), budget/2, maxMargin)
}

// duration is d, which may be larger than the largest Duration.
func duration(d float64) time.Duration {
	if d >= float64(Never) {
		return Never
	}
	return time.Duration(d)
}

// planFloor is the floor of a plan for n steps one after the other.
func planFloor(left time.Duration, n int) time.Duration {
	return max(1, min(maxFloor, max(left, 0)/time.Duration(2*max(n, 1))))
}

// limit is when n, whose time runs, has to be over: the least of its own limits and those of
// the nodes around it, less what these keep for the members after it.
func (n *Node) limit(now time.Duration) time.Duration { return n.limitWith(now, nil, 0) }

// limitWith is limit for a caller that knows own, the part of the minimum of m, a member of n, that
// m has not used. Otherwise m is nil. Without it, limit would take time in proportion to the square
// of the depth.
func (n *Node) limitWith(now time.Duration, m *Node, own float64) time.Duration {
	at := n.tree.limit
	if o := n.direct; o != nil {
		at = min(at, o.limit)
		for _, w := range o.waiters {
			at = min(at, w.innerDeadline(now))
		}
	}
	if n.Timeout > 0 {
		at = min(at, Sum(n.Start, n.Timeout))
	}
	switch {
	case n.parent == nil:
	case n.taken:
		at = min(at, Sum(now, n.parent.share(n, now, n.remaining(now, m, own))))
	default: // somebody closes it before its turn; the list around need not be stopping
		at = min(at, n.parent.innerDeadline(now))
	}
	if n.tree.forced != nil && n.List == nil && n.state == stopping {
		at = min(at, Sum(now, duration(n.minimum())))
	}
	return at
}

// share is how long the member n, which has its turn, may take from now on. own is the part of its
// minimum that it has not used.
func (l *Node) share(n *Node, now time.Duration, own float64) time.Duration {
	at, scale := l.List.cachedLimit, l.List.scale
	if at == 0 {
		at = l.limitWith(now, n, own)
	}
	left := max(at-now, 0)
	if left == 0 {
		return 0
	}
	own *= l.List.scale / scale // the list around may have reduced it
	kept := 0.0
	if !l.List.Concurrent {
		kept = l.List.scale * l.minimums()
	}
	if all := kept + own; all > float64(left) {
		// More is kept than there is, because of a late registration, or a timer that fired
		// late. Not to mostPlanned, as in fit: each overrun would reduce the minimums again.
		by := float64(left) / all
		l.lower(l.List.scale * by)
		kept, own = kept*by, own*by
	}
	least := min(duration(math.Ceil(own)), left) // less than a nanosecond more is no time for a step
	if n.tree.forced != nil && n.List == nil {
		return least
	}
	return min(left, max(least, left-duration(kept)))
}

// remaining is the part of the minimum of n, which has its turn, that n has not used. m and own are
// as at limitWith. The scale reduces minimums, not the time that has passed.
func (n *Node) remaining(now time.Duration, m *Node, own float64) float64 {
	had := float64(now - n.Start)
	if n.List == nil {
		r := n.parent.List.scale * n.minimum()
		if n.tree.forced == nil {
			r = min(r, max(r-had, float64(returnTime)))
		}
		if n.End != 0 { // its time runs, and does not get longer
			r = min(r, float64(max(n.End-now, 0)))
		}
		return r
	}
	live := own
	for x := n.List.active; x != nil; x = x.older {
		if x != m {
			live = max(live, x.remaining(now, nil, 0))
		}
	}
	scale := n.List.scale
	r := max(n.combine(scale*n.minimums(), live), scale*float64(n.Reserve)-had)
	if n.Timeout > 0 { // it caps the minimum, and so is scaled with it
		most := scale * float64(n.Timeout)
		r = min(r, most, max(most-had, min(live, float64(returnTime))))
	}
	return r
}

// innerDeadline is when what stops within n has to be over. Within a step that is the step's
// deadline, so that the innermost step is abandoned first, and named; after that, half-way
// from there to the step's end. A node that does not stop passes on what bounds it.
func (n *Node) innerDeadline(now time.Duration) time.Duration {
	switch {
	case n.state == over:
		return Never
	case n.state == stopping && n.List != nil:
		return n.limit(now)
	case n.state == stopping && now < n.deadline:
		return min(n.deadline, n.taskStop.innerDeadline(now))
	case n.state == stopping:
		return min(n.deadline+(n.End-n.deadline)/2, n.taskStop.innerDeadline(now))
	}
	at := n.taskStop.innerDeadline(now)
	if n.parent != nil {
		at = min(at, n.parent.innerDeadline(now))
	}
	if n.direct != nil {
		for _, w := range n.direct.waiters {
			at = min(at, w.innerDeadline(now))
		}
	}
	return at
}

// fit reduces the minimums of the list where they exceed mostPlanned of the time left.
func (t *Tree) fit(l *Node, now time.Duration) {
	if most := float64(max(l.limit(now)-now, 1)) * mostPlanned; l.List.scale*l.minimums() > most {
		l.lower(most / l.minimums())
		t.Host.Scaled()
	}
}

// setEnd has n abandoned at end. A deadline that was set before does not move back.
func (n *Node) setEnd(now, end time.Duration) {
	deadline := end
	if end != Never {
		deadline -= Margin(end - now)
	}
	if n.End != 0 {
		deadline = min(deadline, n.deadline)
	}
	n.End, n.deadline = end, deadline
	n.tree.arm(now, max(now, deadline))
}

// tighten brings forward the ends of n and of the steps that n waits for, of all if n is nil.
func (t *Tree) tighten(n *Node, now time.Duration) {
	for again := true; again; {
		again = false
		var bounded []*Node
		for _, s := range t.running {
			if s.state != stopping || n != nil && !n.waitsFor(s) {
				continue
			}
			if l := s.parent; s.taken && l.List.Concurrent && l.List.cachedLimit == 0 {
				l.List.cachedLimit = l.limit(now)
				bounded = append(bounded, l)
			}
			if end := max(s.limit(now), now); end < s.End {
				s.setEnd(now, end)
				again = true // for what s waits for
			}
		}
		for _, l := range bounded {
			l.List.cachedLimit = 0
		}
	}
}

// waitsFor reports whether n is over only after s, or is s. It looks from s upward.
func (n *Node) waitsFor(s *Node) bool {
	return s == n || s.anyWaiter(func(m *Node) bool { return m == n })
}

// around calls f for the nodes that wait for s to be over, until f returns true, and reports
// whether it did. A step that was abandoned waits for nothing, and nobody waits for it.
func (s *Node) anyWaiter(f func(*Node) bool) bool {
	if s.state == over {
		return false
	}
	if p := s.parent; p != nil && (s.linked || s.taken) && (f(p) || p.anyWaiter(f)) {
		return true
	}
	var waiters []*Node
	if s.direct != nil {
		waiters = s.direct.waiters
	}
	if s.taskStop != nil {
		waiters = slices.Concat(waiters, s.taskStop.waiters)
	}
	for _, w := range waiters {
		if w.state != over && (f(w) || w.anyWaiter(f)) {
			return true
		}
	}
	return false
}

// closesWithin reports whether something that n waits for is stopped from outside its list: the
// limit of n may be news to it.
func (t *Tree) waitsForDirectStop(n *Node) bool {
	for _, c := range t.directStops {
		if c != n && n.waitsFor(c) {
			return true
		}
	}
	return false
}

// Waiting calls f for each step that is waited for and does not itself wait for another.
func (t *Tree) Waiting(f func(*Node)) {
	outer := make(map[*Node]bool)
	for _, s := range t.running {
		if s.state == stopping && !outer[s] {
			s.anyWaiter(func(m *Node) bool { outer[m] = true; return false })
		}
	}
	for _, s := range t.running {
		if s.state == stopping && !outer[s] {
			f(s)
		}
	}
}

// arm has the timer fire at the given reading, or before.
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

// fire does what is due, and sets the timer to what is due next. A step that ends in time does
// not touch the timer: it fires early at worst.
func (t *Tree) fire() {
	unlabel() // a timer's goroutine has that of whichever goroutine gave way to it
	t.Lock()
	defer t.Unlock()
	now := t.Now()
	t.armed = 0
	for i := 0; i < len(t.running); {
		s := t.running[i]
		if s.state == stopping {
			t.due(s, now)
		}
		if i < len(t.running) && t.running[i] == s { // else another has its place
			i++
		}
	}
	next := Never
	for _, s := range t.running {
		if s.state == stopping {
			next = min(next, s.dueAt())
		}
	}
	t.arm(now, next)
}

// dueAt is when something is to be done about a step whose time runs.
func (n *Node) dueAt() time.Duration {
	switch {
	case !n.deadlinePassed:
		return n.deadline
	case !n.StacksRequested():
		return min(n.stacksAt(), n.End)
	}
	return n.End
}

// lookAt is when the stacks of n are taken: a quarter of the way from its deadline to its end,
// when a step that obeys has had time to return.
func (n *Node) stacksAt() time.Duration { return n.deadline + (n.End-n.deadline)/4 }

// due ends the context of a step at its deadline, has its stacks taken, and abandons it at its
// end.
func (t *Tree) due(n *Node, now time.Duration) {
	if now < n.deadline {
		return
	}
	if !n.deadlinePassed {
		n.deadlinePassed = true
		n.waited = n.waited || t.waitsForDirectStop(n)
		t.finish(&n.work, expired)
		t.allowLateTimer(n, now)
	}
	if now >= n.stacksAt() {
		t.requestStacks(n)
	}
	if now >= n.End {
		t.abandon(n, now)
	}
}

// allowLateTimer gives a step of which the timer fired late the time to obey, at most 25 ms from
// now. That may be beyond its timeout, and take time from the members after it, but the list
// around it ends when it has to.
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

// abandon gives n up, and goes on without it.
func (t *Tree) abandon(n *Node, now time.Duration) {
	n.anyWaiter(func(r *Node) bool { // a step that waits for n is not to blame for its time
		if r.List == nil && r.state == stopping && now >= r.deadline {
			r.waited = true
		}
		return false
	})
	t.giveUp(n, now)
	t.proceed(n, now)
}

// giveUp ends n, which has not returned.
func (t *Tree) giveUp(n *Node, now time.Duration) {
	t.requestStacks(n)
	err := Errors.Stuck(n.Name(), now-n.Start, n.Stack())
	if n.More != nil && n.More.result.Err != nil { // of a pair, one has failed, and the other is stuck
		err = errors.Join(n.More.result.Err, err)
	}
	t.end(n, now, Abandoned, err)
}
