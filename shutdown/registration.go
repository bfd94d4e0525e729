package shutdown

import (
	"context"
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// A Registration is a handler that has been registered, or a task that has been started. Its
// methods may be called by any goroutine, also by the handler itself.
type Registration struct {
	c    *Coordinator
	node tree.Node
	late bool // it came when it could not run any more
}

// Err is ErrDrained if the registration came too late to run, else nil.
func (r *Registration) Err() error {
	if r.late {
		return ErrDrained
	}
	return nil
}

// Unregister takes the handler back. True means that it will never run; false that it has run,
// runs, or has been unregistered before. Exactly one of running and unregistering wins. A task
// that is running already cannot be taken back, only stopped, with Close.
func (r *Registration) Unregister() bool {
	t := r.c.lock()
	defer t.Unlock()
	return t.Remove(&r.node)
}

// Close runs the handler now, if nothing else has or will, and returns its error:
//
//	defer c.Register(h).Close(ctx)
//
// Its context is as described at Scope.Close, and so is a Close that comes while the handler
// runs. For a task that was started, Close asks it to stop and waits until it has ended; called
// by the task itself, it asks and returns nil at once. On a goroutine of a step that has replaced
// its profiler labels nobody can tell whose it is: Close asks, and returns ErrInProgress.
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
		limit = tree.Never // that of by
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

// Start runs a task that must outlive main: an admin listener, metrics, an embedded broker. It
// starts now, or when Run begins. It is asked to stop, through its context, in its turn as a
// handler that was registered here: handlers registered after it find it running. If it returns
// before, the program stops, with its error if there is one; without one, after the stop was
// requested, it ends alone. A nil task panics.
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
