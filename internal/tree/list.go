package tree

import (
	"errors"
	"slices"
	"time"
)

// This file has the members of lists, and the minimums of members that wait for their turn. In its
// functions l is the Node of a list, and li is the List of that node.

// A List is the part of a node that has members. The exported fields are set before the node is
// added.
type List struct {
	Concurrent bool  // its members stop at the same time
	Owner      Owner // decides what the return of a member means; may be nil

	outer       *Node         // the step that runs the group, if it is one
	closed      bool          // it takes no more members
	queue       *Node         // the members that wait for their turn, newest first
	active      *Node         // the members that have their turn
	size        int           // the number of members in the queue
	floor       time.Duration // the minimum of a step without limits, by the plan; 0: no plan yet
	scale       float64       // the factor for all minimums; while both stop, that of a list within is not larger
	cachedLimit time.Duration // the result of limit while several members ask for it at the same instant; 0: none
	cause       error         // of the stop
	ending      *Ending       // the end of the members' contexts, with the cause

	mixed    bool    // whether it has had members that are not plain
	sum      float64 // the result of minimums
	sumValid bool    // whether sum is still right
}

// ErrClosed is returned by Add for a list that takes no more members.
var ErrClosed = errors.New("tree: the list takes no more members")

// Adopt makes n part of the tree. n has a List, and is in no list itself.
func (t *Tree) Adopt(n *Node) {
	n.tree, n.List.scale = t, 1
}

// Add adds n to the list l. If l is stopping, n is the next to stop; if l is also concurrent, n
// begins to stop at once. If values is not nil, n runs from now on, and its contexts have these
// values. The lock is held, as for all methods of Tree that do not say otherwise.
func (t *Tree) Add(l, n *Node, values *Values) error {
	n.tree, n.parent, n.work.node = t, l, n
	if n.RunContext != nil {
		n.RunContext.node = n
	}
	if n.List != nil {
		n.List.scale, n.List.floor = 1, l.List.floor
	}
	if l.List.closed || l.state == over {
		n.NeverRuns()
		return ErrClosed
	}
	if values != nil {
		t.Enter(n, values)
	}
	if l.List.floor == 0 {
		l.link(n)
		return nil
	}
	now := t.Now()
	if l.state == stopping && l.List.Concurrent && n.List == nil {
		l.link(n)
		l.take(n)
		t.begin(n, now)
		n.work.deadline = n.deadline // the context is not in use yet
		return nil
	}
	top := l
	for top.linked && top.parent.List.floor > 0 {
		top = top.parent
	}
	before := top.minimums()
	l.link(n)
	if top.state == stopping && !top.List.Concurrent && top.minimums() > before {
		t.fit(top, now)
	}
	return nil
}

// Full reports whether l is over, or is stopping and has no time left for a further step.
func (l *Node) Full() bool {
	now := l.tree.Now()
	return l.state == over || l.state == stopping && l.limit(now) <= now
}

// Remove removes n from its list, and reports whether it did. n will then never run.
func (t *Tree) Remove(n *Node) bool {
	if !n.Queued() || n.started {
		return false
	}
	n.leave()
	n.state = over
	return true
}

// Detach removes the list n, which is not stopping, from the list around it. n takes no more
// members.
func (t *Tree) Detach(n *Node) bool {
	if n.List.closed || !n.Queued() {
		return false
	}
	n.leave()
	n.parent, n.List.closed = nil, true
	n.unplan()
	return true
}

// unplan removes the program's plan from a detached list.
func (n *Node) unplan() {
	n.List.floor = 0
	for m := n.List.queue; m != nil && n.List.mixed; m = m.older {
		if m.List != nil {
			m.unplan()
		}
	}
}

// Each calls f for each step of the list, and of the lists within, that is not over.
func (n *Node) Each(f func(*Node)) {
	for _, m := range []*Node{n.List.active, n.List.queue} {
		for m != nil {
			older := m.older
			if m.List != nil {
				m.Each(f)
			} else {
				f(m)
			}
			m = older
		}
	}
}

// Members returns the number of members that are not over.
func (n *Node) Members() int {
	size := n.List.size
	for m := n.List.active; m != nil; m = m.older {
		size++
	}
	return size
}

// Close makes the list take no more members.
func (li *List) Close() { li.closed = true }

// Reserved returns the sum of the members' reserves, or the largest if the list is concurrent.
func (n *Node) Reserved() (sum time.Duration) {
	for m := n.List.queue; m != nil && n.List.mixed; m = m.older {
		reserve := m.Reserve
		if m.List != nil {
			reserve = max(reserve, m.Reserved())
		}
		if n.List.Concurrent {
			sum = max(sum, reserve)
		} else {
			sum = Sum(sum, reserve)
		}
	}
	return sum
}

// push puts n first in the queue or among the active members.
func push(top **Node, n *Node) {
	n.older, n.newer = *top, nil
	if *top != nil {
		(*top).newer = n
	}
	*top = n
}

func pull(top **Node, n *Node) {
	if n.newer != nil {
		n.newer.older = n.older
	} else {
		*top = n.older
	}
	if n.older != nil {
		n.older.newer = n.newer
	}
	n.older, n.newer = nil, nil
}

// link puts n first in the queue.
func (l *Node) link(n *Node) {
	if main := l.List.queue; main != nil && main.Kind == Main { // main stays first, so that the report has it before its holds
		push(&main.older, n)
		n.newer = main
	} else {
		push(&l.List.queue, n)
	}
	n.linked = true
	l.List.size++
	if !n.plain() {
		l.mix()
	}
	l.adjust(n, 1)
}

// leave removes n from the queue, and its minimum from the sum.
func (n *Node) leave() {
	l := n.parent
	l.adjust(n, -1)
	pull(&l.List.queue, n)
	n.linked = false
	l.List.size--
}

// take gives n its turn.
func (l *Node) take(n *Node) {
	n.leave()
	push(&l.List.active, n)
	n.taken = true
	n.lower(l.List.scale) // one plan, one scale
}

// The rest of this file computes the minimums of members that wait for their turn. A list remembers
// their sum: otherwise the time for a stop would grow with the square of the number of members.

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

// container returns the list that n is in or, for a group, the step that runs it.
func (n *Node) container() *Node {
	if n.parent == nil && n.List != nil {
		return n.List.outer
	}
	return n.parent
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
