package shutdown

import (
	"slices"
	"time"
)

// An Event is something that happened in the course of a stop. The types are those
// below; a program's metrics can be made from them alone, and the log is.
type Event interface{ event() }

// StopRequested is t0, or after Quiesce the request that followed. Where the context given to
// Run was cancelled, this event and those after it come up to 200 ms later, when it is known
// whether that was for a signal.
type StopRequested struct {
	Cause error         // as in the Report
	Began time.Time     // t0
	Grace time.Duration // from Began to the exit, whatever happens
	Delay time.Duration // from Began to the end of the root context, at most; 0 where there is none
}

// Quiesced is the announcement of a stop, by Quiesce.
type Quiesced struct {
	Delay time.Duration
}

// Resumed is the end of an announcement, by Resume.
type Resumed struct{}

// DelayEnded is the end of the root context.
type DelayEnded struct {
	After time.Duration // since t0
}

// StepBegan is the start of a step's clock: main, a task or a hold is told to stop, or a
// handler is called.
type StepBegan struct {
	Kind       StepKind
	Name, Site string
	Start      time.Duration // since t0
	Budget     time.Duration // after which it is abandoned
}

// StepEnded is the end of a step, or that it was abandoned. Start is 0 where it comes before t0.
type StepEnded struct {
	Step
	excused bool // its Status has what an excused error said
}

// Waiting comes when a step has been waited for for 1, 2, 5 and 10 s, and then each 10 s. It
// has all steps that are waited for.
type Waiting struct {
	Steps []WaitingStep
	Left  time.Duration // to the end of the grace period
}

// A WaitingStep is one that is being waited for.
type WaitingStep struct {
	Kind       StepKind
	Name, Site string
	Elapsed    time.Duration // since its clock started
	Left       time.Duration // until it is abandoned
	Budget     time.Duration // from the start of its clock until it is abandoned
	Status     string        // what it says of itself, such as what it waits for
	WaitsFor   string        // what its goroutines wait for, one line; empty where that is not known
}

// progressEach is the time between two progress events for a step, from the last of
// progressAt on.
const progressEach = 10 * time.Second

// progressAt are the first times at which a step that is waited for has a progress event.
// Most steps that take a second take no five, and a log collector pays for each line.
var progressAt = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, progressEach}

// nextProgress is the first of the times at which a step has a progress event that comes
// after elapsed.
func nextProgress(elapsed time.Duration) time.Duration {
	for _, at := range progressAt {
		if elapsed < at {
			return at
		}
	}
	return (elapsed/progressEach + 1) * progressEach
}

// due reports whether one of the steps has reached a time for a progress event, now or, if the
// look comes late, since the look was to be. A step that was not shown then, because it waited for
// another, is not shown for it later.
func due(steps []WaitingStep, late time.Duration) bool {
	return slices.ContainsFunc(steps, func(s WaitingStep) bool { return nextProgress(s.Elapsed-late-1) <= s.Elapsed })
}

// nextTick is when to look again: when the first of the steps is due, or for those that have
// not begun yet, before one of them is.
func nextTick(steps []WaitingStep) time.Duration {
	wait := progressAt[0]
	for _, s := range steps {
		wait = min(wait, nextProgress(s.Elapsed)-s.Elapsed)
	}
	return wait
}

// Forced is the second signal.
type Forced struct {
	Cause error
	Left  time.Duration // of the grace period before
}

// Drained is the end. The report is complete.
type Drained struct {
	Report *Report
}

func (StopRequested) event() {}
func (Quiesced) event()      {}
func (Resumed) event()       {}
func (DelayEnded) event()    {}
func (StepBegan) event()     {}
func (StepEnded) event()     {}
func (Waiting) event()       {}
func (Forced) event()        {}
func (Drained) event()       {}
