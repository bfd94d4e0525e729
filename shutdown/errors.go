package shutdown

import (
	"context"
	"errors"
	"fmt"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// ErrGrace is the cause of a step's work context when it ends at its deadline, a little before the
// step is abandoned. It wraps context.DeadlineExceeded. The errors of steps with OutcomeLate,
// OutcomeAbandoned and OutcomeSkipped wrap it. It is never excused as an answer to the request to
// stop. A step that returns an error which wraps it has OutcomeLate, even before its deadline: the
// step says that its deadline has cut its work short. The error of another step does not count,
// such as one of a group that the step runs.
var ErrGrace = tree.ErrGrace

// ErrDrained is returned by Registration.Err if the registration came too late: the drain was over,
// or the scope was closed or released. It is also the error of main in the report of a Run that
// comes after the drain.
var ErrDrained = errors.New("shutdown: already drained")

// ErrInProgress is returned by [Coordinator.Shutdown], [Scope.Close], [Registration.Close] and
// [group.Task.Shutdown] if a step calls them that would wait for its own end. After
// Coordinator.Shutdown the stop has begun all the same.
//
// It is also returned if the goroutine of a step calls Coordinator.Shutdown, group.Task.Shutdown, or
// Close of a task of Start, but has replaced its profiler labels: it is not known then which step
// calls. The program, or the task, has been told to stop all the same.
var ErrInProgress = tree.ErrInProgress

// These are the causes of a stop that has no other cause. Neither is a failure.
var (
	ErrReturned      error = cleanCause("main returned")  // main returned nil
	ErrStopRequested error = cleanCause("stop requested") // Stop(nil), Shutdown or Exit was called
)

// A cleanCause is the cause of contexts, and never the failure of anything.
type cleanCause string

func (c cleanCause) Error() string { return string(c) }

// Is reports whether target is context.Canceled, as for a *signals.Error.
func (c cleanCause) Is(target error) bool { return target == context.Canceled }

// errLeft is returned by Close if no time is left.
const errLeft = tree.NoTime("shutdown: no time is left to close it now, its handlers run in their turn")

// An ExitError sets the exit code of the program. Return it from main, or pass it to Stop.
type ExitError struct {
	Code int   // the exit code, as for Exit; 0 leaves the code to the report: 1 if Err is a failure
	Err  error // may be nil
}

// Error returns the text of Err, or a text with the code if Err is nil.
func (e *ExitError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// exitCode returns the code of an *ExitError that err is or wraps, 0 if there is none.
func exitCode(err error) int {
	if e := find[*ExitError](err); e != nil {
		return e.Code
	}
	return 0
}

// find is errors.As. If a method of the error panics, it finds nothing: an error of the user must
// not break the stop.
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
