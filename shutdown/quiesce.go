package shutdown

import (
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A quiet is one announcement of a stop, by Quiesce.
type quiet struct {
	over chan struct{}
	once sync.Once
}

func (q *quiet) end() { q.once.Do(func() { close(q.over) }) }

// Quiesce announces that a stop will follow: Ready turns false and the delay starts,
// as for a preStop hook. It does not end the program. The returned channel is closed
// when the delay is over, or when the stop has begun. Further calls share the delay of
// the first. Before Run, when nothing is served yet, there is nothing to announce.
//
// A stop that follows has its grace period counted from here, and waits only for the
// rest of the delay; one that follows later than the grace period starts its own, and
// does not wait for the delay again.
func (c *Coordinator) Quiesce() <-chan struct{} {
	run := c.lock()
	defer run.Unlock()
	if c.phase == active && !c.quiesced {
		now := run.Now()
		c.stamp(now)
		c.quiesced, c.end = true, step.Sum(now, c.grace)
		c.quiet = c.hush()
		c.out.emit(Quiesced{c.delay})
	}
	if c.phase != active {
		q := &quiet{over: make(chan struct{})}
		q.end()
		return q.over
	}
	return c.quiet.over
}

// hush makes a quiet that is over after the delay, if the stop does not begin before.
func (c *Coordinator) hush() *quiet {
	q := &quiet{over: make(chan struct{})}
	if c.quiets == nil {
		c.quiets = make(map[*quiet]struct{})
	}
	c.quiets[q] = struct{}{}
	time.AfterFunc(c.delay, func() {
		q.end()
		run := c.lock()
		defer run.Unlock()
		delete(c.quiets, q)
	})
	return q
}

// Resume undoes Quiesce: Ready is true again, and Stopping returns a new channel. It
// returns false, and does nothing, where there is nothing to undo or the stop has
// begun.
func (c *Coordinator) Resume() bool {
	run := c.lock()
	defer run.Unlock()
	if c.phase != active || !c.quiesced {
		return false
	}
	c.quiesced, c.ready, c.t0, c.end = false, true, 0, 0
	c.stopping = make(chan struct{})
	run.After(c.undropPipe)
	c.out.emit(Resumed{})
	return true
}

// Ready reports whether the program should be sent requests: true from Run's start to
// the request to stop, or Quiesce. It says nothing of what the program has to do before
// it can serve, which a readiness check has to add.
func (c *Coordinator) Ready() bool {
	run := c.lock()
	defer run.Unlock()
	return c.ready
}

// Stopping is closed when the stop, or the delay before it, has begun. After Resume
// there is a new channel.
func (c *Coordinator) Stopping() <-chan struct{} {
	run := c.lock()
	defer run.Unlock()
	return c.stopping
}
