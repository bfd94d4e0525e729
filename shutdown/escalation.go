package shutdown

import (
	"context"
	"os"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/signals"
)

// duplicateWindow is the time in which a signal after another one counts as the same. Terminals and
// process managers deliver duplicates: one to the process, one to its process group.
const duplicateWindow = 200 * time.Millisecond

// thirdSignalFlush is the time that a third signal waits for its lines to be written.
const thirdSignalFlush = 100 * time.Millisecond

// An escalation counts termination signals: the first requests a stop, the second leaves each step
// just its minimum, the third ends the process.
type escalation struct {
	count int
	last  time.Duration
}

// watchSignals catches the signals, from now to the end of the drain or, under Main, to the end of
// the process.
func (c *Coordinator) watchSignals() {
	// The runtime opens its poller with the first timer, and crashes if no file descriptor is left
	// for it. That must not happen during the drain, so make a timer now.
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

// parentOver stops the program because the parent context has ended. It has a goroutine of its own,
// since methods of the context may block.
func (c *Coordinator) parentOver() {
	known.Begin()
	defer known.End()
	unlabel()
	end, ended := endOf(c.parent)
	if !ended { // a method of the context panicked
		end = parentEnd{context.Canceled, causeOf(context.Canceled), true}
	}
	t := c.lock()
	defer t.Unlock()
	c.parentEnded(t.Now(), end, true)
}

// receiveArrived handles the signals that have arrived.
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

// force handles the second signal: it ends the delay, and leaves each step just its minimum.
func (c *Coordinator) force(now time.Duration, err error) {
	c.forced = true
	c.out.emit(Forced{Cause: err, Left: max(0, c.end-now)})
	c.endDelay(now)
	c.tree.Force(err)
}

// exitNow handles the third signal: it logs the steps that still run, and ends the process.
func (c *Coordinator) exitNow(err *signals.Error) {
	t := c.lock()
	c.note(thirdSignal{err, c.waiting(t.Now())})
	t.Unlock()
	c.endStacks()
	c.out.flush(thirdSignalFlush)
	c.exit(err.ExitCode())
}
