package shutdown

import (
	"context"
	"errors"
	"fmt"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// ErrGrace is the cause of the end of a step's context at its deadline, a little before the step
// is abandoned. It wraps context.DeadlineExceeded. The error of a step that is Late, Abandoned or
// Skipped wraps it; it is never excused as an answer to the request to stop.
var ErrGrace = tree.ErrGrace

// ErrDrained is what a Registration's Err returns if it came too late to run: the drain was over,
// or its scope closed or released. It is also the error of main in the report of a Run after the
// program has been drained.
var ErrDrained = errors.New("shutdown: already drained")

// ErrInProgress is returned by Shutdown to main, a task, a hold or a handler: the stop has begun,
// but waiting for its end would be waiting for themselves. For the same reason Close returns it
// to a step that it would wait for.
var ErrInProgress = tree.ErrInProgress

// The causes of a stop for which there is no other. Neither is a failure.
var (
	ErrReturned      error = cleanCause("main returned")  // main returned nil
	ErrStopRequested error = cleanCause("stop requested") // Stop(nil) or Shutdown was called
)

// A cleanCause is the cause of contexts, and never the failure of anything.
type cleanCause string

func (c cleanCause) Error() string { return string(c) }

// Is reports whether target is context.Canceled, as for a *signals.Error.
func (c cleanCause) Is(target error) bool { return target == context.Canceled }

// errLeft is what Close returns where it has left its handlers to their turn.
var errLeft = fmt.Errorf("shutdown: no time is left to close it here, it is left to its turn: %w", ErrGrace)

// An ExitError sets the exit code of the program. It is returned by main, or given
// to Stop.
type ExitError struct {
	Code int
	Err  error // may be nil
}

// Error is that of Err, or tells the code.
func (e *ExitError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// exitCode finds the code of an *ExitError in err, 0 if there is none.
func exitCode(err error) int {
	if e := find[*ExitError](err); e != nil {
		return e.Code
	}
	return 0
}

// find is errors.As, and finds nothing where a method of the error panics: errors come
// from everywhere, and are looked into when the program ends.
func find[E error](err error) (e E) {
	defer func() { _ = recover() }()
	errors.As(err, &e)
	return e
}

// A stepError puts the name of a step before its error.
type stepError struct {
	kind       StepKind
	name, site string
	err        error
}

func (e *stepError) Error() string {
	if e.site == "" {
		return fmt.Sprintf("%v %q: %s", e.kind, e.name, tree.Text(e.err))
	}
	return fmt.Sprintf("%v %q (%s): %s", e.kind, e.name, e.site, tree.Text(e.err))
}

func (e *stepError) Unwrap() error { return e.err }
