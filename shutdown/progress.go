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

// watchProgress starts the timer for Waiting events. There may be steps already that are stopping:
// those that somebody closes early.
func (c *Coordinator) watchProgress(now time.Duration) {
	wait := nextTick(c.waiting(now))
	c.tick = now + wait
	c.progress = time.AfterFunc(wait, c.showProgress)
}

func (c *Coordinator) showProgress() {
	t := c.lock()
	now := t.Now()
	late := max(0, now-c.tick)
	if due(c.waiting(now), late) {
		var nodes, slow []*tree.Node
		t.Waiting(func(n *tree.Node) {
			nodes = append(nodes, n)
			if now-n.Start >= min(diagnoseAfter, (n.End-n.Start)/2) {
				slow = append(slow, n)
			}
		})
		t.Unlock()
		if len(slow) > 0 {
			t.TakeStacks(slow)
		}
		t.Ask(nodes, statusTimeout)
		t.Lock()
		again := t.Now() // read once: late and now have to grow by the same time
		late, now = late+again-now, again
		if c.phase == ending || c.phase == draining {
			if ws := c.waiting(now); due(ws, late) { // the steps may have ended meanwhile
				c.out.emit(Waiting{Steps: ws, Left: max(0, c.end-now)})
			}
		}
	}
	defer t.Unlock()
	if c.phase == ending || c.phase == draining {
		c.tick = now + nextTick(c.waiting(now))
		c.progress.Reset(max(0, c.tick-t.Now()))
	}
}

// waiting returns the steps that the drain waits for.
func (c *Coordinator) waiting(now time.Duration) (ws []WaitingStep) {
	c.tree.Waiting(func(n *tree.Node) {
		ws = append(ws, WaitingStep{
			Kind: StepKind(n.Kind), Name: n.Name(), Site: c.sites.Of(&n.Origin),
			Elapsed: now - n.Start, Left: max(0, n.End-now), Budget: n.End - n.Start,
			Status: n.Progress(), WaitsFor: n.WaitsFor(),
		})
	})
	return ws
}
