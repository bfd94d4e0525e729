package shutdown

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// This file keeps the failures of tasks with group.MayFail from before the request to stop. The
// group goes on after such a failure, perhaps for months, and the report still has to have it.

// keepEarly keeps the step, which has failed at the reading at. t0 is not known yet.
func (c *Coordinator) keepEarly(s Step, at time.Duration) {
	if s.Outcome == OutcomeOK {
		return
	}
	if len(c.early) == tree.MaxMayFail {
		c.moreEarly++
		return
	}
	s.Start = at
	c.early = append(c.early, s)
}

// withEarly returns the steps with the early failures before them.
func (c *Coordinator) withEarly(steps []Step) []Step {
	if len(c.early) == 0 {
		return steps
	}
	all := slices.Concat(c.early, steps)
	for i := range c.early {
		all[i].Start -= c.t0
	}
	return all
}
