package otelshutdown

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/signals"
)

// A part is the work on one provider.
type part struct {
	name            string
	flush, shutdown func(context.Context) error
	done            chan struct{}

	mu    sync.Mutex
	doing string // the call that runs
	errs  []error
}

func newPart(name string, flush, shutdown func(context.Context) error) *part {
	return &part{name: name, flush: flush, shutdown: shutdown, done: make(chan struct{})}
}

// finish flushes the providers and shuts them down, each on a goroutine of its own: Shutdown of a
// provider may ignore its context. It returns at the last limit, whatever they do.
func finish(ctx context.Context, parts []*part) (err error) {
	l, release := newLimits(ctx)
	defer release()
	for _, p := range parts {
		go func() {
			defer close(p.done)
			p.call(l.flush, "flush", p.flush)
			p.call(l.shutdown, "shutdown", p.shutdown)
		}()
	}
	for _, p := range parts {
		select {
		case <-p.done:
		case <-l.end.Done():
		}
		err = errors.Join(err, p.err(time.Since(l.start)))
	}
	return err
}

// call calls f and records its error.
func (p *part) call(ctx context.Context, what string, f func(context.Context) error) {
	p.mu.Lock()
	p.doing = what
	p.mu.Unlock()
	began := time.Now()
	err := isolated(func() error { return f(ctx) })
	if err != nil && ctx.Err() != nil {
		err = unfinished(ctx, err, time.Since(began))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = ""
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s: %s: %w", p.name, what, err))
	}
}

// unfinished returns the error of a call that returned err at its limit. It does not wrap err: a step
// that was told to stop may return the error of a context. Here that error means that telemetry was
// lost.
func unfinished(ctx context.Context, err error, after time.Duration) error {
	after = after.Round(time.Millisecond)
	if text := textOf(err); text != ctx.Err().Error() {
		return fmt.Errorf("not finished after %v: %s", after, text)
	}
	return fmt.Errorf("not finished after %v", after)
}

// err returns the errors so far, and one for the call that runs.
func (p *part) err(elapsed time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := errors.Join(p.errs...)
	if p.doing != "" {
		err = errors.Join(err, fmt.Errorf("%s: %s: has not returned after %v", p.name, p.doing, elapsed.Round(time.Millisecond)))
	}
	return err
}

// isolated calls f. If f panics or calls runtime.Goexit, that is its error. It runs f on a goroutine
// of its own, which Goexit ends.
func isolated(f func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = group.ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = &group.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		err = f()
	}()
	<-done
	return err
}

// limits are contexts with the values of the handler's context, and with earlier ends.
type limits struct {
	start                time.Time
	flush, shutdown, end context.Context
}

// The shares of the time until the handler's deadline at which the limits end. The rest is for the
// return, so that the handler is not late.
const (
	flushShare    = 0.80
	shutdownShare = 0.90
	endShare      = 0.95
)

// afterSignal returns what takes the place of the time until the deadline after a second signal,
// which ends the handler's context at once. The step then still has its minimum. Only a group that
// stops within the step is told that time, and gives half of it to its task: enough for a collector
// that answers.
func afterSignal(ctx context.Context) time.Duration {
	left := make(chan time.Duration, 1)
	var g group.Group
	g.Go("time to flush", func(ctx context.Context) error {
		<-ctx.Done()
		at, _ := group.WorkContext(ctx).Deadline() // each task that stops has one
		left <- time.Until(at)
		return nil
	})
	_ = g.Run(ctx)
	select {
	case d := <-left:
		return max(0, d)
	default: // no time is left
		return 0
	}
}

func newLimits(ctx context.Context) (l *limits, release func()) {
	l = &limits{start: time.Now()}
	values := context.WithoutCancel(ctx)
	at, _ := ctx.Deadline() // each step has one
	rest := sync.OnceValue(func() time.Duration { return afterSignal(ctx) })
	var cancels []context.CancelFunc
	limit := func(share float64) context.Context {
		of := func(d time.Duration) time.Duration { return time.Duration(share * float64(d)) }
		c, cancel := context.WithDeadline(values, l.start.Add(of(at.Sub(l.start))))
		unhook := context.AfterFunc(ctx, func() {
			var s *signals.Error
			if errors.As(context.Cause(ctx), &s) {
				time.AfterFunc(of(rest()), cancel)
				return
			}
			cancel() // the step's limit was brought forward
		})
		cancels = append(cancels, func() { unhook(); cancel() })
		return c
	}
	l.flush, l.shutdown, l.end = limit(flushShare), limit(shutdownShare), limit(endShare)
	return l, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}
