package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// ErrStopped is returned by Run if the group was run before, and by Task.Shutdown if the task was
// refused because the group had begun to stop. The error of a server's task that is called a second
// time wraps it, too (see package httpdrain). Restart does not call a task again that has returned
// it.
var ErrStopped = errors.New("group: the group has stopped; a Group runs once, make a new one in the task that runs it")

// ErrGoexit is the error of a step that called runtime.Goexit, directly or through the FailNow
// method of a test.
var ErrGoexit = errors.New("group: runtime.Goexit was called")

// A TaskError is the error of one task. Run joins one for each task that failed.
type TaskError struct {
	Name string // the task's name
	Err  error  // the error that the task returned, a *PanicError, ErrGoexit, a *StuckError, or a *StartError
}

// Error returns the task's name and the text of its error.
func (e *TaskError) Error() string { return fmt.Sprintf("task %q: %v", e.Name, e.Err) }

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }

// An EndedError is the cause of a stop that began because a task returned nil. The task was one of
// shutdown.Start, or one of a group and without MayFinish. An EndedError is not a failure.
type EndedError struct {
	// Name is the task's name. It is "outer/inner" if the task "outer" ran a group, and returned
	// because that group's task "inner" had ended.
	Name string
}

// Error names the task, and the option with which a task may end alone.
func (e *EndedError) Error() string {
	return fmt.Sprintf("task %q ended without an error before it was told to stop; in a group, group.MayFinish permits this", e.Name)
}

// Is reports whether target is context.Canceled: an EndedError is the cause of the contexts of the
// other tasks.
func (e *EndedError) Is(target error) bool { return target == context.Canceled }

// A PanicError is the error of a step that panicked.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

// Error returns the text of the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Is reports whether Value is an error that matches target. PanicError has no Unwrap method: a
// panic is a failure even if its value is context.Canceled, which would otherwise be excused as an
// answer to the request to stop.
func (e *PanicError) Is(target error) bool {
	err, ok := e.Value.(error)
	return ok && errors.Is(err, target)
}

// As is errors.As on Value, if that is an error.
func (e *PanicError) As(target any) bool {
	err, ok := e.Value.(error)
	return ok && errors.As(err, target)
}

// A StuckError is the error of a step that was abandoned because it was still running at the end of
// its budget.
type StuckError struct {
	Name    string        // the step's name
	Elapsed time.Duration // since the step was told to stop or, for a handler, called
	Stack   string        // the stacks of the step's goroutines; "" if they were not taken in time
}

// Error returns a text with Elapsed but without Name: the TaskError or the report's Step around it
// has the name.
func (e *StuckError) Error() string {
	return fmt.Sprintf("still running %v after it was told to stop", e.Elapsed.Round(time.Millisecond))
}

// Unwrap returns shutdown.ErrGrace, which wraps context.DeadlineExceeded.
func (e *StuckError) Unwrap() error { return tree.ErrGrace }

// A StartError is the error of a task with Warmup, or of main with Coordinator.Warmup, that has not
// called Started in time, or has returned nil before it. If the step returns another error besides,
// or is abandoned, its error joins both: errors.As finds each.
type StartError struct {
	// Name is the step's name. It is "outer/inner" if the step "outer" runs a group that has not
	// started because the task "inner" has not.
	Name    string
	Elapsed time.Duration // since the step's function was called
	Stack   string        // the stacks of the step's goroutines, and of those of the tasks within it; "" if the step has returned, or if they were not taken in time

	returned bool // the step has returned nil
}

// Error names the step.
func (e *StartError) Error() string {
	if e.returned {
		return fmt.Sprintf("%s returned before it had called group.Started, after %v", e.Name, e.Elapsed.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s had not called group.Started after %v", e.Name, e.Elapsed.Round(time.Millisecond))
}

func init() {
	tree.Errors.Goexit = ErrGoexit
	tree.Errors.Panic = func(value any, stack []byte) error { return &PanicError{value, stack} }
	tree.Errors.Stuck = func(name string, elapsed time.Duration, stack string) error {
		return &StuckError{name, elapsed, stack}
	}
	tree.Errors.NotStarted = func(name string, elapsed time.Duration, stack string, returned bool) error {
		if returned {
			stack = ""
		}
		return &StartError{name, elapsed, stack, returned}
	}
	tree.Errors.Failure = func(err error) bool {
		switch err.(type) {
		case *PanicError, *StuckError:
			return true
		}
		return false
	}
}
