package tree

import "time"

// Forecast returns how long n may work after it is told to stop, until its deadline, if the stop of
// the program were planned now with this time left, and no step before n took any. The lock is held.
func (n *Node) Forecast(left time.Duration) time.Duration {
	budget, _ := n.forecast(left)
	return budget - Margin(budget)
}

// forecast returns the budget of n, and the floor for its members.
func (n *Node) forecast(left time.Duration) (budget, floor time.Duration) {
	outer := n.container()
	if outer == nil { // the program
		return left, planFloor(left, n.count())
	}
	around, floor := outer.forecast(left)
	if n.parent == nil { // a group, which stops by itself when the step around it stops
		around -= Margin(around)
		return around, planFloor(around, n.count())
	}
	own, kept := n.minimumWith(floor), 0.0
	if !outer.List.Concurrent {
		for m := n.older; m != nil; m = m.older {
			kept += m.minimumWith(floor)
		}
	}
	if most := float64(around) * mostPlanned; own+kept > most {
		own, kept = own*most/(own+kept), kept*most/(own+kept)
	}
	budget = max(duration(own), around-duration(kept))
	if n.Timeout > 0 {
		budget = min(budget, n.Timeout)
	}
	return min(budget, around), floor
}

// minimumWith returns the minimum of n with this floor. The queue of a list that is not stopping has
// all its members.
func (n *Node) minimumWith(floor time.Duration) (m float64) {
	if n.List == nil {
		m = float64(floor)
	} else {
		for member := n.List.queue; member != nil; member = member.older {
			m = n.combine(m, member.minimumWith(floor))
		}
	}
	m = max(m, float64(n.Reserve))
	if n.Timeout > 0 {
		m = min(m, float64(n.Timeout))
	}
	return m
}
