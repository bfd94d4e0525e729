package shutdown

import (
	"slices"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// This file is the timeline that is drawn in doc.go, from the announcement to the end, top to
// bottom. There is no loop over the phases: the end of one begins the next. A function that calls
// c.lock takes the lock; the others expect it held.

// A phase is a part of the timeline.
type phase int8

const (
	fresh    phase = iota // neither Run nor a drain without a Run has begun
	active                // main runs
	delaying              // a stop was requested, and the delay runs
	ending                // the root context is cancelled: tasks and main end
	draining              // handlers run
	finished
)

// minGrace is the least time from the request to the exit, however long ago the stop was announced.
// If a preStop hook has used up the pod's grace period, the kubelet also waits two seconds between
// SIGTERM and SIGKILL.
const minGrace = 2 * time.Second

// graceAfterHook is the time for a stop whose signal comes before a preStop hook of the kubelet was
// answered. The hook has then used up the pod's grace period, and SIGKILL follows 2 s after the
// signal. The rest is for the exit.
const graceAfterHook = 1500 * time.Millisecond

// Quiesce announces a stop, as a preStop hook does: Ready turns false and the delay begins, but the
// program goes on, and so does its start. There is no delay if Ready was never true. The returned
// channel is closed when the delay is over, or when a stop is requested. Further calls share the
// delay of the first. Before Run, Quiesce does nothing and the channel is closed.
//
// The grace period of a stop that follows begins with Quiesce, and the stop waits only for the rest
// of the delay. It has at least 2 s, or Grace if that is less. If the stop follows after the grace
// period, it has a new one, and no delay.
func (c *Coordinator) Quiesce() <-chan struct{} {
	t := c.lock()
	defer t.Unlock()
	if c.phase == active && c.t0 == 0 {
		now := t.Now()
		c.setT0(now)
		c.end = tree.Sum(now, c.grace)
		c.announced = c.announce()
		c.out.emit(Quiesced{c.delayBefore()})
	}
	if c.phase != active {
		a := &announcement{over: make(chan struct{})}
		a.end()
		return a.over
	}
	return c.announced.over
}

// An announcement is one Quiesce that has begun a delay.
type announcement struct {
	over chan struct{}
	once sync.Once
}

func (a *announcement) end() { a.once.Do(func() { close(a.over) }) }

// announce makes an announcement that is over after the delay, or when a stop is requested.
func (c *Coordinator) announce() *announcement {
	a := &announcement{over: make(chan struct{})}
	if c.announcements == nil {
		c.announcements = make(map[*announcement]struct{})
	}
	c.announcements[a] = struct{}{}
	time.AfterFunc(c.delayBefore(), func() {
		unlabel()
		a.end()
		t := c.lock()
		defer t.Unlock()
		delete(c.announcements, a)
	})
	return a
}

// Resume undoes Quiesce: Ready is true again, and Stopping returns a new channel. It does nothing and
// returns false if no stop is announced, or a stop was requested.
func (c *Coordinator) Resume() bool {
	t := c.lock()
	defer t.Unlock()
	if c.phase != active || c.t0 == 0 {
		return false
	}
	c.t0, c.end = 0, 0
	c.stopping = make(chan struct{})
	t.After(c.undoHoldOff)
	c.out.emit(Resumed{})
	c.checkReady()
	return true
}

// Stopping returns a channel that is closed at t0. After Resume it returns a new one.
func (c *Coordinator) Stopping() <-chan struct{} {
	t := c.lock()
	defer t.Unlock()
	return c.stopping
}

// setT0 sets t0.
func (c *Coordinator) setT0(now time.Duration) {
	c.t0 = now
	c.undoHoldOff = c.holdOff(c.Signals)
	close(c.stopping)
}

// request asks the program to stop. Only the first request sets the cause. A later request without a
// delay, as when main has returned or a task has failed, ends the delay.
func (c *Coordinator) request(now time.Duration, why cause, delay bool) {
	if c.phase >= delaying {
		if !delay {
			c.endDelay(now)
		}
		return
	}
	switch {
	case c.t0 == 0:
		c.setT0(now)
	case now > tree.Sum(c.t0, c.grace): // the announcement is older than the grace period
		c.t0, delay = now, false
	}
	c.phase, c.cause = delaying, why
	c.end = max(tree.Sum(c.t0, c.grace), tree.Sum(now, min(minGrace, c.grace)))
	if c.hooks > 0 && why.signal != nil {
		c.shortenAfterHook(now)
		delay = false
	}
	c.tree.LimitAll(c.end)
	for a := range c.announcements {
		a.end()
	}
	upTo := c.delayBefore()
	if !delay {
		upTo = 0
	}
	c.emitRequested(StopRequested{why.err, c.tree.Time(c.t0), c.end - c.t0, upTo})
	wait := c.t0 + upTo - now
	if wait <= 0 {
		c.endDelay(now)
		return
	}
	c.delayOver = time.AfterFunc(wait, func() {
		unlabel()
		t := c.lock()
		defer t.Unlock()
		c.endDelay(t.Now())
	})
}

// shortenAfterHook brings the end of the stop forward, because a hook has used up the pod's grace
// period.
func (c *Coordinator) shortenAfterHook(now time.Duration) {
	c.end = min(tree.Sum(c.t0, c.grace), tree.Sum(now, graceAfterHook))
	c.tree.LimitAll(c.end)
	c.note(hookUnanswered{})
}

// endDelay ends the delay and the root context: main with its tasks and holds begins to stop. If main
// is returning, host.Notice begins the stop, after main's outcome is recorded.
func (c *Coordinator) endDelay(now time.Duration) {
	if c.phase != delaying {
		return
	}
	c.phase = ending
	if c.delayOver != nil {
		c.delayOver.Stop()
	}
	c.out.emit(DelayEnded{now - c.t0})
	c.watchProgress(now)
	if !c.returning {
		c.stopAll(now)
	}
}

func (c *Coordinator) stopAll(now time.Duration) {
	c.tree.Stop(&c.root.node, now, c.end, c.cause.err)
}

// bodyOver begins the phase of the handlers, when main and its holds are over.
func (c *Coordinator) bodyOver() {
	c.phase = draining
	c.steps = slices.Grow(c.steps, c.stack.node.Members())
}

// rootOver concludes the drain, when the last handler is over.
func (c *Coordinator) rootOver(now time.Duration) {
	c.took = now - c.t0
	c.progress.Stop()
	c.tree.After(func() { go c.conclude() })
}

// conclude makes the report, waits for the log to be written, and closes done.
func (c *Coordinator) conclude() {
	known.Begin()
	defer known.End()
	unlabel()
	leaks := c.findLeaks()
	c.endStacks()
	if c != Default {
		if held := heldByDefault(); len(held) > 0 {
			c.note(defaultNotRun{held})
		}
	}
	c.receivePending()
	t := c.lock()
	c.settleCause(c.cause)
	t.ResetLimits()
	c.phase, c.leaks = finished, leaks
	c.report = c.build()
	c.out.conclude(Drained{c.report})
	left := tree.Sum(c.end, afterGrace) - t.Now()
	stuck := c.byMain && c.main.Outcome == tree.Abandoned
	exits := c.byMain || c.byExit
	t.Unlock()
	c.logStuck = !c.out.flush(min(max(left, afterGrace), maxFlush))
	if !exits {
		c.releaseSignals()
	}
	close(c.done)
	if stuck {
		c.exit(c.exitStatus())
	}
}

// releaseSignals stops catching signals and watching the parent context.
func (c *Coordinator) releaseSignals() {
	t := c.lock()
	restore := c.restore
	if c.undoHoldOff != nil {
		restore = append(restore, c.undoHoldOff)
	}
	c.restore, c.undoHoldOff = nil, nil
	t.Unlock()
	for _, f := range restore {
		f()
	}
}
