package tree

import (
	"math"
	"slices"
	"time"
)

// This file computes the time of steps, by the formula in package shutdown's documentation. A plan
// sets the floor and the scale of each list. Everything else is computed from these when a step
// begins to stop, which sets its deadline and its end, and again when a limit comes forward.

// The margin is the time from the deadline, when a step's context ends, to the step's end, so that
// a step can still return. It is 5 % of the budget and at most half a second. Of a small budget 5 %
// is too little (1 ms of 20 ms), and a throttled container would abandon steps that return at their
// deadline. So it is at least 25 ms, but never more than half of the budget.
const (
	minMargin = 25 * time.Millisecond
	maxMargin = 500 * time.Millisecond
)

// returnTime is the time that a running step has left when a limit comes forward and the step has
// used its minimum: half of it until its deadline, half from there to its end.
const returnTime = 2 * minMargin

// mostPlanned is the part of the time left that minimums may have together when they are planned or
// registered. The rest is for the step that runs.
const mostPlanned = 0.9

// Margin is the time between the deadline and the end of a step with this budget.
func Margin(budget time.Duration) time.Duration {
	return min(max(budget/20, minMargin), budget/2, maxMargin)
}

// Budget is the budget of a step that has this much time from its start to its deadline.
func Budget(left time.Duration) time.Duration {
	return Sum(left, min(max(left/19, minMargin), left, maxMargin))
}

// Left is the time until n, which is told to stop, is abandoned. The lock must not be held.
func (n *Node) Left() time.Duration {
	n.tree.Lock()
	defer n.tree.Unlock()
	return max(0, n.End-n.tree.Now())
}

// duration converts d, which may exceed the largest Duration.
func duration(d float64) time.Duration {
	if d >= float64(Never) {
		return Never
	}
	return time.Duration(d)
}

// limit returns when n, whose time runs, has to be over: the earliest of its own limits and of
// those of the nodes around it, less the minimums of the members after it.
func (n *Node) limit(now time.Duration) time.Duration { return n.limitWith(now, nil, 0) }

// limitWith is limit. If m is not nil, it is a member of n, and own is the part of its minimum that
// it has not used, which the caller knows already. To compute it again at each level would take
// time with the square of the depth.
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
	default: // n is closed before its turn; the list around may not be stopping
		at = min(at, n.parent.innerDeadline(now))
	}
	if n.tree.forced != nil && n.List == nil && n.state == stopping {
		at = min(at, Sum(now, duration(n.minimum())))
	}
	return at
}

// share returns how long the member n, which has its turn, may take from now on. own is the part of
// its minimum that it has not used.
func (l *Node) share(n *Node, now time.Duration, own float64) time.Duration {
	at, scale := l.List.cachedLimit, l.List.scale
	if at == 0 {
		at = l.limitWith(now, n, own)
	}
	left := max(at-now, 0)
	if left == 0 {
		return 0
	}
	own *= l.List.scale / scale // limitWith may have reduced the scale
	kept := 0.0
	if !l.List.Concurrent {
		kept = l.List.scale * l.minimums()
	}
	if all := kept + own; all > float64(left) {
		// The minimums exceed the time left, because of a late registration or a timer that fired
		// late. Reduce them to all of it, not to mostPlanned as in fit: otherwise each overrun
		// would reduce them again.
		by := float64(left) / all
		l.lower(l.List.scale * by)
		kept, own = kept*by, own*by
	}
	least := min(duration(math.Ceil(own)), left) // rounded up: a step needs at least a nanosecond
	if n.tree.forced != nil && n.List == nil {
		return least
	}
	return min(left, max(least, left-duration(kept)))
}

// remaining returns the part of the minimum of n, which has its turn, that n has not used. m and
// own are described at limitWith. The scale applies to minimums, not to the time that has passed.
func (n *Node) remaining(now time.Duration, m *Node, own float64) float64 {
	had := float64(now - n.Start)
	if n.List == nil {
		r := n.parent.List.scale * n.minimum()
		if n.tree.forced == nil {
			r = min(r, max(r-had, float64(returnTime)))
		}
		if n.End != 0 { // its time runs, and does not become longer
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
	if n.Timeout > 0 { // the timeout caps the minimum, so the scale applies to it, too
		most := scale * float64(n.Timeout)
		r = min(r, most, max(most-had, min(live, float64(returnTime))))
	}
	return r
}

// innerDeadline returns when nodes that stop within n have to be over. Within a step that is the
// step's deadline, so that the innermost step is abandoned first, and named. After the deadline it
// is half-way from there to the step's end. A node that is not stopping passes on the limit of the
// node around it.
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

// fit reduces the minimums of the list if they exceed mostPlanned of the time left.
func (t *Tree) fit(l *Node, now time.Duration) {
	if most := float64(max(l.limit(now)-now, 1)) * mostPlanned; l.List.scale*l.minimums() > most {
		l.lower(most / l.minimums())
		t.Host.Scaled()
	}
}

// setEnd sets the end of n, and its deadline. A deadline that was set before does not become later.
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

// tighten brings forward the ends of n and of the steps that n waits for, or of all steps if n is
// nil.
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
				again = true // for the steps that s waits for
			}
		}
		for _, l := range bounded {
			l.List.cachedLimit = 0
		}
	}
}

// waitsFor reports whether n cannot be over before s is, or is s.
func (n *Node) waitsFor(s *Node) bool {
	return s == n || s.anyWaiter(func(m *Node) bool { return m == n })
}

// anyWaiter calls f for the nodes that wait for s to be over, until f returns true, and reports
// whether it did. An abandoned step waits for nothing, and nothing waits for it.
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

// waitsForDirectStop reports whether n waits for a node with a direct stop, whose limit may come
// forward with that of n.
func (t *Tree) waitsForDirectStop(n *Node) bool {
	for _, c := range t.directStops {
		if c != n && n.waitsFor(c) {
			return true
		}
	}
	return false
}

// Waiting calls f for each step that is stopping, or starting, and does not itself wait for another.
func (t *Tree) Waiting(starting bool, f func(*Node)) {
	counts := func(s *Node) bool { return s.hasDeadline() && (s.state == waiting) == starting }
	outer := make(map[*Node]bool)
	for _, s := range t.running {
		if counts(s) && !outer[s] {
			s.anyWaiter(func(m *Node) bool { outer[m] = true; return false })
		}
	}
	for _, s := range t.running {
		if counts(s) && !outer[s] {
			f(s)
		}
	}
}
