// Package step is the one mechanism behind main, tasks, holds and handlers: a
// name, a site, a context, an allowance, a cut, an outcome, a label.
//
// A Step is what has to end, at its Place, in its Turn. A Budget says how long each may
// take. A Clock keeps the steps that are ending to it: it cuts their contexts, takes the
// stacks of those that do not obey, and gives them up. Serve runs them in isolation. A Run
// is what all of them share. Packages group, shutdown and httpdrain are built from these and
// differ only in where their steps come from.
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

	place *Place
	cut   atomic.Int64 // 0: not known yet

	// Guarded by the run's lock.
	*Turn
	Slot    int32 // for the host's use
	Kind    Kind
	Outcome Outcome
	state   state
}

// A Turn is the time that a step has to end in, and what is seen of it then. What runs from
// the start has one of its own. Handlers, of which there may be many, pass theirs on: one that
// has not been called yet, or has ended and left no question, has none. So what is here may be
// asked of a step that has not ended, and until Pass.
type Turn struct {
	// Waiter, if set, is told when the step has its outcome.
	Waiter  Waiter
	Promise time.Duration // what the step is owed
	Start   time.Duration // when its clock began to run
	End     time.Duration // when it is given up; once it is over, when it ended
	Err     error

	next, prev *Step  // among the running steps of its clock
	inner      *Clock // the clocks of what stops within the step
	budget     *Budget
	waited     bool // at its cut it was waiting for a clock within it
	asked      bool // its context has ended, at the cut or by force
	dumped     bool // someone takes its stacks

	stack, waits string        // of a step that did not obey
	status       func() string // what it says of itself
}

// New makes a step with a turn of its own.
func New(o Origin, k Kind) *Step {
	s := new(struct {
		Step
		turn Turn
	})
	s.Origin, s.Kind, s.Turn = o, k, &s.turn
	return &s.Step
}

// Pass takes the turn of a step that is over, for the next to have. It returns nil where
// something of it may still be asked for, or is still to come.
func (s *Step) Pass() *Turn {
	t := s.Turn
	if t.dumped || t.inner != nil {
		return nil
	}
	s.Turn = nil
	*t = Turn{}
	return t
}

// Describe has the step that ctx belongs to, if there is one, say more of itself: what
// status returns is shown in progress lines, and at the end. It is called with the lock
// held: it must be quick, and not call back.
func Describe(ctx context.Context, status func() string) {
	s := From(ctx)
	if s == nil {
		return
	}
	run := s.Run()
	run.Lock()
	defer run.Unlock()
	if s.state != over {
		s.status = status
	}
}

// Status is what the step says of itself. The lock is held.
func (s *Step) Status() string {
	if s.status == nil {
		return ""
	}
	return s.status()
}

// A Waiter waits for steps to be over.
type Waiter interface {
	StepOver(*Step) // called with the lock held
}

// Init gives s its place. Before, it has no context.
func (s *Step) Init(p *Place) {
	s.place, s.Ctx.step = p, s
	if s.Told != nil {
		s.Told.step = s
	}
}

// Name is the name of the step.
func (s *Step) Name() string {
	if s.place != nil {
		return s.place.name
	}
	return s.Origin.Name()
}

// Run is the run that s belongs to.
func (s *Step) Run() *Run { return s.place.run }

// Over reports whether s has an outcome. The lock is held.
func (s *Step) Over() bool { return s.state == over }

// Begun reports whether a clock has begun s. The lock is held.
func (s *Step) Begun() bool { return s.place.clock != nil }

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
		s.Run().Defer((*closer)(s))
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
		s.place.clock.remove(s)
	case idle:
		s.Start = now
	}
	s.state, s.Outcome, s.Err, s.End = over, o, err, now
	if host := s.Run().Host; host != nil {
		host.Ended(s)
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
