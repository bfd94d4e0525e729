package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrGrace is the cause of the end of a step's context at its deadline.
var ErrGrace error = graceError{}

type graceError struct{}

func (graceError) Error() string { return "shutdown: the step's deadline has passed" }
func (graceError) Unwrap() error { return context.DeadlineExceeded }

// ErrSkipped is the error of a step for which no time was left.
var ErrSkipped = fmt.Errorf("not run, no time is left for it: %w", ErrGrace)

// Errors makes the exported errors of package group, which sets it: the mechanism is here, below
// both packages that use it, but their users find the types there.
var Errors = struct {
	Panic  func(value any, stack []byte) error
	Stuck  func(name string, elapsed time.Duration, stack string) error
	Goexit error
	// Failure reports whether err is one that Panic or Stuck has made.
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

// A Result is how a function of a step came back.
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

// A lateError is the error of a step that returned after its deadline.
type lateError struct{ err error }

func (e *lateError) Error() string {
	if e.err == nil {
		return "returned only after its deadline"
	}
	return "returned only after its deadline: " + e.err.Error()
}

func (e *lateError) Unwrap() []error { return []error{ErrGrace, e.err} }

// A hintError is what a server returns that was closed because it was told to stop.
type hintError struct {
	error
	hint string
}

func (e hintError) Error() string { return e.error.Error() + e.hint }
func (e hintError) Unwrap() error { return e.error }

// hints say what to do, to main and to a task.
var hints = map[Kind]string{
	Main: " (if that answers the request to stop, run the server as a task, with Expect or group.Add)",
	Task: " (if that answers the request to stop, say so with Expect, or stop the task with group.Add)",
}

// closedTexts are the errors of what was closed as it should be, by their texts: their packages
// are not imported for it.
var closedTexts = []string{"http: Server closed", "use of closed network connection", "grpc: the server has been stopped"}

// judge says how a step that came back with r has ended.
func (n *Node) judge(now time.Duration, r Result) (Outcome, error) {
	switch {
	case r.How == Panic:
		return Panicked, r.Err
	case r.How == Goexit:
		return Goexited, r.Err
	// At the very deadline, too: whether a step that returns when its context ends is late must
	// not depend on how fine the clock is.
	case n.state == stopping && now >= n.deadline && !n.waited:
		return Late, &lateError{r.Err}
	case r.Err != nil:
		return Failed, r.Err
	}
	return OK, nil
}

// beyond is what an error says that is excused by asked, "" where it says no more than they do:
// "copied 3 of 10 files: context canceled". A method of err may panic.
func addedText(err error, asked []error) (text string) {
	defer func() { _ = recover() }()
	text = err.Error()
	for line := range strings.SplitSeq(text, "\n") { // a join has one for each branch
		if !slices.ContainsFunc(asked, func(a error) bool { return a != nil && line == a.Error() }) {
			return text
		}
	}
	return ""
}

// excuse returns the part of the error of n that is a failure: nil if it answers the request
// to stop, and then said is what it says beyond that. It calls methods of the error, which are the
// user's: the lock must not be held.
func (n *Node) excuse(err error) (said string, rest error) {
	owner := n.parent.List.Owner
	plain := err == nil || err == context.Canceled && n.RunContext != nil && n.RunContext.ended() != nil // what nearly all return
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

// asked is what n may answer to the request to stop, nothing if there was none: the errors and
// causes of its contexts that have ended, but not at its own deadline.
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

// Excused reports whether err is one of asked, or says of itself that it is context.Canceled, as
// net's "operation was canceled" does, alone or wrapped; a join only if each of its branches is.
// An error that merely answers errors.Is with true does not: a failure may have a cancellation
// among its causes. Nor does one whose methods panic, or that says of a step that it panicked, was
// late, or was abandoned.
func Excused(err error, asked ...error) bool { return excused(err, asked, nil) }

// excused is Excused with errors that err, or what it wraps, may match.
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
			return false // whatever was thrown, and also where an outer step's deadline was the request
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

// matches is errors.Is of err alone, without what it wraps.
func matches(err, target error) bool {
	if same(err, target) {
		return true
	}
	x, ok := err.(interface{ Is(error) bool })
	return ok && x.Is(target)
}

// same compares without the panic of == on errors of a type that cannot be compared.
func same(a, b error) (eq bool) {
	defer func() { _ = recover() }()
	return a == b
}

// innermost is the text of what err wraps.
func innermost(err error) (text string) {
	defer func() { _ = recover() }()
	for {
		w, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err.Error()
		}
		err = w.Unwrap()
		if err == nil {
			return ""
		}
	}
}

// Text is what err says, if its method does not panic.
func Text(err error) (text string) {
	if err == nil {
		return ""
	}
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("%T, whose Error panicked: %v", err, v)
		}
	}()
	return err.Error()
}

// Among reports whether err is one of these errors, or wraps one; a join only if each of its
// branches does. It sees as much of err as In.
func Among(err error, errs []error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return among(err, errs)
}

func among(err error, errs []error) bool {
	for err != nil {
		if slices.ContainsFunc(errs, func(e error) bool { return same(err, e) }) {
			return true
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			branches := e.Unwrap()
			return len(branches) > 0 && !slices.ContainsFunc(branches, func(b error) bool { return !among(b, errs) })
		default:
			return false
		}
	}
	return false
}

// In reports whether the very error inner is in the tree of err, as far as that can be seen: a
// method of err may panic.
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

// EndOf is how ctx has ended: its error and its cause, nil if it has not. It calls methods of ctx,
// which may be the user's. One that panics has nothing to say.
func EndOf(ctx context.Context) (err, cause error) {
	defer func() { _ = recover() }()
	if err = ctx.Err(); err != nil {
		cause = err
		cause = context.Cause(ctx)
	}
	return err, cause
}
