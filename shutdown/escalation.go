package shutdown

import (
	"os"
	"time"

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/step"
	"github.com/lastcall-go/lastcall/signals"
)

// echo is how soon after a signal another one is taken for the same request:
// terminals and process managers deliver duplicates, to the process and to its group.
const echo = 200 * time.Millisecond

// maxLastWords is how long a third signal waits for its line to be printed.
const maxLastWords = 100 * time.Millisecond

// A ladder counts termination signals: the first asks, the second presses, the third
// ends the process.
type ladder struct {
	count int
	last  time.Duration
}

// hearSignals catches the signals, from now to the end of the drain or, under Main,
// to the end of the process.
func (c *Coordinator) hearSignals() {
	sigs := c.Signals
	if sigs == nil {
		sigs = notify.Defaults
	}
	// The runtime makes its poller with the first timer, and ends the process where there is
	// no file descriptor left for that. Better now than in the middle of the drain.
	time.AfterFunc(time.Hour, func() {}).Stop()
	arrived, stop := c.listen(sigs)
	quit := make(chan struct{})
	c.restore = append(c.restore, stop, func() { close(quit) })
	go func() {
		for {
			select {
			case s, ok := <-arrived:
				if !ok {
					return
				}
				c.heard(s)
			case <-quit:
				return
			}
		}
	}()
}

func (c *Coordinator) heard(sig os.Signal) {
	run := c.lock()
	defer run.Unlock()
	now := run.Now()
	l := &c.ladder
	if c.phase == finished || l.count > 0 && now-l.last <= echo {
		return
	}
	l.count++
	l.last = now
	cause := &signals.Error{Signal: sig}
	switch l.count {
	case 1:
		c.request(now, cause, nil, true)
	case 2:
		c.force(now, cause)
	default:
		run.After(func() { c.leave(cause) })
	}
}

// force is the second signal: no delay, and just its promise for each step. The
// contexts of the steps that are ending end now.
func (c *Coordinator) force(now time.Duration, cause error) {
	c.forced = true
	c.out.emit(Forced{Cause: cause, Left: max(0, c.end-now)})
	c.endDelay(now)
	c.mainEnd = min(c.mainEnd, now+c.main.Promise)
	c.run.Force(now, cause)
}

// leave is the third signal: it says who is still running, and ends the process.
func (c *Coordinator) leave(cause *signals.Error) {
	run := c.lock()
	c.out.log(lastWords{cause, c.waiting(run.Now())})
	run.Unlock()
	c.out.flush(maxLastWords)
	c.exit(cause.ExitCode())
}

// waiting lists the steps that are being waited for.
func (c *Coordinator) waiting(now time.Duration) (ws []WaitingStep) {
	c.run.Waiting(func(s *step.Step) {
		ws = append(ws, WaitingStep{
			Kind: StepKind(s.Kind), Name: s.Name(), Site: c.sites.Of(&s.Origin),
			Elapsed: now - s.Start, Left: max(0, s.End-now), Status: s.Status(),
		})
	})
	return ws
}

// tick emits a Waiting each second.
func (c *Coordinator) tick() {
	c.ticker = time.AfterFunc(time.Second, func() {
		run := c.lock()
		defer run.Unlock()
		if c.phase != ending && c.phase != draining {
			return
		}
		now := run.Now()
		if ws := c.waiting(now); len(ws) > 0 {
			c.out.emit(Waiting{Steps: ws, Left: max(0, c.end-now)})
		}
		c.ticker.Reset(time.Second)
	})
}
