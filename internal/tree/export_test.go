package tree

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// PlanFloor is planFloor.
var PlanFloor = planFloor

// Canceled and Expired are the ends of the contexts of steps that have returned, and of steps at
// their deadline.
var Canceled, Expired = canceled, expired

// Waits is waitsFor.
func Waits(n, s *Node) bool { return n.waitsFor(s) }

// Idle reports whether no step runs or waits to be called again, no direct stop is in progress, and
// no call waits for the lock.
func (t *Tree) Idle() bool {
	return len(t.running) == 0 && len(t.again) == 0 && len(t.directStops) == 0 && len(t.calls) == 0 && len(t.ends) == 0 && len(t.after) == 0
}

// Running returns the running steps.
func (t *Tree) Running() []*Node { return t.running }

// Minimum returns the unscaled minimum of the step n.
func (n *Node) Minimum() time.Duration { return duration(n.minimum()) }

// Deadline returns the deadline of n, once its time runs.
func (n *Node) Deadline() time.Duration { return n.deadline }

// Forced reports whether there was a second signal.
func (t *Tree) Forced() bool { return t.forced != nil }

// FailStart is failStart, which is called when the stacks of n were taken.
func (t *Tree) FailStart(n *Node, now time.Duration) { t.failStart(n, now) }

// Finish ends the work context of n.
func (n *Node) Finish(e *Ending) { n.work.finish(e) }

// WorkContext returns the work context of n.
func (n *Node) WorkContext() *Context { return &n.work }

// Inconsistency describes a difference between the remembered state of the list l, or of a list
// within, and the state computed from all members. The sum may differ by slack.
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

// recomputedMinimum returns the minimum of n, computed from all nodes below it. An active member of
// a list that is being closed counts even if a step waits for it.
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

// Linked reports whether n is in the queue of its list, even if it is being closed early.
func Linked(n *Node) bool { return n.linked }
