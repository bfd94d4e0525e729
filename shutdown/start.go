package shutdown

import (
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// This file has the start of the program: which warm-ups make it not ready. Main and the tasks of its
// groups count, and of groups within them. Tasks of Start, holds and requests do not: their work is
// not what the program is sent requests for.

// Ready reports whether the program should be sent requests. It is true from the start of Run until
// t0, except while main or a task of its groups has not started, see Warmup and group.Warmup.
func (c *Coordinator) Ready() bool {
	t := c.lock()
	defer t.Unlock()
	return c.ready()
}

func (c *Coordinator) ready() bool { return c.phase == active && c.t0 == 0 && c.starts == 0 }

// checkReady records that Ready is true, if it is. It is called when Ready may have become true.
func (c *Coordinator) checkReady() { c.wasReady = c.wasReady || c.ready() }

// delayBefore returns the delay before the stop of the tasks. There is none if Ready was never true:
// nobody sends requests then.
func (c *Coordinator) delayBefore() time.Duration {
	if !c.wasReady {
		return 0
	}
	return c.delay
}

// StartBegan counts the warm-up of n.
func (h host) StartBegan(n *tree.Node) {
	c := h.c
	if restarts, _ := n.Restarts(); c.main.StartsWith(n) && !n.Starting() {
		if c.wasReady && !c.wasWarned && restarts == 0 {
			c.wasWarned = true
			set := ""
			if c.Warmup == 0 {
				set = "Coordinator.Warmup"
			}
			c.note(warmupWhileReady{n.Name(), c.sites.Of(&n.Origin), set})
		}
		c.starts++
	}
	if c.phase < ending {
		c.watchProgress(c.tree.Now())
	}
}

// StartEnded ends the warm-up of n.
func (h host) StartEnded(n *tree.Node, now time.Duration, ok bool) {
	c := h.c
	if c.main.StartsWith(n) {
		c.starts--
	}
	if ok {
		c.out.emit(Warmed{StepKind(n.Kind), n.Name(), c.sites.Of(&n.Origin), now - n.Start})
	}
}

// StartsChanged records that Ready is true, if it is: between the start of one step and that of the
// next it is not.
func (h host) StartsChanged() { h.c.checkReady() }

// StartFailed logs that n has exceeded the limit of its start. The line of the step comes when it has
// returned or was abandoned, which may be much later.
func (h host) StartFailed(n *tree.Node, now time.Duration, err error) {
	h.c.note(startFailed{
		WaitingStep{
			Kind: StepKind(n.Kind), Name: n.Name(), Site: h.c.sites.Of(&n.Origin),
			Elapsed: now - n.Start, Status: n.Progress(), WaitsFor: n.WaitsFor(),
		}, err, n.Stack(),
	})
}

// StartFailed stops the program, because main has exceeded the limit of its start.
func (o owner) StartFailed(_ *tree.Node, now time.Duration, err error) {
	o.c.request(now, cause{err: err}, false)
}

// Abandoned does nothing: the lists of a Coordinator stop without it.
func (o owner) Abandoned(*tree.Node, time.Duration, error) {}

// StartEnded does nothing: nothing waits for main's start but Ready, for which host.StartEnded cares.
func (o owner) StartEnded(*tree.Node, time.Duration) {}
