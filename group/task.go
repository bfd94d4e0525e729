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
	again      *tree.Node   // the node of the last restart, in the place of node; nil before the first
	refused    bool         // it never runs, because the group's stop had begun before; guarded by the tree's lock
}

func (t *Task) apply(opts []Option) {
	for _, o := range opts {
		o.apply(t)
	}
}

// policy has the options of a task that the group looks at when the task returns.
type policy struct {
	mayFinish bool
	restarts  *restarts // nil without Restart
}

// policyOf returns the policy of a task, the default one if it has no options.
func policyOf(n *tree.Node) policy {
	if n.More != nil && n.More.Policy != nil {
		return *n.More.Policy.(*policy)
	}
	return policy{}
}

// current returns the node of the task's last run.
func (t *Task) current() *tree.Node {
	if t.again != nil {
		return t.again
	}
	return &t.node
}

// more returns the part of the node that has the options, which few tasks have.
func (t *Task) more() *tree.More {
	if t.node.More == nil {
		t.node.More = new(tree.More)
	}
	return t.node.More
}

// policy returns the policy of the task, for an option to set.
func (t *Task) policy() *policy {
	m := t.more()
	if m.Policy == nil {
		m.Policy = new(policy)
	}
	return m.Policy.(*policy)
}

// Done returns a channel that is closed when all functions of the task have returned. For a task
// that was abandoned, the channel stays open until they have. It is closed for a task that is never
// started. With Restart it is closed when the task is not called again.
func (t *Task) Done() <-chan struct{} {
	defer t.lock()()
	return t.current().Done()
}

// lock locks the tree, or the group before Run.
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

// Shutdown tells this one task to stop, and waits until it has ended, or until ctx ends. It does
// not stop the group. If it is called before Run, or before the task has begun, the task is never
// started.
//
// Shutdown returns the task's error, which Run then does not return. It returns ErrStopped for a
// task that was refused, and a *StuckError for a task that the group has abandoned.
//
// If ctx ends first, Shutdown returns ctx's error. By then the task's work context has ended: a
// little before ctx's deadline, or when ctx was cancelled. Groups that the task runs have the same
// limit. The task stays a member of the group, and the group waits for it. If ctx has no deadline,
// nothing limits the task until the group stops. In that stop the task has its budget.
//
// In three cases Shutdown returns at once, so that the task and the caller do not wait for each
// other:
//
//   - The task itself calls Shutdown, or a task of a group within it does. Shutdown tells the task
//     to stop, and returns nil.
//   - The task waits for the calling step, for example in a Shutdown of that step. Shutdown does not
//     tell the task to stop, and returns shutdown.ErrInProgress.
//   - The goroutine of a step calls Shutdown with an unrelated ctx, and has replaced its profiler
//     labels (runtime/pprof), so that the step is not known. Shutdown tells the task to stop, and
//     returns shutdown.ErrInProgress.
//
// Shutdown finds the calling step by ctx. With an unrelated ctx it scans all goroutines, and finds
// the step by its profiler labels. Do not call it in a loop then.
func (t *Task) Shutdown(ctx context.Context) error {
	left, done := untilDeadline(ctx), ctx.Done() // without the lock: they are methods of the user's ctx
	if err, over := t.settled(); over {
		return err
	}
	tr := t.node.Tree()
	by, hidden := tr.Caller(ctx)
	tr.Lock()
	n := t.current()
	if n.Queued() && !n.Started() {
		defer tr.Unlock()
		t.group.dropWaiting(n, tr.Now())
		return nil
	}
	if hidden || n.Encloses(by) {
		defer tr.Unlock()
		if n.StartFailed() && !t.group.begun && restartsLeft(n, tr.Now()) {
			n.ForgetStart() // it is no failure, as one before a restart
		}
		tr.TellCanceled(n)
		if hidden {
			return tree.ErrInProgress
		}
		return nil
	}
	over, err := tr.StopTask(n, by, tree.Sum(tr.Now(), left), done)
	failure := n.Err
	tr.Unlock()
	switch {
	case err != nil:
		return err
	case over:
		return failure
	}
	return ctx.Err()
}

// settled returns the error of a task that is over. It drops a task that has not begun, which is
// then over.
func (t *Task) settled() (err error, over bool) {
	g := t.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ran {
		g.drop(&g.tasks, t)
		return nil, true
	}
	tr := t.node.Tree()
	if tr == nil { // dropped before Run
		return nil, true
	}
	tr.Lock()
	defer tr.Unlock()
	switch {
	case t.refused:
		return ErrStopped, true
	case g.drop(&g.pending, t):
		return nil, true
	}
	return t.current().Err, t.current().Over()
}

// untilDeadline returns the time until the deadline of ctx, Never if it has none.
func untilDeadline(ctx context.Context) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return max(0, time.Until(at))
	}
	return tree.Never
}
