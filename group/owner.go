package group

import (
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// An owner is the tree.Owner of a group. It is a type of its own so that its methods are no
// methods of Group.
type owner struct{ g *Group }

// Excuses reports whether err answers the request to stop. A task may see the end of the group's
// context before it is told to stop; such an error begins the stop.
func (o owner) Excuses(n *tree.Node, err error, excused bool) (yes, silent bool) {
	if excused {
		return true, false
	}
	if r := policyOf(n).restarts; r != nil && tree.Some(err, isFinal) {
		r.stopAfter(n.Tree())
	}
	ended, cause := tree.EndOf(o.g.ctx)
	if ended == nil {
		return false, false
	}
	if !tree.Excused(err, ended, cause) {
		return false, false
	}
	o.g.requestStop(cause)
	return true, false
}

// Returned begins the stop of the group if the return of a task is a reason to.
func (o owner) Returned(n *tree.Node, now time.Duration, r tree.Result, last bool) tree.Result {
	g, host := o.g, n.Tree().Host
	mayFinish := policyOf(n).mayFinish || host.Stopping()
	r = g.checkStart(n, now, r, mayFinish)
	err := n.Failure(r)
	failed := err != nil && !n.MayFail() // and so does the group
	switch {
	case err != nil && n.HasCloser(): // Shutdown returns the error
	case err != nil && g.restart(n, now, err):
		return r
	case failed && g.begun:
		g.notifyHost(now, &TaskError{n.Name(), err}, true)
	case failed:
		g.begin(now, n, &TaskError{n.Name(), err})
	case n.WasTold(), g.node.Stopping():
	case err == nil && !mayFinish:
		g.begin(now, nil, &EndedError{n.Ended()})
	case !last: // execute of a pair with MayFinish or MayFail: nothing else calls its interrupt
		n.Tree().Tell(n, nil, nil)
	}
	if last && g.node.Members() == 1 && (len(g.pending) == 0 || host.Requested()) {
		g.started(now) // all its tasks have started and finished
		g.begin(now, nil, nil)
	}
	return r
}

func (g *Group) notifyHost(now time.Duration, cause error, failed bool) {
	if g.outer != nil {
		g.node.Tree().Host.GroupStops(g.outer, now, cause, failed)
	}
}

// noCoordinator is the host of a group that runs without a Coordinator.
type noCoordinator struct{}

func (noCoordinator) Grace() time.Duration                              { return DefaultGrace }
func (noCoordinator) Stopping() bool                                    { return false }
func (noCoordinator) Requested() bool                                   { return false }
func (noCoordinator) StartBegan(*tree.Node)                             {}
func (noCoordinator) StartEnded(*tree.Node, time.Duration, bool)        {}
func (noCoordinator) StartsChanged()                                    {}
func (noCoordinator) StartFailed(*tree.Node, time.Duration, error)      {}
func (noCoordinator) Notice(*tree.Node)                                 {}
func (noCoordinator) GroupStops(*tree.Node, time.Duration, error, bool) {}
func (noCoordinator) Scaled()                                           {}
func (noCoordinator) Returned(*tree.Node, error)                        {}
func (noCoordinator) Restarts(*tree.Node, time.Duration)                {}
