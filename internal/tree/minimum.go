package tree

import (
	"slices"
	"time"
)

// This file computes the minimums of the members of a list that wait for their turn. The list
// remembers their sum: otherwise the time for a stop would grow with the square of the number of
// members.

// maxFloor is the largest minimum of a step without limits. A second is enough to close nearly
// every pool, file and connection; a step that needs more has a reserve.
const maxFloor = time.Second

// planFloor returns the floor of a plan for n steps one after the other.
func planFloor(left time.Duration, n int) time.Duration {
	return max(1, min(maxFloor, max(left, 0)/time.Duration(2*max(n, 1))))
}

// plain reports whether the minimum of n is the floor, as for most handlers. Plain members are only
// counted.
func (n *Node) plain() bool { return n.List == nil && n.Limits == Limits{} && n.direct == nil }

// mix notes that l has a member that is not plain.
func (l *Node) mix() { l.List.mixed, l.List.sumValid = true, false }

// minimums returns the unscaled sum of the minimums in the queue of l, or the largest if l is
// concurrent.
func (l *Node) minimums() float64 {
	li := l.List
	switch {
	case !li.mixed:
		return float64(li.floor) * float64(l.count())
	case !li.sumValid:
		li.sum, li.sumValid = 0, true
		for m := li.queue; m != nil; m = m.older {
			li.sum = l.combine(li.sum, m.queuedMinimum())
		}
	}
	return li.sum
}

func (l *Node) combine(sum, m float64) float64 {
	if l.List.Concurrent {
		return max(sum, m)
	}
	return sum + m
}

// adjust adds the minimum of n to the sum, or subtracts it, if that is possible without the other
// members.
func (l *Node) adjust(n *Node, sign float64) {
	if li := l.List; li.sumValid {
		li.sumValid = !li.Concurrent && n.direct == nil
		li.sum = max(0, li.sum+sign*n.queuedMinimum())
	}
	l.changed()
}

// changed is called when the minimum of n may have changed. It makes the lists around n compute
// their sums again.
func (n *Node) changed() {
	for ; n.parent != nil && n.parent.List.floor > 0; n = n.parent {
		if n.linked {
			n.parent.List.sumValid = false
		}
	}
}

// queuedMinimum returns the minimum of n while n waits for its turn. It is 0 while a step before n
// waits for n to stop: that step has the time for it.
func (n *Node) queuedMinimum() float64 {
	if n.state == stopping && n.direct != nil && slices.ContainsFunc(n.direct.waiters, n.comesAfter) {
		return 0
	}
	return n.minimum()
}

// minimum returns the unscaled minimum of n. A list that stops before its turn has the minimums of
// all its members that are not over.
func (n *Node) minimum() float64 {
	m := 0.0
	if n.List == nil {
		m = float64(n.floor())
	} else {
		m = n.minimums()
		for live := n.List.active; live != nil; live = live.older {
			m = n.combine(m, live.minimum())
		}
	}
	m = max(m, float64(n.Reserve))
	if n.Timeout > 0 {
		m = min(m, float64(n.Timeout))
	}
	return m
}

// floor returns the smallest floor of the plans that the step n is in.
func (n *Node) floor() time.Duration {
	floor := maxFloor
	if n.parent != nil && n.parent.List.floor > 0 {
		floor = n.parent.List.floor
	}
	if n.direct != nil && n.direct.floor > 0 {
		floor = min(floor, n.direct.floor)
	}
	return floor
}

// comesAfter reports whether the step w is over before the turn of n comes. It is not if w stops
// later than n, or at the same time in a concurrent list. If w is in a group that goes on although
// the step that runs it is over, comesAfter cannot tell, and returns false.
func (n *Node) comesAfter(w *Node) bool {
	for m := n; m.parent != nil; m = m.parent {
		with := w // the member of the same list that is w or contains it
		for with != nil && with.state != over && with.parent != m.parent {
			with = with.container()
		}
		if with == nil {
			continue
		}
		if with.state == over {
			return false
		}
		if m.taken || m.parent.List.Concurrent {
			return false
		}
		for older := m.older; older != nil; older = older.older {
			if older == with {
				return false
			}
		}
		return true
	}
	return true
}

// count returns how many steps of n stop one after the other.
func (n *Node) count() int {
	switch {
	case n.List == nil:
		return 1
	case !n.List.mixed && n.List.Concurrent:
		return min(n.List.size, 1)
	case !n.List.mixed:
		return n.List.size
	}
	c := 0
	for m := n.List.queue; m != nil; m = m.older {
		if n.List.Concurrent {
			c = max(c, m.count())
		} else {
			c += m.count()
		}
	}
	return c
}

// plan sets the floor of n and of all lists within, unless another plan gave them a smaller one.
func (n *Node) plan(floor time.Duration) {
	li := n.List
	if li == nil {
		return
	}
	if li.floor == 0 || floor < li.floor {
		li.floor, li.sumValid = floor, false
	}
	for m := li.active; m != nil; m = m.older {
		m.plan(floor)
	}
	for m := li.queue; m != nil && li.mixed; m = m.older {
		m.plan(floor)
	}
}

// lower reduces the scale of n, and of the active lists within.
func (n *Node) lower(scale float64) {
	if n.List == nil || n.List.scale <= scale {
		return
	}
	n.List.scale = scale
	for m := n.List.active; m != nil; m = m.older {
		m.lower(scale)
	}
}
