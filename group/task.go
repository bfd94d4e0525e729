package group

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// A Task is one member of a group. Its methods may be called by any goroutine.
type Task struct {
	group      *Group
	node       tree.Node
	runContext tree.Context // the context of a task without an interrupt
	refused    bool         // it was added when the group's stop had begun
}

// policy is what the group has to know of a task that returns.
type policy struct{ mayFinish bool }

// more is where an option puts what few tasks have.
func (t *Task) more() *tree.More {
	if t.node.More == nil {
		t.node.More = new(tree.More)
	}
	return t.node.More
}

// policy is where an option puts what the group has to know.
func (t *Task) policy() *policy {
	m := t.more()
	if m.Policy == nil {
		m.Policy = new(policy)
	}
	return m.Policy.(*policy)
}

// Done is closed when the task has ended: its function has returned, and its interrupt if it
// has one. For a task that is stuck it stays open.
func (t *Task) Done() <-chan struct{} {
	defer t.lock()()
	return t.node.Done()
}

// lock locks what guards the task: the tree, before Run the group.
func (t *Task) lock() (unlock func()) {
	t.group.mu.Lock()
	tr := t.node.Tree()
	if tr == nil {
		return t.group.mu.Unlock
	}
	t.group.mu.Unlock()
	tr.Lock()
	return tr.Unlock
}

// Shutdown asks this one task to stop and waits until it has ended, or until ctx has. It does
// not stop the group.
//
// It returns the task's own error, which is then not the group's. If ctx ends first it returns
// ctx's error: the task's work context has ended a little before, what runs in groups within it
// was stopped, and the task stays a member of the group, which goes on waiting for it. Shutdown
// returns ErrStopped for a task that was added too late to be started, and its *StuckError for
// one that the group has abandoned. A task that is shut down before Run is never started.
//
// Called by the task itself, or by one within it, Shutdown asks and returns nil at once. Called
// by a task that this one is shutting down, it returns shutdown.ErrInProgress at once. To find
// out which step calls, Shutdown asks ctx; with a ctx that is not that of the calling step it
// scans all goroutines: do not call it so in a loop. On a goroutine of a step that has replaced
// its profiler labels it cannot find out: it asks, and returns shutdown.ErrInProgress at once.
func (t *Task) Shutdown(ctx context.Context) error {
	left := untilDeadline(ctx)
	if err, over := t.settled(); over {
		return err
	}
	tr := t.node.Tree()
	by, hidden := tr.Caller(ctx)
	tr.Lock()
	limit := tree.Sum(tr.Now(), left)
	if hidden || t.node.Encloses(by) {
		tr.TellCanceled(&t.node)
		tr.Unlock()
		if hidden {
			return tree.ErrInProgress
		}
		return nil
	}
	tr.Unlock()
	over, err := tr.StopTask(&t.node, by, limit, ctx.Done())
	switch {
	case err != nil:
		return err
	case over:
		err, _ := t.settled()
		return err
	}
	return ctx.Err()
}

// settled returns the error of a task that is over. One that Run has not started is then.
func (t *Task) settled() (err error, over bool) {
	g := t.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ran {
		g.drop(t)
		return nil, true
	}
	if t.refused {
		return ErrStopped, true
	}
	tr := t.node.Tree()
	if tr == nil { // it was dropped before Run
		return nil, true
	}
	tr.Lock()
	defer tr.Unlock()
	return t.node.Err, t.node.Over()
}

// untilDeadline is how far ahead the deadline of ctx is, Never if it has none.
func untilDeadline(ctx context.Context) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return max(0, time.Until(at))
	}
	return tree.Never
}
