package group

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// Started says that the step that ctx belongs to can do its work: a task with Warmup, or main with
// Coordinator.Warmup. The tasks that wait for it are begun, and the program may become Ready. Any
// goroutine of the step may call it, with the step's context or one that descends from it.
//
// Started does nothing if the step has no Warmup, has called Started before, was told to stop, or
// has ended, and if ctx belongs to no step. So a function that may run with or without Warmup can
// always call it. httpdrain.Serve and grpcdrain.Serve call it when they listen.
func Started(ctx context.Context) { tree.Started(ctx) }

// The methods below have the order in which tasks begin. They expect the tree to be locked.

// startNext begins the tasks that have not begun, oldest first, up to one that has to call Started.
// If none is left, the group has started.
func (g *Group) startNext(now time.Duration) {
	for g.starting == nil && len(g.pending) > 0 && !g.begun {
		t := g.pending[0]
		g.pending = g.pending[1:]
		g.start(t)
	}
	if g.starting == nil {
		g.started(now)
	}
}

// started says that the step that runs the group has started, if none of its tasks is still to begin.
// A group in a request says nothing of the step that serves the request.
func (g *Group) started(now time.Duration) {
	if len(g.pending) == 0 && !g.begun && g.outer != nil && !g.list.InRequest {
		g.node.Tree().Started(g.outer, now)
	}
}

// refuse ends the tasks that have not begun: they never run.
func (g *Group) refuse() {
	for _, t := range g.pending {
		t.refused = true
		t.node.NeverRuns()
	}
	g.pending = nil
}

// StartEnded begins the next tasks, because the task that they have waited for has started or ended. If
// a stop of the program was requested meanwhile, they are never begun, not even during the delay.
func (o owner) StartEnded(n *tree.Node, now time.Duration) {
	g := o.g
	if g.starting != n {
		return
	}
	g.starting = nil
	if len(g.pending) > 0 && n.Tree().Host.Requested() {
		g.refuse()
		return
	}
	g.startNext(now)
}

// StartFailed stops the group, unless the task may be called again when it has returned, or may
// fail. Then it stops the task alone, within the time that the group would have.
func (o owner) StartFailed(n *tree.Node, now time.Duration, err error) {
	g := o.g
	alone := n.MayFail() || restartsLeft(n, now)
	err = &TaskError{n.Name(), err}
	switch {
	case g.begun && n.MayFail():
	case g.begun:
		g.notifyHost(now, err, true)
	case alone:
		n.Tree().StopAlone(n, now, g.limit(n.Tree(), now), err)
	default:
		g.begin(now, n, err)
	}
}

// Abandoned stops the group because of a task that was stopped alone, if the task may not fail, or if
// it is the last.
func (o owner) Abandoned(n *tree.Node, now time.Duration, err error) {
	g := o.g
	switch {
	case !n.MayFail() && !n.HasCloser(): // else Shutdown returns the error
		g.begin(now, n, &TaskError{n.Name(), err})
	case g.node.Members() == 1 && len(g.pending) == 0:
		g.begin(now, nil, nil)
	}
}

// checkStart returns the result of a task that has returned with r: a failure if it has returned nil
// before it has called Started, and may not do so.
func (g *Group) checkStart(n *tree.Node, now time.Duration, r tree.Result, mayFinish bool) tree.Result {
	if !n.Starting() || r.Err != nil || mayFinish || n.WasTold() || g.begun || g.isDone() {
		return r
	}
	return n.Tree().NotStarted(n, now, true)
}

// isDone reports whether the context given to Run has ended, perhaps before watch has seen it. It
// calls no method of the context, which may block.
func (g *Group) isDone() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}
