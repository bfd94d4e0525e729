package tree

import (
	"slices"
	"time"
)

// This file calls the function of a step again after it has failed. A node is one run of a step, so
// a new node takes the place of the old one. It has contexts and a profiler label of its own, and
// nothing that the first run has left behind is mistaken for the second.

// Again returns a node that takes the place of n in its list, and with which the function of n can
// be called again. n has failed with err. The function of n has returned before n was told to stop.
// The list is not stopping.
//
// The new node waits: for Enter and Call, or for Drop. It keeps the channel of Done. If it has a
// warm-up, it counts as starting from now on.
func (t *Tree) Again(n *Node, now time.Duration, err error) *Node {
	run := new(struct {
		node    Node
		context Context
	})
	m := &run.node
	m.Origin, m.Limits, m.Kind, m.Run, m.RunContext = n.Origin, n.Limits, n.Kind, n.Run, &run.context
	m.tree, m.parent, m.work.node, run.context.node = t, n.parent, m, m
	more := *n.More
	more.back, more.result, more.LastErr = 0, Result{}, err
	more.Restarts++
	m.More = &more
	if d := n.details; d != nil && d.done != nil {
		m.ensureDetails().done, d.done = d.done, nil
	}
	t.exit(n)
	n.takeOver(m)
	if m.More.Warmup != 0 {
		t.Host.StartBegan(m)
		m.starting = true
		t.again = append(t.again, m)
	}
	if n.starting { // after StartBegan, so that the program does not become ready in between
		n.starting = false
		t.Host.StartEnded(n, now, false)
	}
	n.state, n.Outcome, n.Err, n.Start, n.End = over, Failed, err, now, now
	if n.direct != nil {
		t.removeDirectStop(n)
		close(n.direct.done)
	}
	t.endWaiting(n, now)
	return m
}

// removeAgain removes n, which does not wait to be called again any more.
func (t *Tree) removeAgain(n *Node) {
	if i := slices.Index(t.again, n); i >= 0 {
		t.again = slices.Delete(t.again, i, i+1)
	}
}

// StopAlone begins to stop the step n because of cause, while the list around it goes on. n has to
// be over at limit. Its failure is one of the list.
func (t *Tree) StopAlone(n *Node, now, limit time.Duration, cause error) {
	o := newDirectStop()
	o.joined = true
	n.setDirect(o)
	t.Stop(n, now, limit, cause)
}

// stopsAlone reports whether StopAlone stops n, and the list around it does not.
func (n *Node) stopsAlone() bool { return n.direct != nil && !n.taken }

// takeOver puts m in the place of n in the queue.
func (n *Node) takeOver(m *Node) {
	m.older, m.newer = n.older, n.newer
	if n.newer != nil {
		n.newer.older = m
	} else {
		n.parent.List.queue = m
	}
	if n.older != nil {
		n.older.newer = m
	}
	n.older, n.newer = nil, nil
	n.linked, m.linked = false, true
}

// Drop ends n, whose function is not running and will not be called.
func (t *Tree) Drop(n *Node, now time.Duration) {
	n.ended = true
	if n.details != nil && n.details.done != nil {
		close(n.details.done)
	}
	t.end(n, now, OK, nil)
}

// AfterFunc calls f, with the lock held, after the given time.
func (t *Tree) AfterFunc(wait time.Duration, f func(now time.Duration)) *time.Timer {
	return time.AfterFunc(wait, func() {
		unlabel()
		t.Lock()
		defer t.Unlock()
		f(t.Now())
	})
}

// Restarts returns how often the step was called again, and its error before the last time.
func (n *Node) Restarts() (count int, last error) {
	if n.More == nil {
		return 0, nil
	}
	return n.More.Restarts, n.More.LastErr
}
