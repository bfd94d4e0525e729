package step_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/lastcall-go/lastcall/internal/step"
)

type incomparable struct{ list []int }

func (incomparable) Error() string { return "incomparable" }

type canceledToo struct{}

func (canceledToo) Error() string     { return "canceled, among other things" }
func (canceledToo) Is(err error) bool { return err == context.Canceled }

func TestExcused(t *testing.T) {
	cause := errors.New("cause")
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{context.Canceled, true},
		{cause, true},
		{fmt.Errorf("a: %w", context.Canceled), true},
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", cause)), true},
		{errors.Join(context.Canceled, cause), true},
		{errors.Join(errors.Join(cause), fmt.Errorf("a: %w", context.Canceled)), true},
		{fmt.Errorf("%w, %w", cause, context.Canceled), true},
		{nil, false},
		{io.EOF, false},
		{errors.Join(context.Canceled, io.EOF), false},
		{errors.Join(), false},
		{fmt.Errorf("%w: %w", io.EOF, context.Canceled), false},
		{canceledToo{}, false},
		{context.DeadlineExceeded, false},
		{incomparable{nil}, false},
	} {
		if got := step.Excused(tt.err, context.Canceled, cause); got != tt.want {
			t.Errorf("Excused(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
	if step.Excused(incomparable{nil}, incomparable{nil}) {
		t.Error("errors that cannot be compared are the same")
	}
}

func TestIn(t *testing.T) {
	inner := errors.New("inner")
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{inner, true},
		{fmt.Errorf("a: %w", inner), true},
		{errors.Join(io.EOF, fmt.Errorf("a: %w", inner)), true},
		{nil, false},
		{io.EOF, false},
		{errors.New("inner"), false},
		{incomparable{nil}, false},
	} {
		if got := step.In(tt.err, inner); got != tt.want {
			t.Errorf("In(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestErrGrace(t *testing.T) {
	for _, err := range []error{step.ErrGrace, step.ErrSkipped} {
		if !errors.Is(err, step.ErrGrace) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v wraps not both", err)
		}
	}
}
