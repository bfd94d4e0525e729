package tree

import (
	"errors"
	"slices"
	"time"
)

// This file has the members of lists, and what is kept for those that wait for their turn.

// A List is what a node with members has more than a step. The exported fields are set before
// the node is added.
type List struct {
	Concurrent bool  // its members stop side by side
	Owner      Owner // nil: what the return of a member means is its own matter

	outer       *Node         // the step that runs the group
	closed      bool          // it takes no more members
	queue       *Node         // the members that wait for their turn, newest first
	active      *Node         // those that have it
	size        int           // of the queue
	floor       time.Duration // the least that a plan gives to a step without limits; 0: no plan yet
	scale       float64       // by which all minimums are reduced; where both stop, that of a list within is not larger
	cachedLimit time.Duration // the result of limit, while it is asked for several members at one instant; 0: none
	cause       error         // of the request to stop
	ending      *Ending       // the same, for the contexts of the members

	mixed    bool    // it has had members that are not plain
	sum      float64 // the result of keeps
	sumValid bool    // sum is still right
}

// ErrClosed is returned by Add for a list that takes no more members.
var ErrClosed = errors.New("tree: the list takes no more members")

// Adopt makes n, which has a List and no list around it, part of the tree.
func (t *Tree) Adopt(n *Node) {
	n.tree, n.List.scale = t, 1
}

// Add puts n on top of the list. In one that is stopping it is the next; in a concurrent one a
// step begins at once. If values is not nil, n runs from now on, and its contexts have these
// values. The lock is held, as it is for all methods of Tree that do not say otherwise.
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
		n.work.deadline = n.deadline // nobody has its context yet
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

// Full reports whether the list is over, or stops and has no time left for a step that is added.
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
	for m := n.List.queue; m != nil && n.List.mixed; m = m.older {
		if m.List != nil {
			m.unplan()
		}
	}
}

// Each calls f for each step of the list that is not over, in the lists within, too.
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

// Members is how many members the list has that are not over.
func (n *Node) Members() int {
	size := n.List.size
	for m := n.List.active; m != nil; m = m.older {
		size++
	}
	return size
}

// Close has the list take no more members.
func (l *List) Close() { l.closed = true }

// Reserved is what the members have asked for together.
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

// link puts n into the queue.
func (l *Node) link(n *Node) {
	if main := l.List.queue; main != nil && main.Kind == Main { // it stays on top: it is reported before its holds
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

// leave takes n out of the queue, with what was kept for it.
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

// The rest of this file is what is kept for members that wait for their turn: a function of the
// members, the floor and their limits. A list remembers the result, or else each of n members
// would look at all those after it.

// plain reports whether the floor is kept for n, as for most handlers: they are counted, and not
// looked at one by one.
func (n *Node) plain() bool { return n.List == nil && n.Limits == Limits{} && n.direct == nil }

// mix notes that l has a member that is not plain.
func (l *Node) mix() { l.List.mixed, l.List.sumValid = true, false }

// keeps is what l keeps for its queue, unscaled: the minimums of the members, or the largest.
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

// adjust adds the member n to the sum, or takes it off, if that can be done without the others.
func (l *Node) adjust(n *Node, sign float64) {
	if li := l.List; li.sumValid {
		li.sumValid = !li.Concurrent && n.direct == nil
		li.sum = max(0, li.sum+sign*n.queuedMinimum())
	}
	l.changed()
}

// changed says that what is kept for n, and for what it is in, may have changed.
func (n *Node) changed() {
	for ; n.parent != nil && n.parent.List.floor > 0; n = n.parent {
		if n.linked {
			n.parent.List.sumValid = false
		}
	}
}

// kept is what is kept for n while it waits for its turn. It is nothing while a step before it
// waits for n to stop: that step has the time for it.
func (n *Node) queuedMinimum() float64 {
	if n.state == stopping && n.direct != nil && slices.ContainsFunc(n.direct.waiters, n.comesAfter) {
		return 0
	}
	return n.minimum()
}

// minimum is what n has at least, unscaled. A list that stops before its turn has that of all its
// members which are not over.
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

// floor is the least of the plans that the step n is in.
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

// comesAfter reports whether the step w ends before the turn of n comes. It does not where it
// stops later, or side by side with n in a concurrent list. Of a step in a group that goes on
// although the step that runs it is over, nothing is known.
func (n *Node) comesAfter(w *Node) bool {
	for m := n; m.parent != nil; m = m.parent {
		with := w // the member of the same list that w is, or is in
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

// within is what n is in: a list or, for a group, the step that runs it.
func (n *Node) container() *Node {
	if n.parent == nil && n.List != nil {
		return n.List.outer
	}
	return n.parent
}

// count is how many steps n has one after the other.
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

// plan fixes the floor of n and of all below it: the least of the plans that a node is in.
func (n *Node) plan(floor time.Duration) {
	l := n.List
	if l == nil {
		return
	}
	if l.floor == 0 || floor < l.floor {
		l.floor, l.sumValid = floor, false
	}
	for m := l.active; m != nil; m = m.older {
		m.plan(floor)
	}
	for m := l.queue; m != nil && l.mixed; m = m.older {
		m.plan(floor)
	}
}

// lower reduces the minimums of n, and of what is stopping in it.
func (n *Node) lower(scale float64) {
	if n.List == nil || n.List.scale <= scale {
		return
	}
	n.List.scale = scale
	for m := n.List.active; m != nil; m = m.older {
		m.lower(scale)
	}
}
