package step

import "time"

// Bound is what a Clock does to the budget of a step that runs when its limit is brought
// forward: it returns the step's new allowance.
func (b *Budget) Bound(now, limit, promise, timeout time.Duration) time.Duration {
	b.bound(now, limit)
	return b.again(now, owing{promise, timeout})
}

// End is when the budget's time is over.
func (b *Budget) End() time.Duration { return b.end }

// Limit is when the last step is given up, at the latest.
func (c *Clock) Limit() time.Duration { return c.limit }

// WaitState is what a goroutine waits for, by the first line of its traceback.
var WaitState = waitState
