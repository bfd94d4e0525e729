package step

import (
	"math"
	"time"
)

// maxFloor is the most that is promised to a step that asks for nothing. A
// second closes nearly every pool, file and connection; what needs more says so
// with a reserve.
const maxFloor = time.Second

// Never is an instant that does not come: the end of a clock without a limit.
const Never = time.Duration(math.MaxInt64)

// Terms are what a step asks for. Zero means no wish.
type Terms struct {
	Timeout time.Duration // the most that its stop may take
	Reserve time.Duration // the least that is kept back for it
}

// A Budget divides the time until its end among steps that run one after the
// other, so that none can take what the ones after it need.
//
// Each step to come is owed a promise: the floor, or its reserve if that is
// more, never more than its timeout. The floor is fixed when the budget is made;
// computed anew from what each overrun leaves, it would shrink geometrically
// (ten deaf steps within 25 s: 1.1 s for the fourth, 35 ms for the tenth). A
// step that starts may use all that is left less what is owed to the ones after
// it. Where more is owed than there is, all promises shrink by one factor.
//
// Instants are readings of a Run's clock. A Budget is plain arithmetic and does
// no locking.
type Budget struct {
	end   time.Duration
	floor time.Duration
	owed  float64 // to the steps to come, unscaled; reserves of centuries must not overflow
	scale float64 // 0 means 1

	limit  time.Duration // of the clock, as far as it has been taken into account
	parent *Budget       // the budget that gave this one its time, if any
	unit   owing         // what the parent owed for it
	most   time.Duration // when the timeout of it is over, Never if it has none
}

// owing is one entry of a budget: the promise to a step and its cap.
type owing struct{ promise, timeout time.Duration }

// NewBudget divides the time from now to end among about n steps.
func NewBudget(now, end time.Duration, n int) Budget {
	r := max(end-now, 0)
	return Budget{end: end, limit: end, floor: max(1, min(maxFloor, r/time.Duration(2*max(n, 1))))}
}

// Promise is what a step on these terms is owed before scaling.
func (b *Budget) Promise(t Terms) time.Duration {
	return capped(max(b.floor, t.Reserve), t.Timeout)
}

// Owe adds a step to come.
func (b *Budget) Owe(promise time.Duration) { b.owed += float64(promise) }

// Sum adds durations that are not negative, and stops at the longest there is.
func Sum(a, b time.Duration) time.Duration {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return Never
}

// Forgive takes back what Owe added, for a step that will not come.
func (b *Budget) Forgive(promise time.Duration) { b.owed = max(0, b.owed-float64(promise)) }

// Fit scales the promises down where they exceed 9/10 of what is left at now, so
// that reserves cannot leave the step that runs without time. It reports whether
// it did.
func (b *Budget) Fit(now time.Duration) bool {
	most := float64(max(b.end-now, 0)) * 0.9
	if b.scaled(b.owed) <= most {
		return false
	}
	b.scale = most / b.owed
	return true
}

// Take starts a step that was owed promise: it returns its allowance and what
// the promise has become. With only set the step gets just its promise.
func (b *Budget) Take(now, promise, timeout time.Duration, only bool) (allowance, scaled time.Duration) {
	if b.end <= now {
		b.extend(now)
	}
	left := max(b.end-now, 0)
	if left == 0 {
		return 0, 0
	}
	if b.scaled(b.owed) > float64(left) {
		// What is owed grew behind a step that has used up all it had (a late
		// registration), or a timer fired late. To 9/10 as in Fit would make
		// the promises shrink with each overrun.
		b.scale = float64(left) / b.owed
	}
	b.Forgive(promise)
	scaled = time.Duration(min(max(1, b.scaled(float64(promise))), float64(left)))
	allowance = scaled
	if !only {
		allowance = max(scaled, left-time.Duration(b.scaled(b.owed)))
	}
	return capped(min(allowance, left), timeout), scaled
}

// Nest starts a part of the budget that divides its own allowance: a scope. Its
// steps are still to be owed.
func (b *Budget) Nest(now, promise, timeout time.Duration) *Budget {
	allowance, _ := b.Take(now, promise, timeout, false)
	most := Never
	if timeout > 0 {
		most = Sum(now, timeout)
	}
	return &Budget{end: now + allowance, limit: b.limit, floor: b.floor, parent: b, unit: owing{promise, timeout}, most: most}
}

// extend is for what comes late into a part that has been used up, behind a step that took
// all of it: the parent has more, if only by what it owes to others, and is asked again.
func (b *Budget) extend(now time.Duration) {
	if b.parent == nil || now >= b.most {
		return
	}
	promise := time.Duration(min(b.owed, float64(Never/2)))
	b.end = min(now+b.parent.again(now, owing{promise, 0}), b.most)
}

// bound brings the end forward to the limit of the clock, through all the budgets that
// this one is nested in, so that what is owed behind it stays owed.
func (b *Budget) bound(now, limit time.Duration) {
	if limit >= b.limit {
		return
	}
	b.limit = limit
	if b.parent != nil {
		b.parent.bound(now, limit)
		limit = now + b.parent.again(now, b.unit)
	}
	b.end = min(b.end, limit)
}

// again is the allowance of an entry that has been taken, were it to start now.
func (b *Budget) again(now time.Duration, o owing) time.Duration {
	b.Owe(o.promise)
	allowance, _ := b.Take(now, o.promise, o.timeout, false)
	return allowance
}

func (b *Budget) scaled(d float64) float64 {
	if b.scale == 0 {
		return d
	}
	return d * b.scale
}

func capped(d, limit time.Duration) time.Duration {
	if limit > 0 && d > limit {
		return limit
	}
	return d
}

// A step's context ends before the step is given up, so that one that obeys can
// still return: 5 % of its allowance earlier, at most half a second. For small
// allowances 5 % is nothing (1 ms of 20) and a throttled container would turn
// obedient steps into abandoned ones, so at least 25 ms, but never more than
// half.
const (
	minMargin = 25 * time.Millisecond
	maxMargin = 500 * time.Millisecond
)

// toObey is what is left at least to a step that has had its promise and has to end: half of
// it until its cut, half from there to the end.
const toObey = 2 * minMargin

// Margin is the time between the cut of a step with this allowance and the
// instant at which it is given up.
func Margin(allowance time.Duration) time.Duration {
	return min(max(allowance/20, minMargin), allowance/2, maxMargin)
}
