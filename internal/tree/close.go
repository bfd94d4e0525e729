package tree

import (
	"context"
	"errors"
	"slices"
	"time"
)

// This file stops nodes early, before their turn.

// ErrInProgress is returned by Close if the node to close waits for the calling step.
var ErrInProgress = errors.New("shutdown: called from within a step, which it would wait for")

// ErrNoTime is returned by Close if no time is left to close the node now, but the node will have
// its turn.
var ErrNoTime = errors.New("no time is left to close it now, its handlers run in their turn")

// CloseOptions say how a node is closed early, before its turn.
type CloseOptions struct {
	By     *Node         // the step that waits for the node, nil if none does
	Values *Values       // for the contexts of the handlers; nil: the tree's values
	Limit  time.Duration // a reading; Never: only the time of By limits the close
}

// Close stops n now, or joins a stop of n that has begun, and waits until n is over. failed has the
// steps that have failed, unless Close has joined a stop. Close returns ErrInProgress if the caller
// would wait for itself, and ErrNoTime if no time is left but n will have its turn. The lock must
// not be held.
func (t *Tree) Close(n *Node, c CloseOptions) (failed []*Node, err error) {
	t.Lock()
	by := c.By
	if by != nil && (by.state == over || by.tree != t) {
		by = nil // it was abandoned: nothing waits for it, and it limits nothing
	}
	switch {
	case n.state == over:
		t.Unlock()
		return nil, nil
	case by != nil && n.waitsFor(by):
		t.Unlock()
		return nil, ErrInProgress
	}
	first := n.state == waiting
	o, err := t.closeBy(n, by, c)
	t.Unlock()
	if err != nil {
		return nil, err
	}
	<-o.done
	t.Lock()
	defer t.Unlock()
	if first {
		failed = o.failed
	}
	return failed, nil
}

// closeBy begins to stop n for a closer, or joins a stop that has begun.
func (t *Tree) closeBy(n, by *Node, c CloseOptions) (*directStop, error) {
	now := t.Now()
	begun := n.state == stopping
	o := n.direct
	if o == nil {
		o = newDirectStop()
		if o.joined = begun; !begun { // else the handlers have the values of the stop that has begun
			o.values = c.Values
		}
	}
	if by != nil {
		o.waiters = append(o.waiters, by)
	}
	n.setDirect(o)
	if !begun {
		n.Start = now
		if min(c.Limit, n.limit(now)) <= now && n.hasTurn() {
			n.setDirect(nil)
			return nil, ErrNoTime
		}
		t.Stop(n, now, c.Limit, context.Canceled)
		return o, nil
	}
	if by != nil {
		by.waitsAtDeadline(now)
	}
	o.limit = min(o.limit, c.Limit)
	if !slices.Contains(t.directStops, n) {
		t.directStops = append(t.directStops, n)
	}
	t.tighten(n, now)
	return o, nil
}

// hasTurn reports whether n will be stopped in its turn: by a stop that has begun, or by the
// program's. A detached list has no turn, and neither have its members.
func (n *Node) hasTurn() bool {
	for ; n.linked; n = n.parent {
		if n.parent.state == stopping {
			return true
		}
	}
	return n.List != nil && !n.List.closed
}

// HasCloser reports whether a closer or a caller of StopTask gets the error of n.
func (n *Node) HasCloser() bool {
	return n.direct != nil && !n.direct.joined || n.taskStop != nil && !n.taskStop.joined
}

func (t *Tree) removeDirectStop(n *Node) {
	if i := slices.Index(t.directStops, n); i >= 0 {
		t.directStops = slices.Delete(t.directStops, i, i+1)
	}
}
