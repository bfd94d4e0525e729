package shutdown

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/signals"
)

// This file is the timeline that is drawn in doc.go, from the announcement to the end, top to
// bottom. Nothing waits for the next phase to begin: whoever ends one begins the next. A function
// that calls c.lock takes the lock; the others expect it held.

// A phase is a part of the timeline.
type phase int8

const (
	fresh    phase = iota // neither Run nor a drain without it has begun
	active                // main runs
	delaying              // a stop was requested
	ending                // the root context is cancelled: tasks and main end
	draining              // handlers run
	finished
)

// minGrace is what a stop has left at least, however long ago a preStop hook has announced it:
// the kubelet, too, waits two seconds between SIGTERM and SIGKILL when the hook has used up the
// pod's grace period.
const minGrace = 2 * time.Second

// Quiesce announces that a stop will follow: Ready turns false and the delay starts, as for a
// preStop hook. It does not end the program. The returned channel is closed when the delay is
// over, or when the stop has begun. Further calls share the delay of the first. Before Run, when
// nothing is served yet, there is nothing to announce.
//
// A stop that follows has its grace period counted from here, and waits only for the rest of the
// delay; one that follows later than the grace period starts its own, and does not wait for the
// delay again.
func (c *Coordinator) Quiesce() <-chan struct{} {
	t := c.lock()
	defer t.Unlock()
	if c.ready() {
		now := t.Now()
		c.setT0(now)
		c.end = tree.Sum(now, c.grace)
		c.announced = c.announce()
		c.out.emit(Quiesced{c.delay})
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

// announce makes an announcement that is over after the delay, if the stop does not begin before.
func (c *Coordinator) announce() *announcement {
	a := &announcement{over: make(chan struct{})}
	if c.announcements == nil {
		c.announcements = make(map[*announcement]struct{})
	}
	c.announcements[a] = struct{}{}
	time.AfterFunc(c.delay, func() {
		unlabel()
		a.end()
		t := c.lock()
		defer t.Unlock()
		delete(c.announcements, a)
	})
	return a
}

// Resume undoes Quiesce: Ready is true again, and Stopping returns a new channel. It returns
// false, and does nothing, where there is nothing to undo or the stop has begun.
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
	return true
}

// Ready reports whether the program should be sent requests: true from Run's start to the
// request to stop, or Quiesce. It says nothing of what the program has to do before it can
// serve, which a readiness check has to add.
func (c *Coordinator) Ready() bool {
	t := c.lock()
	defer t.Unlock()
	return c.ready()
}

func (c *Coordinator) ready() bool { return c.phase == active && c.t0 == 0 }

// Stopping is closed when the stop, or the delay before it, has begun. After Resume there is a
// new channel.
func (c *Coordinator) Stopping() <-chan struct{} {
	t := c.lock()
	defer t.Unlock()
	return c.stopping
}

// stamp sets t0.
func (c *Coordinator) setT0(now time.Duration) {
	c.t0 = now
	c.undoHoldOff = c.holdOff(c.Signals)
	close(c.stopping)
}

// request asks the program to stop. Only the first request sets the cause. A later one ends the
// delay, if it has none itself: main has returned, or a task has failed.
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
	c.tree.LimitAll(c.end)
	for a := range c.announcements {
		a.end()
	}
	upTo := c.delay
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

// endDelay ends the root context: main with its tasks and holds begins to stop, and the handlers
// after it. If main is returning, host.Notice begins the stop, after main's outcome is recorded.
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

// bodyOver is the end of main and its holds.
func (c *Coordinator) bodyOver() {
	c.phase = draining
	c.steps = slices.Grow(c.steps, c.stack.node.Members())
}

// rootOver is the end of the last handler.
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

// giveBack stops catching signals, and watching the parent context.
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

// echo is how soon after a signal another one is taken for the same request: terminals and
// process managers deliver duplicates, to the process and to its group.
const duplicateWindow = 200 * time.Millisecond

// maxLastWords is how long a third signal waits for its line to be printed.
const thirdSignalFlush = 100 * time.Millisecond

// An escalation counts termination signals: the first asks, the second leaves each step just its
// minimum, the third ends the process.
type escalation struct {
	count int
	last  time.Duration
}

// hearSignals catches the signals, from now to the end of the drain or, under Main, to the end of
// the process.
func (c *Coordinator) watchSignals() {
	// The runtime makes its poller with the first timer, and ends the process where there is no
	// file descriptor left for that. Better now than in the middle of the drain.
	time.AfterFunc(time.Hour, func() {}).Stop()
	arrived, stop := c.listen(c.stopSignals())
	quit := make(chan struct{})
	c.pending = make(chan chan struct{})
	c.restore = append(c.restore, stop, func() { close(quit) })
	done := c.parentDone
	go func() {
		known.Begin()
		defer known.End()
		unlabel()
		for {
			select {
			case <-done:
				done = nil
				go c.parentOver()
			case s, ok := <-arrived:
				if !ok {
					arrived = nil
					continue
				}
				c.signalReceived(s)
			case heard := <-c.pending:
				c.receiveArrived(arrived)
				close(heard)
			case <-quit:
				return
			}
		}
	}()
}

// parentOver stops the program because the parent context has ended. Its goroutine is its own:
// methods of the context may block.
func (c *Coordinator) parentOver() {
	known.Begin()
	defer known.End()
	unlabel()
	end, ended := endOf(c.parent)
	if !ended { // its methods panic
		end = parentEnd{context.Canceled, causeOf(context.Canceled), true}
	}
	t := c.lock()
	defer t.Unlock()
	c.parentEnded(t.Now(), end, true)
}

// hearArrived counts the signals that have arrived.
func (c *Coordinator) receiveArrived(arrived <-chan os.Signal) {
	for {
		select {
		case s, ok := <-arrived:
			if !ok {
				return
			}
			c.signalReceived(s)
		default:
			return
		}
	}
}

func (c *Coordinator) signalReceived(sig os.Signal) {
	t := c.lock()
	defer t.Unlock()
	now := t.Now()
	e := &c.escalation
	if c.phase == finished || e.count > 0 && now-e.last <= duplicateWindow {
		return
	}
	e.count++
	e.last = now
	err := &signals.Error{Signal: sig}
	switch e.count {
	case 1:
		c.settleCauseBySignal(now, err)
		c.request(now, cause{err: err, signal: err}, true)
	case 2:
		c.force(now, err)
	default:
		t.After(func() { c.exitNow(err) })
	}
}

// force is the second signal: no delay, and just its minimum for each step.
func (c *Coordinator) force(now time.Duration, err error) {
	c.forced = true
	c.out.emit(Forced{Cause: err, Left: max(0, c.end-now)})
	c.endDelay(now)
	c.tree.Force(err)
}

// leave is the third signal: it says who is still running, and ends the process.
func (c *Coordinator) exitNow(err *signals.Error) {
	t := c.lock()
	c.note(thirdSignal{err, c.waiting(t.Now())})
	t.Unlock()
	c.out.flush(thirdSignalFlush)
	c.exit(err.ExitCode())
}
