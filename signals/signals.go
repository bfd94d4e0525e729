// Package signals answers why a program ends: because of a signal, and which.
//
// It is os/signal's NotifyContext with a cause that can be asked for its signal
// and for the exit status that a shell expects. A program that uses package
// shutdown does not need it: there, the context that main gets has the same cause.
//
// It starts no goroutine and touches no signal before NotifyContext is called.
package signals

import (
	"context"
	"os"
	"sync"
	"syscall"

	"github.com/lastcall-go/lastcall/internal/notify"
)

// NotifyContext returns a copy of parent that is cancelled when one of the
// signals arrives, when stop is called, or when parent ends, whichever is first.
// After a signal, context.Cause of it is an *Error.
//
// No signals means SIGINT and SIGTERM, never all there are. A signal that was
// ignored when the program was started stays ignored: SIGHUP under nohup, SIGINT of a
// shell script's background job. Go tells a program of no others.
//
// The signals are caught until stop is called, also after the first one: a second
// Ctrl-C does nothing then. Call stop as soon as the context has ended where the
// second is to have its default effect, and in any case when the context is no
// longer needed. stop gives the signals back to whoever had them before; it may be
// called by many goroutines, and more than once.
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

// An Error says that a signal asked the program to end. It is the cause of
// contexts, never the failure of anything: errors.Is(err, context.Canceled) is
// true for it.
type Error struct {
	Signal os.Signal
}

// Error names the signal.
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

// ExitCode is 128 + n for signal n, which is what a shell reports for a process
// that died of it; 1 where the signal has no number.
func (e *Error) ExitCode() int {
	if s, ok := e.Signal.(syscall.Signal); ok && s > 0 {
		return 128 + int(s)
	}
	return 1
}
