package shutdown

import (
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// statusTimeout is the time that a progress line waits for the steps' statuses. After that it shows
// the statuses that they had before.
const statusTimeout = 10 * time.Millisecond

// diagnoseAfter is the time after which a progress line says what the step waits for. To find that
// out stops all goroutines for some milliseconds, which is not worth it for a step that is over
// soon. Some platforms kill a process after five seconds.
const diagnoseAfter = 2 * time.Second

// watchProgress starts the timer for Waiting events, and for the lines about steps that start. There
// may be steps already that are stopping: those that somebody closes early.
func (c *Coordinator) watchProgress(now time.Duration) {
	wait := nextTick(c.waiting(now))
	c.tick = now + wait
	if c.progress != nil {
		c.progress.Reset(wait)
		return
	}
	c.progress = time.AfterFunc(wait, c.showProgress)
}

// ends reports whether the program stops, so that steps are waited for that stop. Before, the
// program waits for steps that start.
func (c *Coordinator) ends() bool { return c.phase == ending || c.phase == draining }

func (c *Coordinator) showProgress() {
	t := c.lock()
	now := t.Now()
	late := max(0, now-c.tick)
	if due(c.waiting(now), late) {
		var nodes, slow []*tree.Node
		t.Waiting(!c.ends(), func(n *tree.Node) {
			nodes = append(nodes, n)
			if now-n.Start >= min(diagnoseAfter, (n.End-n.Start)/2) {
				slow = append(slow, n)
			}
		})
		t.Unlock()
		if len(slow) > 0 {
			t.TakeStacksBriefly(slow)
		}
		t.Ask(nodes, statusTimeout)
		t.Lock()
		again := t.Now() // read once: late and now have to grow by the same time
		late, now = late+again-now, again
		switch ws := c.waiting(now); { // the steps may have ended meanwhile
		case !due(ws, late):
		case c.ends():
			c.out.emit(Waiting{Steps: ws, Left: max(0, c.end-now)})
		case c.phase < ending:
			c.note(starting{ws})
		}
	}
	defer t.Unlock()
	if ws := c.waiting(now); c.ends() || c.phase < ending && len(ws) > 0 {
		c.tick = now + nextTick(ws)
		c.progress.Reset(max(0, c.tick-t.Now()))
	}
}

// waiting returns the steps that the drain waits for or, before it, the steps that start. If the start
// of a step has no limit, its Left and Budget are 0.
func (c *Coordinator) waiting(now time.Duration) (ws []WaitingStep) {
	c.tree.Waiting(!c.ends(), func(n *tree.Node) {
		w := WaitingStep{
			Kind: StepKind(n.Kind), Name: n.Name(), Site: c.sites.Of(&n.Origin),
			Elapsed: now - n.Start, Left: max(0, n.End-now), Budget: n.End - n.Start,
			Status: n.Progress(), WaitsFor: n.WaitsFor(),
		}
		if n.End == tree.Never {
			w.Left, w.Budget = 0, 0
		}
		ws = append(ws, w)
	})
	return ws
}
