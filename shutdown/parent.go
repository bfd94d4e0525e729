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

// This file handles the end of the context given to Run, the parent context. It may have ended
// because of a signal, as a context of os/signal's NotifyContext does. The Coordinator receives the
// same signal a little earlier or later, and in both cases the signal is the cause. The stop begins
// at once; only the event and the log line wait for the cause, for at most duplicateWindow.

// A parentEnd describes how the parent context has ended.
type parentEnd struct {
	err     error // of the context
	why     cause
	noCause bool // the context was cancelled without a more specific cause
}

// endOf returns how ctx has ended; the end is no failure. It calls methods of ctx: the lock must
// not be held.
func endOf(ctx context.Context) (e parentEnd, ended bool) {
	err, why := tree.EndOf(ctx)
	if err == nil {
		return e, false
	}
	e.err, e.why = err, causeOf(why)
	e.why.fault = nil
	switch e.why.err.(type) {
	case cleanCause, *group.EndedError: // the cause of a Coordinator or group around this one
	default:
		e.noCause = err == context.Canceled && isCanceled(e.why.err) && e.why.signal == nil
	}
	return e, true
}

// isCanceled is errors.Is for context.Canceled. It returns false if a method of the error panics.
func isCanceled(err error) (yes bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, context.Canceled)
}

// A pendingCause is a StopRequested whose cause is not known yet. The log and Observe wait for the
// cause before they handle this event and the events after it.
type pendingCause struct {
	StopRequested
	at      time.Duration
	hook    bool // a preStop hook of the kubelet was not answered then
	byMain  bool // main returned because of the parent's end before the Coordinator saw that end
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
		c.pendingCause = &pendingCause{at: now, hook: c.hooks > 0, decided: make(chan struct{})}
	}
	c.request(now, e.why, delay)
}

// parentIsDone reports whether the parent has ended. It calls no method of the parent, which may
// block.
func (c *Coordinator) parentIsDone() bool {
	select {
	case <-c.parentDone:
		return true
	default:
		return false
	}
}

// parentSeenByMain requests a stop if main returns because of the parent's end, before the
// Coordinator has seen that end.
func (c *Coordinator) parentSeenByMain(now time.Duration) {
	if c.phase < delaying {
		c.pendingCause = &pendingCause{at: now, hook: c.hooks > 0, byMain: true, decided: make(chan struct{})}
	}
	c.request(now, cause{err: context.Canceled}, false)
}

// emitRequested emits the event of the request, as a pendingCause if its cause is not known yet.
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

// settleCause settles the cause, if it was not known. The lock is held.
func (c *Coordinator) settleCause(why cause) {
	u := c.pendingCause
	if u == nil {
		return
	}
	c.pendingCause, c.cause, u.Cause = nil, why, why.err
	u.timer.Stop()
	close(u.decided)
}

// settleCauseBySignal makes a signal the cause, if it comes soon after the parent's end.
func (c *Coordinator) settleCauseBySignal(now time.Duration, err *signals.Error) {
	u := c.pendingCause
	if u == nil || now-u.at > duplicateWindow {
		return
	}
	if u.hook { // the signal came first, see request
		c.shortenAfterHook(now)
		u.Grace, u.Delay = c.end-c.t0, 0
		c.endDelay(now)
	}
	c.settleCause(cause{err: err, signal: err})
}

// receivePending handles the signals that this process has received so far, if one could be the
// cause of the stop. At the end of a short drain they may not have reached the Coordinator yet.
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

// stopSignals returns the signals that ask the program to stop.
func (c *Coordinator) stopSignals() []os.Signal {
	if c.Signals == nil {
		return notify.Defaults
	}
	return c.Signals
}
