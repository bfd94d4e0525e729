// Package step is the one mechanism behind main, tasks, holds and handlers: a
// name, a site, a context, an allowance, a cut, an outcome, a label.
//
// A Step is what has to end. A Budget says how long each may take. A Clock keeps
// the steps that are ending to it: it cuts their contexts, takes the stacks of
// those that do not obey, and gives them up. Serve runs them in isolation. A Run
// is what all of them share. Packages group, shutdown and httpdrain are built
// from these and differ only in where their steps come from.
package step

import (
	"context"
	"sync/atomic"
	"time"
)

// A Kind says what a step is.
type Kind int8

// The kinds.
const (
	Main Kind = iota
	Task
	Hold
	Handler
)

type state int8

const (
	idle    state = iota // not asked to end yet
	running              // ending: its clock runs
	over                 // it has an outcome
)

// A Step is one thing that has to end before the program does.
type Step struct {
	Origin
	Terms
	// Told is the context of a step that runs from the start, main or a task:
	// its end is the request to stop. A handler has none, its start is that.
	Told *Context
	// Ctx is the context of the step's work. It ends at the cut.
	Ctx Context
	// Waiter, if set, is told when the step has its outcome.
	Waiter Waiter

	run    *Run
	outer  *Step           // the step within which this one runs, if any
	values context.Context // of its contexts, with its profiler label
	cut    atomic.Int64    // 0: not known yet

	// Guarded by the run's lock. A program may have many steps: what only few of
	// them need is behind a pointer, and small things are side by side.
	Kind    Kind
	Outcome Outcome
	state   state
	waited  bool // at its cut it was waiting for a clock within it
	asked   bool // its context has ended, at the cut or by force
	dumped  bool // someone takes its stacks

	Slot       int32 // for the host's use
	clock      *Clock
	next, prev *Step  // among the running steps of clock
	inner      *Clock // the clocks of what stops within this step
	budget     *Budget
	Promise    time.Duration // what it is owed
	Start      time.Duration // when its clock began to run
	End        time.Duration // when it is given up; once it is over, when it ended
	Err        error
	more       *more
}

// more is what only few steps have: what was seen of one that did not obey, and what one
// says of itself.
type more struct {
	stack, waits string
	status       func() string
}

// Describe has the step that ctx belongs to, if there is one, say more of itself: what
// status returns is shown in progress lines, and at the end. It is called with the lock
// held: it must be quick, and not call back.
func Describe(ctx context.Context, status func() string) {
	s := From(ctx)
	if s == nil {
		return
	}
	s.run.Lock()
	defer s.run.Unlock()
	s.extend().status = status
}

func (s *Step) extend() *more {
	if s.more == nil {
		s.more = new(more)
	}
	return s.more
}

// Status is what the step says of itself. The lock is held.
func (s *Step) Status() string {
	if s.more == nil || s.more.status == nil {
		return ""
	}
	return s.more.status()
}

// A Waiter waits for steps to be over.
type Waiter interface {
	StepOver(*Step) // called with the lock held
}

// Init makes s a step of the run r within outer, with contexts that have these
// labelled values.
func (s *Step) Init(r *Run, outer *Step, labelled context.Context) {
	s.run, s.outer, s.values, s.Ctx.step = r, outer, labelled, s
	if s.Told != nil {
		s.Told.step = s
	}
}

// Run is the run that s belongs to.
func (s *Step) Run() *Run { return s.run }

// Over reports whether s has an outcome. The lock is held.
func (s *Step) Over() bool { return s.state == over }

// Begun reports whether a clock has begun s. The lock is held.
func (s *Step) Begun() bool { return s.clock != nil }

// Running reports whether the clock of s runs. The lock is held.
func (s *Step) Running() bool { return s.state == running }

// Took is how long a step that is over has taken.
func (s *Step) Took() time.Duration { return s.End - s.Start }

// Tell asks a step that has a Told to stop.
func (s *Step) Tell(e *Ending) { s.Told.finish(e) }

// Cut ends the work context before its time. The cause is not ErrGrace then.
func (s *Step) Cut(cause error) { s.Ctx.finish(Asked(cause)) }

// Expire ends the work context as at the cut.
func (s *Step) Expire() { s.Ctx.finish(expired) }

// Close ends the contexts of a step that has returned, which frees what was
// derived from them.
func (s *Step) Close() {
	s.Ctx.finish(finished)
	if s.Told != nil {
		s.Told.finish(finished)
	}
}

// CloseLocked is Close with the lock held.
func (s *Step) CloseLocked() {
	if s.Told != nil || !s.Ctx.unused() {
		s.run.Defer((*closer)(s))
		return
	}
	s.Ctx.finish(finished) // nobody is told: no code of others runs
}

// A closer closes a step when the lock is released.
type closer Step

func (c *closer) Unlocked() { (*Step)(c).Close() }

// Finish gives the step its outcome, whether a clock has begun it or it ended by
// itself. It returns false if the step has been given up before: then it has its
// outcome already. The lock is held.
func (s *Step) Finish(now time.Duration, o Outcome, err error) bool {
	switch s.state {
	case over:
		return false
	case running:
		s.clock.remove(s)
	case idle:
		s.Start = now
	}
	s.state, s.Outcome, s.Err, s.End = over, o, err, now
	if s.run.Host != nil {
		s.run.Host.Ended(s)
	}
	if s.Waiter != nil {
		s.Waiter.StepOver(s)
	}
	return true
}

// Return gives the step the outcome of r, with which it came back, after Excuse, and ends
// its contexts. It returns false if the step has been given up before. The lock is held.
func (s *Step) Return(now time.Duration, r Result) (err error, inTime bool) {
	if s.state == over {
		return nil, false
	}
	outcome, err := s.Judge(now, r)
	s.Finish(now, outcome, err)
	s.CloseLocked()
	return err, true
}

// waitingFor calls f for each step that is being waited for within s, for s itself if
// there is none.
func (s *Step) waitingFor(f func(*Step)) {
	found := false
	for c := s.inner; c != nil; c = c.sibling {
		found = c.waiting(f) || found
	}
	if !found {
		f(s)
	}
}
