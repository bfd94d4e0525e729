// Package signals provides a context that is cancelled by a signal, with the signal as its cause.
//
// [NotifyContext] works like the function of that name in os/signal, but [context.Cause] returns an
// [*Error], which has the signal and the exit status that a shell expects. A program that uses
// package shutdown does not need NotifyContext: the context of its main function has the same
// cause.
//
// The package starts no goroutine and catches no signal before NotifyContext is called.
package signals

import (
	"context"
	"os"
	"sync"
	"syscall"

	"github.com/lastcall-go/lastcall/internal/notify"
)

// NotifyContext returns a copy of parent that is cancelled when one of the signals arrives, when
// stop is called, or when parent ends, whichever is first. After a signal, context.Cause of the
// copy is an *Error. NotifyContext panics if parent is nil.
//
// Without sigs the signals are SIGINT and SIGTERM. A signal that was ignored when the program was
// started stays ignored, such as SIGHUP under nohup, or SIGINT in a background job of a shell
// script.
//
// The signals are caught until stop is called. Until then a second Ctrl-C does nothing. To give
// the second signal its default effect, call stop as soon as the context has ended. Call stop in
// any case when the context is no longer needed. It may be called more than once, and by several
// goroutines. After the call, the signals have the effect that they had before NotifyContext.
func NotifyContext(parent context.Context, sigs ...os.Signal) (ctx context.Context, stop context.CancelFunc) {
	if len(sigs) == 0 {
		sigs = notify.Defaults
	}
	ctx, cancel := context.WithCancelCause(parent)
	arrived, release := notify.Signals(sigs)
	if ctx.Err() == nil {
		go func() {
			select {
			case s := <-arrived:
				cancel(&Error{s})
			case <-ctx.Done():
			}
		}()
	}
	return ctx, sync.OnceFunc(func() {
		cancel(nil)
		release()
	})
}

// An Error is the cause of a context that was cancelled because of a signal. It is not a failure:
// errors.Is(err, context.Canceled) is true.
type Error struct {
	Signal os.Signal
}

// Error returns a text with the name of the signal.
func (e *Error) Error() string {
	if e.Signal == nil {
		return "received a signal"
	}
	return "received signal " + e.Signal.String()
}

// Is reports whether target is context.Canceled, or an *Error for the same signal.
func (e *Error) Is(target error) bool {
	if t, ok := target.(*Error); ok {
		return t != nil && notify.Same(t.Signal, e.Signal)
	}
	return target == context.Canceled
}

// ExitCode returns 128 + n for signal number n, the status that a shell reports for a process
// that the signal has ended. It returns 1 if the signal has no number.
func (e *Error) ExitCode() int {
	if s, ok := e.Signal.(syscall.Signal); ok && s > 0 {
		return 128 + int(s)
	}
	return 1
}
