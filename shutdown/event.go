package shutdown

import (
	"slices"
	"time"
)

// An Event is something that happened during a stop, or before it. The types of events are Warmed,
// Restarted, StopRequested, Quiesced, Resumed, DelayEnded, StepBegan, StepEnded, Waiting, Forced and
// Drained. The log is made from events, and a program can make its metrics from them.
type Event interface{ event() }

// Warmed is the end of a warm-up: main or a task has called group.Started, or a task with MayFinish
// has returned nil.
type Warmed struct {
	Kind       StepKind
	Name, Site string
	Took       time.Duration // since the step's function was called
}

// StopRequested is the request to stop. If the request is the end of the context given to Run, this
// event and the events after it may come up to 200 ms late, when it is known whether a signal was
// the cause.
type StopRequested struct {
	Cause error         // as in the Report
	Began time.Time     // t0
	Grace time.Duration // from Began to the exit, at most
	Delay time.Duration // from Began to the end of the root context, at most; 0 if there is no delay
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

// StepBegan is the start of a step's time: main or a task is told to stop, a handler is called, or
// the time of a hold begins, usually with that of main.
type StepBegan struct {
	Kind       StepKind
	Name, Site string
	Start      time.Duration // since t0
	Budget     time.Duration // the time from Start after which it is abandoned
}

// StepEnded is emitted when a step has ended, was abandoned, or was skipped. Before a stop is
// requested, it is emitted only for a step that fails, and for a task that ends before it has started.
// Of these the report has only the failures of tasks with group.MayFail. Before t0 the event's Start
// is 0.
type StepEnded struct {
	Step
	excused bool // its Status has the text of an excused error
}

// Restarted is emitted when a task with group.Restart has failed and will be called again.
type Restarted struct {
	Kind       StepKind
	Name, Site string
	Err        error         // the failure
	In         time.Duration // the time until the task is called again
	Count      int           // how often the task was restarted, with this time
}

// Waiting is emitted when the drain has waited 1, 2, 5 and 10 s for a step, and then every 10 s. It
// has all steps that the drain waits for.
type Waiting struct {
	Steps []WaitingStep
	Left  time.Duration // until the end of the grace period
}

// A WaitingStep is a step that the drain waits for.
type WaitingStep struct {
	Kind       StepKind
	Name, Site string
	Elapsed    time.Duration // since its time began to run
	Left       time.Duration // until it is abandoned
	Budget     time.Duration // from its start until it is abandoned
	Status     string        // the status that it has set, see SetStatus
	WaitsFor   string        // what its goroutines wait for, in one line; empty if that is not known
}

// progressEach is the time between two progress events for a step, after those of progressAt.
const progressEach = 10 * time.Second

// progressAt has the first times at which the drain reports that it waits for a step. They grow,
// because most steps that take a second take less than five, and each line in a log costs money.
var progressAt = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, progressEach}

// nextProgress returns the first time of a progress event after elapsed.
func nextProgress(elapsed time.Duration) time.Duration {
	for _, at := range progressAt {
		if elapsed < at {
			return at
		}
	}
	return (elapsed/progressEach + 1) * progressEach
}

// due reports whether one of the steps has reached the time of a progress event since the timer
// should have fired, which is late ago.
func due(steps []WaitingStep, late time.Duration) bool {
	return slices.ContainsFunc(steps, func(s WaitingStep) bool { return nextProgress(s.Elapsed-late-1) <= s.Elapsed })
}

// nextTick returns the time until one of the steps is due. It is at most the first time in
// progressAt, for steps that have not begun yet.
func nextTick(steps []WaitingStep) time.Duration {
	wait := progressAt[0]
	for _, s := range steps {
		wait = min(wait, nextProgress(s.Elapsed)-s.Elapsed)
	}
	return wait
}

// Forced is the second signal.
type Forced struct {
	Cause error         // the second signal, a *signals.Error
	Left  time.Duration // until the end of the grace period
}

// Drained is the end of the drain. The report is complete.
type Drained struct {
	Report *Report
}

func (Warmed) event()        {}
func (StopRequested) event() {}
func (Quiesced) event()      {}
func (Resumed) event()       {}
func (DelayEnded) event()    {}
func (StepBegan) event()     {}
func (StepEnded) event()     {}
func (Restarted) event()     {}
func (Waiting) event()       {}
func (Forced) event()        {}
func (Drained) event()       {}
