package tree_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/internal/tree"
)

func TestMain(m *testing.M) {
	tree.Errors.Goexit = errGoexit
	tree.Errors.Panic = func(value any, stack []byte) error { return &panicError{value, string(stack)} }
	tree.Errors.Stuck = func(name string, elapsed time.Duration, stack string) error {
		return &stuckError{name, elapsed, stack}
	}
	tree.Errors.NotStarted = func(name string, _ time.Duration, _ string, _ bool) error {
		return errors.New(name + " has not started")
	}
	tree.Errors.Failure = func(err error) bool {
		switch err.(type) {
		case *panicError, *stuckError:
			return true
		}
		return false
	}
	goleak.VerifyTestMain(m)
}

// The errors that package group makes in a program.
var errGoexit = errors.New("runtime.Goexit was called")

type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.value) }

type stuckError struct {
	name    string
	elapsed time.Duration
	stack   string
}

func (e *stuckError) Error() string { return fmt.Sprintf("%s: stuck for %v", e.name, e.elapsed) }
func (e *stuckError) Unwrap() error { return tree.ErrGrace }
