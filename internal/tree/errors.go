package tree

import (
	"context"
	"fmt"
	"slices"
)

// This file looks into errors. Their methods may be the user's code, and may panic.

// matches is errors.Is without the errors that err wraps.
func matches(err, target error) bool {
	if same(err, target) {
		return true
	}
	x, ok := err.(interface{ Is(error) bool })
	return ok && x.Is(target)
}

// same compares two errors. It returns false if they cannot be compared, when == would panic.
func same(a, b error) (eq bool) {
	defer func() { _ = recover() }()
	return a == b
}

// innermost returns the text of the innermost error that err wraps.
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

// Text returns the text of err. If its Error method panics, the text says so.
func Text(err error) (text string) {
	if err == nil {
		return ""
	}
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("%T, its Error method panicked: %v", err, v)
		}
	}()
	return err.Error()
}

// A MoreFailures is the part of a group's error that counts the failures of steps that may fail
// beyond MaxMayFail.
type MoreFailures int

func (n MoreFailures) Error() string {
	if n == 1 {
		return "group: 1 more task with MayFail has failed"
	}
	return fmt.Sprintf("group: %d more tasks with MayFail have failed", int(n))
}

// Among reports whether err is one of errs or wraps one. A joined error is among errs if each of
// its branches is one of errs, wraps one, or is a MoreFailures. Among returns false if a method of
// err panics.
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
		case MoreFailures:
			return true
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

// In reports whether the error inner itself is in the tree of err. It returns false if a method of
// err panics.
func In(err, inner error) bool {
	return Some(err, func(e error) bool { return same(e, inner) })
}

// Some reports whether is returns true for one of the errors in the tree of err. It returns false
// if a method of err panics.
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

// EndOf returns the error and the cause of ctx, nil if it has not ended. It calls methods of ctx,
// which may be the user's code. If one panics, EndOf returns what it knows so far.
func EndOf(ctx context.Context) (err, cause error) {
	defer func() { _ = recover() }()
	if err = ctx.Err(); err != nil {
		cause = err
		cause = context.Cause(ctx)
	}
	return err, cause
}
