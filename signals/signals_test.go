package signals_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/signals"
)

type key struct{}

func TestNotifyContext(t *testing.T) {
	errCause := errors.New("the cause")
	t.Run("has the values of its parent, and has not ended", func(t *testing.T) {
		ctx, stop := signals.NotifyContext(context.WithValue(context.Background(), key{}, "value"))
		defer stop()
		if ctx.Err() != nil || ctx.Value(key{}) != "value" {
			t.Errorf("Err, Value = %v, %v, want nil, value", ctx.Err(), ctx.Value(key{}))
		}
	})
	t.Run("ends with its parent, and has its cause", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(context.Background())
		ctx, stop := signals.NotifyContext(parent)
		defer stop()
		cancel(errCause)
		<-ctx.Done()
		if context.Cause(ctx) != errCause {
			t.Errorf("Cause = %v, want %v", context.Cause(ctx), errCause)
		}
	})
	t.Run("has ended if its parent has", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(context.Background())
		cancel(errCause)
		ctx, stop := signals.NotifyContext(parent)
		defer stop()
		if ctx.Err() != context.Canceled || context.Cause(ctx) != errCause {
			t.Errorf("Err, Cause = %v, %v, want Canceled, %v", ctx.Err(), context.Cause(ctx), errCause)
		}
	})
	t.Run("ends with stop, without a signal as its cause", func(t *testing.T) {
		ctx, stop := signals.NotifyContext(context.Background())
		stop()
		stop()
		if ctx.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
			t.Errorf("Err, Cause = %v, %v, want Canceled", ctx.Err(), context.Cause(ctx))
		}
	})
	t.Run("can be stopped by many goroutines", func(t *testing.T) {
		ctx, stop := signals.NotifyContext(context.Background())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				stop()
				if ctx.Err() == nil {
					t.Error("Err() = nil after stop")
				}
			})
		}
		wg.Wait()
	})
}

func TestError(t *testing.T) {
	for _, tt := range []struct {
		signal os.Signal
		text   string
		code   int
	}{
		{os.Interrupt, "received signal interrupt", 130},
		{syscall.SIGTERM, "received signal terminated", 143},
		{nil, "received a signal", 1},
		{madeUp{}, "received signal made up", 1},
	} {
		e := &signals.Error{Signal: tt.signal}
		if got := e.Error(); got != tt.text {
			t.Errorf("Error() = %q, want %q", got, tt.text)
		}
		if got := e.ExitCode(); got != tt.code {
			t.Errorf("ExitCode() of %v = %d, want %d", tt.signal, got, tt.code)
		}
	}
}

type madeUp struct{}

func (madeUp) Signal()        {}
func (madeUp) String() string { return "made up" }

// A rule is a signal of a type that cannot be compared.
type rule []string

func (rule) Signal()        {}
func (rule) String() string { return "rule" }

// TestErrorIsOfASignalThatCannotBeCompared: == panics on two such signals.
func TestErrorIsOfASignalThatCannotBeCompared(t *testing.T) {
	e := &signals.Error{Signal: rule{}}
	for _, tt := range []struct {
		target error
		want   bool
	}{
		{e, true},
		{&signals.Error{Signal: rule{}}, false},
		{&signals.Error{Signal: os.Interrupt}, false},
		{&signals.Error{Signal: madeUp{}}, false},
		{context.Canceled, true},
	} {
		if got := errors.Is(e, tt.target); got != tt.want {
			t.Errorf("Is(%v, %v) = %v, want %v", e, tt.target, got, tt.want)
		}
	}
}

func TestErrorIs(t *testing.T) {
	e := fmt.Errorf("stopped: %w", &signals.Error{Signal: os.Interrupt})
	for _, tt := range []struct {
		target error
		want   bool
	}{
		{context.Canceled, true},
		{context.DeadlineExceeded, false},
		{&signals.Error{Signal: os.Interrupt}, true},
		{&signals.Error{Signal: syscall.SIGTERM}, false},
		{errors.New("other"), false},
		{(*signals.Error)(nil), false},
	} {
		if got := errors.Is(e, tt.target); got != tt.want {
			t.Errorf("Is(%v, %v) = %v, want %v", e, tt.target, got, tt.want)
		}
	}
	// oklog/run's SignalError answers true here and leaves its target empty.
	var s *signals.Error
	if !errors.As(e, &s) || s.Signal != os.Interrupt {
		t.Errorf("As = %v, want the signal", s)
	}
}
