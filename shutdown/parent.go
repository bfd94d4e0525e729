package shutdown

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/signals"
)

// A parent context may have ended for a signal that this process has received: that of
// os/signal's NotifyContext does, and one that the user cancels when a signal comes. The
// Coordinator receives the same signal a little earlier or later, and in either case the signal
// is the cause. The stop does not wait for it: only what tells of the cause does, the event and
// with it the log line, for at most echo.

// A parentEnd is how the parent context has ended.
type parentEnd struct {
	err     error // of the context
	why     cause
	noCause bool // the cause says no more than that the context was cancelled
}

// endOf is how ctx has ended. That is no failure. It calls methods of the user's: the lock must
// not be held.
func endOf(ctx context.Context) (e parentEnd, ended bool) {
	err, why := tree.EndOf(ctx)
	if err == nil {
		return e, false
	}
	e.err, e.why = err, causeOf(why)
	e.why.fault = nil
	switch e.why.err.(type) {
	case cleanCause, *group.EndedError: // it is that of a Coordinator or a group around
	default:
		e.noCause = err == context.Canceled && isCanceled(e.why.err) && e.why.signal == nil
	}
	return e, true
}

// isCanceled is errors.Is for context.Canceled, and false where a method of the error panics.
func isCanceled(err error) (yes bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, context.Canceled)
}

// An undecided is a StopRequested whose cause is not known yet. Nothing that is emitted after it
// is told before it.
type pendingCause struct {
	StopRequested
	at      time.Duration
	byMain  bool // main has returned because of it, and the parent has not told its cause
	timer   *time.Timer
	decided chan struct{} // closed when the cause is known
}

// parentEnded requests a stop because the parent context has ended. The lock is held.
func (c *Coordinator) parentEnded(now time.Duration, e parentEnd, delay bool) {
	if u := c.pendingCause; u != nil && u.byMain {
		if u.byMain, c.cause = false, e.why; !e.noCause {
			c.settleCause(e.why)
		}
		return
	}
	if c.phase < delaying && e.noCause && len(c.stopSignals()) > 0 {
		c.pendingCause = &pendingCause{at: now, decided: make(chan struct{})}
	}
	c.request(now, e.why, delay)
}

// parentIsDone reports whether the parent has ended. It calls none of its methods, which may block.
func (c *Coordinator) parentIsDone() bool {
	select {
	case <-c.parentDone:
		return true
	default:
		return false
	}
}

// parentSeenByMain is for a main that returns because it has seen the end of the parent before the
// Coordinator has.
func (c *Coordinator) parentSeenByMain(now time.Duration) {
	if c.phase < delaying {
		c.pendingCause = &pendingCause{at: now, byMain: true, decided: make(chan struct{})}
	}
	c.request(now, cause{err: context.Canceled}, false)
}

// emitRequested emits the event of the request, which is told when its cause is known.
func (c *Coordinator) emitRequested(e StopRequested) {
	u := c.pendingCause
	if u == nil {
		c.out.emit(e)
		return
	}
	u.StopRequested = e
	u.timer = time.AfterFunc(duplicateWindow, func() {
		unlabel()
		t := c.lock()
		defer t.Unlock()
		c.settleCause(c.cause)
	})
	c.out.emit(u)
}

// decide settles the cause, if it was not known. The lock is held.
func (c *Coordinator) settleCause(why cause) {
	u := c.pendingCause
	if u == nil {
		return
	}
	c.pendingCause, c.cause, u.Cause = nil, why, why.err
	u.timer.Stop()
	close(u.decided)
}

// decideBySignal makes a signal the cause, if it comes soon after the parent's end.
func (c *Coordinator) settleCauseBySignal(now time.Duration, err *signals.Error) {
	if u := c.pendingCause; u != nil && now-u.at <= duplicateWindow {
		c.settleCause(cause{err: err, signal: err})
	}
}

// hearAll counts the signals that this process has received so far, if one could be the cause.
// At the end of a short drain they may still be on their way through goroutines.
func (c *Coordinator) receivePending() {
	t := c.lock()
	open := c.pendingCause != nil
	t.Unlock()
	if !open {
		return
	}
	if c.settle != nil {
		c.settle(c.stopSignals())
	}
	heard := make(chan struct{})
	c.pending <- heard
	<-heard
}

// heeded are the signals that ask the program to stop.
func (c *Coordinator) stopSignals() []os.Signal {
	if c.Signals == nil {
		return notify.Defaults
	}
	return c.Signals
}
