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
	Kind Kind

	// Told is the context of a step that runs from the start, main or a task:
	// its end is the request to stop. A handler has none, its start is that.
	Told *Context
	// Ctx is the context of the step's work. It ends at the cut.
	Ctx Context
	// Waiter, if set, is told when the step has its outcome.
	Waiter Waiter

	run   *Run
	outer *Step // the step within which this one runs, if any
	cut   atomic.Int64

	// Guarded by the run's lock.
	state      state
	waited     bool // at its cut it was waiting for a clock within it
	asked      bool // the context has ended at the cut, or by force
	dumped     bool
	clock      *Clock
	next, prev *Step  // among the running steps of clock
	inner      *Clock // the clocks of what stops within this step
	budget     *Budget
	promise    time.Duration
	end        time.Duration
	waits      string

	Start   time.Duration // when its clock began to run
	Took    time.Duration
	Outcome Outcome
	Err     error
	Stack   string // of its goroutines, if it did not obey; of the panic
}

// A Waiter waits for steps to be over.
type Waiter interface {
	StepOver(*Step) // called with the lock held
}

// Init makes s a step of the run r within outer, with contexts that have these
// labelled values.
func (s *Step) Init(r *Run, outer *Step, labelled context.Context) {
	s.run, s.outer = r, outer
	s.Ctx.step, s.Ctx.values = s, labelled
	if s.Told != nil {
		s.Told.step, s.Told.values = s, labelled
	}
}

// Run is the run that s belongs to.
func (s *Step) Run() *Run { return s.run }

// Outer is the step within which s runs, nil at the top.
func (s *Step) Outer() *Step { return s.outer }

// Over reports whether s has an outcome. The lock is held.
func (s *Step) Over() bool { return s.state == over }

// Begun reports whether a clock has begun s. The lock is held.
func (s *Step) Begun() bool { return s.clock != nil }

// Running reports whether the clock of s runs. The lock is held.
func (s *Step) Running() bool { return s.state == running }

// End is when the step will be given up; only while it is Running.
func (s *Step) End() time.Duration { return s.end }

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
	if s.Told != nil || !s.Ctx.idle(finished) {
		s.run.After(s.Close)
	}
}

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
	s.state, s.Outcome, s.Err, s.Took = over, o, err, now-s.Start
	if s.run.Host != nil {
		s.run.Host.Ended(s)
	}
	if s.Waiter != nil {
		s.Waiter.StepOver(s)
	}
	return true
}

// Waiting calls f for each step that is being waited for within s, s itself if
// there is none. The lock is held.
func (s *Step) Waiting(f func(*Step)) {
	found := false
	for c := s.inner; c != nil; c = c.sibling {
		found = c.Waiting(f) || found
	}
	if !found {
		f(s)
	}
}
