package tree

import (
	"context"
	"slices"
	"strings"
	"time"
)

// ErrGrace is the cause of a step's work context that ends at its deadline.
var ErrGrace error = graceError{}

type graceError struct{}

func (graceError) Error() string { return "shutdown: the step's deadline has passed" }
func (graceError) Unwrap() error { return context.DeadlineExceeded }

// A NoTime is the error of work that was not begun because no time was left. errors.Is reports that
// it is ErrGrace. It has no Unwrap method, so that it does not make the step late that returns it:
// see cutShort.
type NoTime string

func (e NoTime) Error() string { return string(e) }

// Is reports whether target is ErrGrace or context.DeadlineExceeded.
func (e NoTime) Is(target error) bool {
	return target == ErrGrace || target == context.DeadlineExceeded
}

// ErrSkipped is the error of a handler that was not called because no time was left.
const ErrSkipped = NoTime("not run, no time is left for it")

// Errors makes the exported errors of package group, which sets its fields. The errors are made
// here, but users find their types in package group.
var Errors = struct {
	Panic func(value any, stack []byte) error
	Stuck func(name string, elapsed time.Duration, stack string) error
	// NotStarted is for a step that has not called Started; returned says that it has returned.
	NotStarted func(name string, elapsed time.Duration, stack string, returned bool) error
	Goexit     error
	// Failure reports whether err was made by Panic or Stuck.
	Failure func(err error) bool
}{Failure: func(error) bool { return false }}

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

// A Result says how a function of a step has returned.
type Result struct {
	Err error // the error that it returned, or one for a panic or Goexit
	How How

	cutShort bool // Err says that the deadline has cut the step's work short
}

// A How is a way to return.
type How int8

// The ways to return.
const (
	Returned How = iota
	Panic
	Goexit
	Exit // a Goexit by Exit, which counts as a return
)

// A lateError is the error of a step that returned after its deadline, or whose deadline cut its
// work short.
type lateError struct {
	err    error
	inTime bool // it returned before its deadline
}

func (e *lateError) Error() string {
	switch {
	case e.inTime:
		return e.err.Error()
	case e.err == nil:
		return "returned only after its deadline"
	}
	return "returned only after its deadline: " + e.err.Error()
}

func (e *lateError) Unwrap() []error { return []error{ErrGrace, e.err} }

// A hintError is the error of a server that was closed, from a step that was told to stop.
type hintError struct {
	error
	hint string
}

func (e hintError) Error() string { return e.error.Error() + e.hint }
func (e hintError) Unwrap() error { return e.error }

// hints tell the user what to do about such an error of main or of a task.
var hints = map[Kind]string{
	Main: " (if this is the normal answer to a stop, run the server as a task, with Expect or group.Add)",
	Task: " (if this is the normal answer to a stop, name it with Expect, or add the task with group.Add)",
}

// closedTexts are the texts of the errors that servers return when they are closed. The errors are
// compared by text so that their packages need not be imported.
var closedTexts = []string{"http: Server closed", "use of closed network connection", "grpc: the server has been stopped"}

// judge returns the outcome of a step that has returned with r.
func (n *Node) judge(now time.Duration, r Result) (Outcome, error) {
	switch {
	case r.How == Panic:
		return Panicked, r.Err
	case r.How == Goexit:
		return Goexited, r.Err
	// A step that returns exactly at its deadline is late, too: otherwise the outcome would depend
	// on the resolution of the clock.
	case n.state == stopping && now >= n.deadline && !n.waited:
		return Late, &lateError{err: r.Err}
	case r.Err != nil && r.cutShort:
		return Late, &lateError{err: r.Err, inTime: true}
	case r.Err != nil:
		return Failed, r.Err
	}
	return OK, nil
}

// cutShort reports whether err says that the deadline of the step which returns it has cut its work
// short: err is or wraps ErrGrace. A joined error says so if each of its branches does. The error
// of another step does not, such as one of a group that the step runs. A method of err may panic.
func cutShort(err error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return cutShortOf(err)
}

