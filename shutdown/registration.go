package shutdown

import (
	"context"
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// A Registration is a registered handler, or a task of Start. Its methods may be called by any
// goroutine, also by that of the handler itself.
type Registration struct {
	c    *Coordinator
	node tree.Node
	late bool // it was registered too late to run
}

// Err returns ErrDrained if the registration came too late to run, else nil.
func (r *Registration) Err() error {
	if r.late {
		return ErrDrained
	}
	return nil
}

// Unregister removes the handler. It returns true if this call has removed it: the handler will
// never run. It returns false if the handler has run, runs, or was unregistered before. A task that
// runs already cannot be unregistered; Close stops it.
func (r *Registration) Unregister() bool {
	t := r.c.lock()
	defer t.Unlock()
	return t.Remove(&r.node)
}

// Close runs the handler now, before its turn, and returns the handler's error:
//
//	defer c.Register(h).Close(ctx)
//
// If the handler is running already, Close waits for it and returns nil. If it has run, or was
// unregistered, Close returns nil at once. [Scope.Close] describes the handler's context and time,
// and when the report has its error, too.
//
// For a task of Start, Close tells the task to stop, and waits until it has ended. If the task
// itself calls Close, Close tells it to stop and returns nil at once. If the calling goroutine is
// that of a step, but has replaced its profiler labels, Close cannot find out whether the task
// itself calls: it tells the task to stop and returns ErrInProgress at once.
func (r *Registration) Close(ctx context.Context) error { return r.c.close(ctx, &r.node) }

// close stops a node of the stack early, as described at Scope.Close.
func (c *Coordinator) close(ctx context.Context, n *tree.Node) error {
	values, left := tree.ValuesOf(ctx), time.Duration(0)
	if at, ok := ctx.Deadline(); ok {
		left = max(0, time.Until(at))
	}
	by, hidden := c.tree.Caller(ctx)
	t := c.lock()
	limit := tree.Sum(t.Now(), c.graceOrDefault())
	switch {
	case n.Kind == tree.Task && n.Started() && (hidden || n.Encloses(by)):
		defer t.Unlock()
		t.TellCanceled(n)
		if hidden {
			return ErrInProgress
		}
		return nil
	case left > 0:
		limit = tree.Sum(t.Now(), left)
	case by != nil && by.Stopping():
		limit = tree.Never // the limit of by applies
	}
	t.Unlock()
	failed, err := t.Close(n, tree.CloseOptions{By: by, Values: values, Limit: limit})
	if err == tree.ErrNoTime {
		return errLeft
	}
	if err != nil {
		return err
	}
	return c.join(failed)
}

// join joins the errors of steps that have failed.
func (c *Coordinator) join(failed []*tree.Node) error {
	if len(failed) == 0 {
		return nil
	}
	t := c.lock()
	defer t.Unlock()
	errs := make([]error, len(failed))
	for i, n := range failed {
		errs[i] = &stepError{StepKind(n.Kind), n.Name(), c.sites.Of(&n.Origin), n.Err}
	}
	return errors.Join(errs...)
}

// Start starts a task that must outlive main, such as an admin listener, metrics, or an embedded
// broker. The task starts now, or when Run begins. It stops in its turn among the handlers: the
// handlers that were registered after it run first, while the task still runs. Then the task is
// told to stop, by the end of its context, and awaited.
//
// If the task returns before it was told to stop, the program stops, with the task's error as the
// cause if there is one. After t0 a task that returns nil does not stop the program.
//
// After t0 Start still starts a task. If handlers run already, the task is the next to be told to
// stop. After the drain the task is not started: Err of the Registration is ErrDrained, and the log
// has an error. Start panics if task is nil.
func (c *Coordinator) Start(task func(context.Context) error, opts ...Option) *Registration {
	return c.start(task, site.Here().As(""), opts)
}

func (c *Coordinator) start(task tree.Func, at site.Origin, opts []Option) *Registration {
	if task == nil {
		panic("shutdown: Start was given a nil task, at " + at.Site())
	}
	r := &Registration{c: c}
	r.node.Origin, r.node.Kind, r.node.Run, r.node.RunContext = at.Named(task), tree.Task, task, new(tree.Context)
	for _, o := range opts {
		o.apply(&r.node)
	}
	t := c.lock()
	defer t.Unlock()
	if c.phase == fresh {
		c.stack.add(&r.node, nil)
		c.tasks = append(c.tasks, r)
		return r
	}
	if r.late = c.stack.add(&r.node, t.Values()) != nil; !r.late {
		t.Call(&r.node)
	}
	return r
}

// startTasks starts the tasks that wait for Run.
func (c *Coordinator) startTasks() {
	for _, r := range c.tasks {
		if r.node.Queued() {
			c.tree.Enter(&r.node, c.tree.Values())
			c.tree.Call(&r.node)
		}
	}
	c.tasks = nil
}
