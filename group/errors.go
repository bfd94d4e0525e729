package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// ErrStopped is returned by Run for a group that has been run before, and by
// Shutdown for a task that was refused because the group's stop had begun.
var ErrStopped = errors.New("group: the group has stopped")

// ErrGoexit is the error of a task or handler that called runtime.Goexit, or
// testing's FailNow, which does.
var ErrGoexit = errors.New("group: runtime.Goexit was called")

// A TaskError is the error of one task. Run returns one for each task that
// failed, joined.
type TaskError struct {
	Name string // the task's name
	Err  error  // what it returned, or a *PanicError, ErrGoexit, a *StuckError
}

// Error puts the task's name before its error.
func (e *TaskError) Error() string { return fmt.Sprintf("task %q: %v", e.Name, e.Err) }

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }

// An EndedError is the cause of a group's stop that began because a task ended without an error,
// and had not MayFinish. It is no failure.
type EndedError struct {
	// Name is the task's name. It is "outer/inner" if the task outer ended because it ran a group
	// that stopped because its task inner had ended.
	Name string
}

// Error names the task, and says what lets a task end.
func (e *EndedError) Error() string {
	return fmt.Sprintf("task %q ended without an error, which stops its group unless the task has group.MayFinish", e.Name)
}

// Is reports whether target is context.Canceled: other tasks see an EndedError as the cause of their
// contexts' ends.
func (e *EndedError) Is(target error) bool { return target == context.Canceled }

// A PanicError is the error of a task or handler that panicked.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

// Error is the text of the value; the stack is left to whoever wants it.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Is and As look into a Value that is an error. It is not an Unwrap, because what
// was thrown is not the reason of this error but its payload: a panic with
// context.Canceled is no polite answer to a request to stop.
func (e *PanicError) Is(target error) bool {
	err, ok := e.Value.(error)
	return ok && errors.Is(err, target)
}

// As is described at Is.
func (e *PanicError) As(target any) bool {
	err, ok := e.Value.(error)
	return ok && errors.As(err, target)
}

// A StuckError is the error of a task or handler that was still running at the end of its
// budget. It was abandoned.
type StuckError struct {
	Name    string
	Elapsed time.Duration // since it was told to stop
	Stack   string        // of the goroutines that carry its label; "" if there was no time to take them
}

// Error says for how long; the name is that of the TaskError, or of the report's step,
// around it.
func (e *StuckError) Error() string {
	return fmt.Sprintf("still running %v after it was told to stop", e.Elapsed.Round(time.Millisecond))
}

// Unwrap returns shutdown.ErrGrace, which wraps context.DeadlineExceeded.
func (e *StuckError) Unwrap() error { return tree.ErrGrace }

func init() {
	tree.Errors.Goexit = ErrGoexit
	tree.Errors.Panic = func(value any, stack []byte) error { return &PanicError{value, stack} }
	tree.Errors.Stuck = func(name string, elapsed time.Duration, stack string) error {
		return &StuckError{name, elapsed, stack}
	}
	tree.Errors.Failure = func(err error) bool {
		switch err.(type) {
		case *PanicError, *StuckError:
			return true
		}
		return false
	}
}
