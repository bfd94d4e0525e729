package step

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// ErrGrace is the cause of the end of a step's context at its cut.
var ErrGrace error = graceError{}

type graceError struct{}

func (graceError) Error() string { return "shutdown: the time for this step is over" }
func (graceError) Unwrap() error { return context.DeadlineExceeded }

// ErrSkipped is the error of a step for which no time was left.
var ErrSkipped = fmt.Errorf("not run, no time is left for it: %w", ErrGrace)

// Errors makes the exported errors of package group, which sets it: the mechanism
// is here, below both packages that use it, but their users find the types there.
var Errors struct {
	Panic  func(value any, stack []byte) error
	Stuck  func(name string, elapsed time.Duration, stack string) error
	Goexit error
}

// An Outcome is how a step ended.
type Outcome int8

// The outcomes. All but OK are failures.
const (
	OK Outcome = iota
	Failed
	Panicked
	Goexited
	Late
	Abandoned
	Skipped
)

// A Result is how the function of a step came back.
type Result struct {
	Err error // what it returned, or what stands for a panic or Goexit
	How How
}

// A How is a way to come back.
type How int8

// The ways.
const (
	Returned How = iota
	Panic
	Goexit
	Exit // a Goexit that counts as a return, because Exit was called
)

// A lateError is the error of a step that returned after its cut.
type lateError struct{ err error }

func (e *lateError) Error() string {
	if e.err == nil {
		return "returned only after its context had ended: " + ErrGrace.Error()
	}
	return "returned only after its context had ended: " + e.err.Error()
}
func (e *lateError) Unwrap() []error { return []error{ErrGrace, e.err} }

// Excuse returns r without an error that says no more than that the step was asked to stop.
// It may call methods of the error, which are the user's: the lock must not be held.
func (s *Step) Excuse(r Result) Result {
	if r.Err != nil && r.How == Returned && s.excused(r.Err) {
		r.Err = nil
	}
	return r
}

// Judge says how a step that came back with r has ended. Excuse comes before it, and
// before the lock, which is held here.
func (s *Step) Judge(now time.Duration, r Result) (Outcome, error) {
	switch r.How {
	case Panic:
		return Panicked, r.Err
	case Goexit:
		return Goexited, r.Err
	}
	err := r.Err
	// One that waited for steps within it to be given up is not to blame for
	// the time that took them.
	if cut := time.Duration(s.cut.Load()); s.state == running && now > cut && !s.waited {
		return Late, &lateError{err}
	}
	if err != nil {
		return Failed, err
	}
	return OK, nil
}

// excused reports whether err says no more than that the step was asked to stop. The
// answer that nearly all tasks give costs little, and little of the goroutine's stack.
func (s *Step) excused(err error) bool {
	var told *Ending
	if s.Told != nil {
		told = s.Told.ended()
	}
	work := s.Ctx.ended()
	if work == expired {
		work = nil // its own deadline is no excuse
	}
	switch {
	case told == nil && work == nil:
		return false
	case err == context.Canceled:
		return true
	}
	return excusedBy(err, told, work)
}

//go:noinline
func excusedBy(err error, endings ...*Ending) bool {
	asked := []error{context.Canceled}
	for _, e := range endings {
		if e != nil {
			asked = append(asked, e.cause)
		}
	}
	return Excused(err, asked...)
}

// Excused reports whether err is one of asked, alone or wrapped; a join is only
// if each of its branches is. An error that merely answers errors.Is with true is
// not: a failure may have a cancellation among its causes. Nor is one whose methods
// panic.
func Excused(err error, asked ...error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return excusedOf(err, asked)
}

func excusedOf(err error, asked []error) bool {
	for err != nil {
		for _, a := range asked {
			if same(err, a) {
				return true
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			return allExcused(e.Unwrap(), asked)
		default:
			return false
		}
	}
	return false
}

func allExcused(errs, asked []error) bool {
	for _, err := range errs {
		if !excusedOf(err, asked) {
			return false
		}
	}
	return len(errs) > 0
}

// same compares without the panic of == on errors of a type that cannot be
// compared.
func same(a, b error) (eq bool) {
	defer func() { _ = recover() }()
	return a == b
}

// In reports whether the very error inner is in the tree of err, as far as that can be
// seen: a method of err may panic.
func In(err, inner error) bool {
	return Some(err, func(e error) bool { return same(e, inner) })
}

// Some reports whether is is true for one of the errors in the tree of err, with the same
// reservation.
func Some(err error, is func(error) bool) bool {
	defer func() { _ = recover() }()
	return some(err, is)
}

func some(err error, is func(error) bool) bool {
	if err == nil || is(err) {
		return err != nil
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return some(e.Unwrap(), is)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(e error) bool { return some(e, is) })
	}
	return false
}
