package shutdown

import "time"

// An Event is something that happened in the course of a stop. The types are those
// below; a program's metrics can be made from them alone, and the log is.
type Event interface{ event() }

// StopRequested is t0, or after Quiesce the request that followed.
type StopRequested struct {
	Cause error         // nil if main returned, or for Stop(nil)
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

// StepBegan is the start of a step's clock: main, a task or a hold is to end, or a
// handler is called.
type StepBegan struct {
	Kind       StepKind
	Name, Site string
	Start      time.Duration // since t0
	Allowance  time.Duration // after which it is given up
}

// StepEnded is the end of a step, or that it has been given up.
type StepEnded struct {
	Step
	WaitsFor string // what a step that did not obey was last seen waiting for, if known
}

// Waiting comes each second in which steps are being waited for.
type Waiting struct {
	Steps []WaitingStep
	Left  time.Duration // to the end of the grace period
}

// A WaitingStep is one that is being waited for.
type WaitingStep struct {
	Kind       StepKind
	Name, Site string
	Elapsed    time.Duration // since its clock started
	Left       time.Duration // until it is given up
	Status     string        // what it says of itself, such as what it waits for
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
