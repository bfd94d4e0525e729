package tree

import (
	"errors"
	"time"
)

// This file has the members of lists. In its functions l is the Node of a list, and li is the List
// of that node.

// A List is the part of a node that has members. The exported fields are set before the node is
// added.
type List struct {
	Concurrent bool  // its members stop at the same time
	Owner      Owner // decides what the return of a member means; may be nil
	InRequest  bool  // of a group: it runs in a request, so nothing around it waits for its start

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

// Adopt makes n part of the tree. n is in no list yet.
func (t *Tree) Adopt(n *Node) {
	n.tree = t
	if n.List != nil {
		n.List.scale = 1
	}
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

// container returns the list that n is in or, for a group, the step that runs it.
func (n *Node) container() *Node {
	if n.parent == nil && n.List != nil {
		return n.List.outer
	}
	return n.parent
}
