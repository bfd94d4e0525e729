package campaign

import (
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/group"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file is all that has to change with the core.

// newCore is whether the core keeps the promises of promises_test.go.
const newCore = true

// The causes of a stop that the new core has names for: shutdown.ErrReturned and
// shutdown.ErrStopRequested.
var (
	errReturned      = shutdown.ErrReturned
	errStopRequested = shutdown.ErrStopRequested
)

// endedTask is the name of the task of which a cause says that it has ended: err is a
// *group.EndedError.
func endedTask(err error) string {
	var ended *group.EndedError
	if errors.As(err, &ended) {
		return ended.Name
	}
	return ""
}

// The outcomes.
const (
	outcomeOK        = shutdown.OutcomeOK
	outcomeFailed    = shutdown.OutcomeFailed
	outcomePanicked  = shutdown.OutcomePanicked
	outcomeGoexited  = shutdown.OutcomeGoexited
	outcomeLate      = shutdown.OutcomeLate
	outcomeAbandoned = shutdown.OutcomeAbandoned
	outcomeSkipped   = shutdown.OutcomeSkipped
)

// budget is what a step may take.
func budget(e shutdown.StepBegan) time.Duration { return e.Budget }

func setBudget(e *shutdown.StepBegan, d time.Duration) { e.Budget = d }
