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
	return len(t.running) == 0 && len(t.closing) == 0 && len(t.calls) == 0 && len(t.ends) == 0 && len(t.after) == 0
}

// Running are the steps of which something runs.
func (t *Tree) Running() []*Node { return t.running }

// Minimum is what the plans that the step n is in left it, unscaled.
func (n *Node) Minimum() time.Duration { return n.min }

// Forced reports whether there was a second signal.
func (t *Tree) Forced() bool { return t.forced != nil }

// Finish ends the context of work of n.
func (n *Node) Finish(e *Ending) { n.work.finish(e) }

// WorkContext is the context of a handler.
func (n *Node) WorkContext() *Context { return &n.work }

// Wrong says what is not as it has to be in the list l or in one within: everything that is
// kept, and could be found by looking at all members. The sum may be wrong by slack. In the middle
// of a change more may be kept than has to be, for members that have begun since.
func Wrong(l *Node, inTheMiddle bool, slack float64) string {
	li := l.List
	size, special, sum := 0, 0, 0.0
	for m := li.queue; m != nil; m = m.older {
		size++
		if m.parent != l || !m.linked || m.taken || m.state == over {
			return fmt.Sprintf("%s waits in %s, and does not know it", m.Name(), l.Name())
		}
		if m.List != nil || m.Limits != (Limits{}) || m.outside != nil {
			special++
		}
		sum = l.and(sum, m.afresh(li.floor))
	}
	for m := li.live; m != nil; m = m.older {
		if m.parent != l || m.linked || !m.taken || m.state != stopping {
			return fmt.Sprintf("%s has its turn in %s, and does not know it", m.Name(), l.Name())
		}
	}
	slack += sum * 1e-9
	switch {
	case size != li.size || special != li.special:
		return fmt.Sprintf("%s counts %d members, %d of them special; it has %d and %d", l.Name(), li.size, li.special, size, special)
	case li.floor == 0:
	case li.sum < sum-slack, li.sum > sum+slack && !inTheMiddle:
		return fmt.Sprintf("the sum of %s is %v, but its members have %v", l.Name(), li.sum, sum)
	case math.Abs(sum-l.total()) > slack && !inTheMiddle:
		return fmt.Sprintf("the total of %s is %v, but its members have %v", l.Name(), l.total(), sum)
	}
	for _, top := range []*Node{li.queue, li.live} {
		for m := top; m != nil; m = m.older {
			if m.List == nil {
				continue
			}
			if wrong := Wrong(m, inTheMiddle, slack); wrong != "" {
				return wrong
			}
		}
	}
	return ""
}

// afresh is what has to be kept for n, by a look at all below it.
func (n *Node) afresh(floor time.Duration) float64 {
	m := float64(floor)
	switch {
	case n.state == stopping && n.outside != nil && slices.ContainsFunc(n.outside.waiters, n.comesAfter):
		return 0
	case n.List != nil && n.state == stopping:
		m = n.List.frozen
	case n.List != nil:
		m = 0
		for x := n.List.queue; x != nil; x = x.older {
			m = n.and(m, x.afresh(n.List.floor))
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
