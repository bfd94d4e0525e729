package campaign

import (
	"errors"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/group"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file has the parts that depend on the version of the core.

// newCore says that the core gives the guarantees in guarantees_test.go.
const newCore = true

// The causes of a stop that the new core has names for: shutdown.ErrReturned and
// shutdown.ErrStopRequested.
var (
	errReturned      = shutdown.ErrReturned
	errStopRequested = shutdown.ErrStopRequested
)

// endedTask returns the name in a *group.EndedError, or an empty string. Of a task that ended
// because of one in a group that it ran, it is the first of the two names.
func endedTask(err error) string {
	var ended *group.EndedError
	if errors.As(err, &ended) {
		name, _, _ := strings.Cut(ended.Name, "/")
		return name
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

// budget returns the budget of a step.
func budget(e shutdown.StepBegan) time.Duration { return e.Budget }

func setBudget(e *shutdown.StepBegan, d time.Duration) { e.Budget = d }
