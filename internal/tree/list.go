package tree

import (
	"errors"
	"slices"
	"time"
)

// This file is membership, and what is kept for the members that wait for their turn.

// A List is what a node with members has more than a step. The exported fields are set before
// the node is added.
type List struct {
	Concurrent bool  // its members stop side by side
	Owner      Owner // nil for a scope

	outer     *Node         // the step that runs the group
	closed    bool          // it takes no more members
	queue     *Node         // the members that wait for their turn, newest first
	live      *Node         // those that have it
	size      int           // of the queue
	special   int           // how many of the queue are not plain
	floor     time.Duration // the least that a plan gives to a step without limits; 0: no plan yet
	scale     float64       // by which the plan reduces all minimums
	beginning bool          // all of the queue begins at this instant
	bound     time.Duration // what limit has found, for members that are looked at together; 0: nothing yet
	cause     error         // of the request to stop
	ending    *Ending       // the same, for the contexts of the members

	// sum is what is kept for the queue, unscaled: the minimums of its members, or the largest
	// of them. It follows from the queue, the floor and the limits alone, and total computes
	// it: without it, each of n members would look at all those after it.
	sum float64
	// frozen is sum as it was when somebody closed the list early, and what came later: its
	// queue gets empty while its steps still run.
	frozen float64
}

// ErrClosed is returned by Add for a list that takes no more members.
var ErrClosed = errors.New("tree: the list takes no more members")

// Adopt makes n, which has a List and no list around it, part of the tree.
func (t *Tree) Adopt(n *Node) {
	n.tree, n.List.scale = t, 1
}