func cutShortOf(err error) bool {
	for err != nil {
		if same(err, ErrGrace) {
			return true
		}
		if _, late := err.(*lateError); late || Errors.Failure(err) {
			return false
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			errs := e.Unwrap()
			return len(errs) > 0 && !slices.ContainsFunc(errs, func(err error) bool { return !cutShortOf(err) })
		default:
			return false
		}
	}
	return false
}

// addedText returns the text of err, an excused error, such as "copied 3 of 10 files: context
// canceled". It returns "" if the text has only those of the errors in asked. A method of err may
// panic.
func addedText(err error, asked []error) (text string) {
	defer func() { _ = recover() }()
	text = err.Error()
	for line := range strings.SplitSeq(text, "\n") { // a joined error has a line for each branch
		if !slices.ContainsFunc(asked, func(a error) bool { return a != nil && line == a.Error() }) {
			return text
		}
	}
	return ""
}

// excuse returns the part of err that is a failure: nil if err answers the request to stop. said is
// then the text of err, if it says more than that. excuse calls methods of err, which may be the
// user's code: the lock must not be held.
func (n *Node) excuse(err error) (said string, rest error) {
	owner := n.parent.List.Owner
	plain := err == nil || err == context.Canceled && n.RunContext != nil && n.RunContext.ended() != nil // nearly all steps return one of these
	if plain {
		return "", nil
	}
	asked := n.asked()
	var expected []error
	if n.More != nil && (asked != nil || n.called()) {
		expected = n.More.Expect
	}
	yes, silent := excused(err, asked, expected), false
	if owner != nil {
		yes, silent = owner.Excuses(n, err, yes)
	}
	switch {
	case yes && !silent:
		return addedText(err, append(asked, context.Canceled)), nil
	case yes:
		return "", nil
	case asked != nil && hints[n.Kind] != "" && slices.Contains(closedTexts, innermost(err)):
		return "", hintError{err, hints[n.Kind]}
	}
	return "", err
}

// asked returns the errors that n may return as an answer to the request to stop: the errors and
// causes of its contexts that have ended other than at its deadline. It returns nil if there was no
// request.
func (n *Node) asked() (asked []error) {
	add := func(cause error) {
		if asked == nil {
			asked = []error{context.Canceled}
		}
		asked = append(asked, cause)
	}
	for _, c := range []*Context{n.RunContext, &n.work} {
		if c == nil {
			continue
		}
		if e := c.ended(); e != nil && e != expired {
			add(e.cause)
		}
	}
	if n.pair() {
		n.tree.Lock()
		defer n.tree.Unlock()
		if n.told {
			add(n.More.Cause)
		}
	}
	return asked
}

// Excused reports whether err answers the request to stop. It does if it is one of asked or wraps
// one, or if the innermost error says with an Is method that it is context.Canceled, as net's
// "operation was canceled" does. A joined error does if each of its branches does.
//
// It does not if only errors.Is returns true, since a failure may have a cancellation among its
// causes. It does not either if a method of err panics, or if err says that a step panicked, was
// late or was abandoned.
func Excused(err error, asked ...error) bool { return excused(err, asked, nil) }

// excused is Excused, with further errors that err, or an error that it wraps, may match.
func excused(err error, asked, expected []error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return excusedOf(err, asked, expected)
}

func excusedOf(err error, asked, expected []error) bool {
	for err != nil {
		if late, ok := err.(*lateError); ok && late != nil || Errors.Failure(err) {
			return false // even if the cause of the panic, or of the outer step's stop, is one of asked
		}
		if slices.ContainsFunc(asked, func(a error) bool { return same(err, a) }) ||
			slices.ContainsFunc(expected, func(e error) bool { return matches(err, e) }) {
			return true
		}
		var inner error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		case interface{ Unwrap() []error }:
			if errs := e.Unwrap(); len(errs) > 0 {
				return !slices.ContainsFunc(errs, func(err error) bool { return !excusedOf(err, asked, expected) })
			}
		}
		if inner == nil {
			return len(asked) > 0 && matches(err, context.Canceled)
		}
		err = inner
	}
	return false
}
