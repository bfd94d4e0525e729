package tree

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// PlanFloor is planFloor.
var PlanFloor = planFloor

// Canceled and Expired are the ends of contexts of steps that have returned, and of steps at
// their deadline.
var Canceled, Expired = canceled, expired

// Waits reports whether n cannot be over before s is.
func Waits(n, s *Node) bool { return n.waitsFor(s) }

// Idle reports whether nothing of the tree runs, is closed, or is still to be done.
func (t *Tree) Idle() bool {
	return len(t.running) == 0 && len(t.directStops) == 0 && len(t.calls) == 0 && len(t.ends) == 0 && len(t.after) == 0
}

// Running are the steps of which something runs.
func (t *Tree) Running() []*Node { return t.running }

// Minimum is what the plans that the step n is in left it, unscaled.
func (n *Node) Minimum() time.Duration { return duration(n.minimum()) }

// Deadline is when the context of n ends, once its time runs.
func (n *Node) Deadline() time.Duration { return n.deadline }

// Forced reports whether there was a second signal.
func (t *Tree) Forced() bool { return t.forced != nil }

// Finish ends the context of work of n.
func (n *Node) Finish(e *Ending) { n.work.finish(e) }

// WorkContext is the context of a handler.
func (n *Node) WorkContext() *Context { return &n.work }

// Wrong says what is not as it has to be in the list l or in one within: everything that is
// remembered, and could be found by looking at all members. The sum may be wrong by slack.
func Inconsistency(l *Node, slack float64) string {
	li := l.List
	size, mixed, sum := 0, false, 0.0
	for m := li.queue; m != nil; m = m.older {
		size++
		if m.parent != l || !m.linked || m.taken || m.state == over {
			return fmt.Sprintf("%s waits in %s, and does not know it", m.Name(), l.Name())
		}
		mixed = mixed || m.List != nil || m.Limits != (Limits{}) || m.direct != nil
		sum = l.combine(sum, m.recomputedMinimum(false))
	}
	for m := li.active; m != nil; m = m.older {
		if m.parent != l || m.linked || !m.taken || m.state != stopping {
			return fmt.Sprintf("%s has its turn in %s, and does not know it", m.Name(), l.Name())
		}
		if m.List != nil && m.List.scale > li.scale {
			return fmt.Sprintf("the scale of %s is %v, and that of %s is %v", m.Name(), m.List.scale, l.Name(), li.scale)
		}
	}
	slack += sum * 1e-9
	switch {
	case size != li.size || mixed && !li.mixed:
		return fmt.Sprintf("%s counts %d members, mixed %t; it has %d, mixed %t", l.Name(), li.size, li.mixed, size, mixed)
	case li.floor > 0 && math.Abs(sum-l.minimums()) > slack:
		return fmt.Sprintf("%s keeps %v, but its members have %v", l.Name(), l.minimums(), sum)
	}
	for _, top := range []*Node{li.queue, li.active} {
		for m := top; m != nil; m = m.older {
			if m.List == nil {
				continue
			}
			if wrong := Inconsistency(m, slack); wrong != "" {
				return wrong
			}
		}
	}
	return ""
}

// afresh is what has to be kept for n, by a look at all below it. What is live in a list that
// somebody closes counts even if it is a member that somebody waits for.
func (n *Node) recomputedMinimum(live bool) float64 {
	m := 0.0
	switch {
	case !live && n.state == stopping && n.direct != nil && slices.ContainsFunc(n.direct.waiters, n.comesAfter):
		return 0
	case n.List == nil:
		m = float64(n.floor())
	default:
		for x := n.List.queue; x != nil; x = x.older {
			m = n.combine(m, x.recomputedMinimum(false))
		}
		for x := n.List.active; x != nil; x = x.older {
			m = n.combine(m, x.recomputedMinimum(true))
		}
	}
	m = max(m, float64(n.Reserve))
	if n.Timeout > 0 {
		m = min(m, float64(n.Timeout))
	}
	return m
}

// Linked reports whether n waits for its turn, be it that somebody closes it meanwhile.
func Linked(n *Node) bool { return n.linked }