// Add puts n on top of the list. In one that is stopping it is the next; in a concurrent one a
// step begins at once. With values, which those of its contexts will be, n runs from now on, and
// before it is told to stop. The lock is held, as it is for all methods of Tree that do not say
// otherwise.
func (t *Tree) Add(l, n *Node, values *Values) error {
	n.tree, n.parent, n.work.node = t, l, n
	if n.Told != nil {
		n.Told.node = n
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
	l.link(n)
	if l.List.floor == 0 {
		return nil
	}
	now := t.Now()
	if l.state == stopping && l.List.Concurrent && n.List == nil {
		l.take(n)
		t.begin(n, now)
		n.work.deadline = n.deadline // nobody has its context yet
		return nil
	}
	if top := n.reprice(); top.state == stopping && !top.List.Concurrent {
		t.fit(top, now)
	}
	return nil
}

// Full reports whether the list stops and has no time left for a step that is added.
func (l *Node) Full() bool {
	now := l.tree.Now()
	return l.state == over || l.state == stopping && l.limit(now) <= now
}

// Remove takes n back. It reports whether n will never run.
func (t *Tree) Remove(n *Node) bool {
	if !n.Queued() || n.started {
		return false
	}
	n.leave()
	n.state = over
	return true
}

// Detach takes a list that does not stop out of the one around it. It takes no more members.
func (t *Tree) Detach(n *Node) bool {
	if n.List.closed || !n.Queued() {
		return false
	}
	n.leave()
	n.parent, n.List.closed = nil, true
	n.unplan()
	return true
}

// unplan takes the plan of the program back from what has left it.
func (n *Node) unplan() {
	n.List.floor = 0
	for m := n.List.queue; m != nil && n.List.special > 0; m = m.older {
		if m.List != nil {
			m.unplan()
		}
	}
}

// Each calls f for each step of the list that is not over, in the lists within, too.
func (n *Node) Each(f func(*Node)) {
	for _, m := range []*Node{n.List.live, n.List.queue} {
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

// Members is how many members the list has that are not over.
func (n *Node) Members() int {
	size := n.List.size
	for m := n.List.live; m != nil; m = m.older {
		size++
	}
	return size
}

// Close has the list take no more members.
func (l *List) Close() { l.closed = true }

// Reserved is what the members have asked for together.
func (n *Node) Reserved() (sum time.Duration) {
	for m := n.List.queue; m != nil && n.List.special > 0; m = m.older {
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

// push puts n on top of the queue or of the live members.
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

// link puts n into the queue. What is kept for it is added by reprice.
func (l *Node) link(n *Node) {
	if main := l.List.queue; main != nil && main.Kind == Main { // events and the report have it before its holds
		push(&main.older, n)
		n.newer = main
	} else {
		push(&l.List.queue, n)
	}
	n.linked, n.price = true, 0
	l.List.size++
	if !n.plain() {
		l.List.special++
		return
	}
	if l.List.floor > 0 {
		l.adjust(0, float64(l.List.floor))
	}
}

// leave takes n out of the queue, with what was kept for it.
func (n *Node) leave() {
	l := n.parent
	kept := l.kept(n)
	pull(&l.List.queue, n)
	n.linked = false
	l.List.size--
	if !n.plain() {
		l.List.special--
	}
	if l.List.floor > 0 {
		l.adjust(kept, 0)
		l.reprice()
	}
}

// take gives n its turn.
func (l *Node) take(n *Node) {
	n.leave()
	push(&l.List.live, n)
	n.taken = true
}

// plain reports whether the floor is kept for n, as for most handlers: they are counted, and not
// looked at one by one.
func (n *Node) plain() bool {
	return n.List == nil && n.Limits == Limits{} && n.outside == nil
}

// kept is what the sum of l has for its member n.
func (l *Node) kept(n *Node) float64 {
	if n.plain() {
		return float64(l.List.floor)
	}
	return n.price
}

// setOutside sets or clears the outside of n, which makes a difference to plain.
func (n *Node) setOutside(o *outside) {
	if !n.linked {
		n.outside = o
		return
	}
	l := n.parent.List
	price := n.parent.kept(n)
	if !n.plain() {
		l.special--
	}
	if n.outside = o; !n.plain() {
		l.special++
		n.price = price
	} else if l.floor > 0 {
		n.parent.adjust(price, float64(l.floor))
	}
	n.reprice()
}

// wanted is the minimum of n, unscaled, by a plan with this floor.
func (n *Node) wanted(floor time.Duration) float64 {
	m := float64(floor)
	switch {
	case n.List == nil:
	case n.state == stopping:
		m = n.List.frozen
	default:
		m = n.List.sum
	}
	return n.capped(max(m, float64(n.Reserve)))
}

func (n *Node) capped(m float64) float64 {
	if n.Timeout > 0 {
		return min(m, float64(n.Timeout))
	}
	return m
}

// minimum is what is kept for n while it waits for its turn. It is nothing while a step before it
// waits for n to stop: that step has the time for it.
func (n *Node) minimum(floor time.Duration) float64 {
	if n.state == stopping && n.outside != nil && slices.ContainsFunc(n.outside.waiters, n.comesAfter) {
		return 0
	}
	return n.wanted(floor)
}

// comesAfter reports whether the step w ends before the turn of n comes. It does not where it
// stops later, or side by side with n in a concurrent list. Of a step in a group that goes on
// although the step that runs it is over, nothing is known.
func (n *Node) comesAfter(w *Node) bool {
	for m := n; m.parent != nil; m = m.parent {
		with := w // the member of the same list that w is, or is in
		for with != nil && with.state != over && with.parent != m.parent {
			with = with.within()
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

// within is what n is in: a list or, for a group, the step that runs it.
func (n *Node) within() *Node {
	if n.parent == nil && n.List != nil {
		return n.List.outer
	}
	return n.parent
}

// reprice tells the lists around n that its minimum may have changed. It returns the outermost
// of which the sum has.
func (n *Node) reprice() (top *Node) {
	top = n
	for n.linked && n.parent.List.floor > 0 {
		l := n.parent
		if !n.plain() {
			before := n.price
			n.price = n.minimum(l.List.floor)
			if n.price == before {
				return top
			}
			l.adjust(before, n.price)
		}
		n, top = l, l
	}
	return top
}

// adjust replaces one member's part of the sum.
func (l *Node) adjust(from, to float64) {
	switch li := l.List; {
	case li.queue == nil:
		li.sum = 0 // exactly
	case !li.Concurrent:
		li.sum = max(0, li.sum+to-from)
	case to >= from || li.beginning:
		li.sum = max(li.sum, to)
	case from >= li.sum:
		li.sum = l.total()
	}
	if to > from {
		if l.List.Concurrent {
			l.List.frozen = max(l.List.frozen, to)
		} else {
			l.List.frozen += to - from
		}
	}
}

// total is what sum has to be.
func (l *Node) total() (sum float64) {
	if l.List.special == 0 {
		return float64(l.List.floor) * float64(l.count())
	}
	for m := l.List.queue; m != nil; m = m.older {
		sum = l.and(sum, l.kept(m))
	}
	return sum
}

func (l *Node) and(sum, m float64) float64 {
	if l.List.Concurrent {
		return max(sum, m)
	}
	return sum + m
}

// count is how many steps n has one after the other.
func (n *Node) count() int {
	switch {
	case n.List == nil:
		return 1
	case n.List.special == 0 && n.List.Concurrent:
		return min(n.List.size, 1)
	case n.List.special == 0:
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

// plan fixes the floor of n and of all below it: the least of the plans that a node is in. It
// reaches the steps that run already.
func (n *Node) plan(floor time.Duration) {
	l := n.List
	if l == nil {
		n.min = min(n.min, duration(n.wanted(floor)))
		return
	}
	if l.floor == 0 || floor < l.floor {
		l.floor = floor
	}
	for m := l.live; m != nil; m = m.older {
		m.plan(floor)
	}
	for m := l.queue; m != nil && l.special > 0; m = m.older {
		m.plan(floor)
		if !m.plain() {
			m.price = m.minimum(l.floor)
		}
	}
	l.sum = n.total()
	l.frozen = l.sum
	for m := l.live; m != nil; m = m.older {
		l.frozen = n.and(l.frozen, m.wanted(l.floor))
	}
}
