// Package group answers what runs in a program, and how it stops.
//
// It is built on [github.com/oklog/run] and keeps its rule: the first actor to return stops the
// group. It adds what a service needs on top of that: tasks stop in reverse order, each awaited
// before the next is told; the stop is bounded, and what is stuck is named with its stacks; a
// panic or runtime.Goexit is an error that stops the group, never a hang and never silence;
// tasks can be added and stopped while the group runs; and a Group's Run is itself a task, so
// that groups nest.
//
// How long a stop may take comes from the context that Run is given: under a
// shutdown.Coordinator it is the rest of its one grace period, otherwise the group's Grace. The timeline is drawn in package shutdown.
package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/oklog/run"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// DefaultGrace bounds the stop of a group that nothing else bounds. It fits into the 30 s that
// Kubernetes gives a pod by default, with a margin.
const DefaultGrace = 25 * time.Second

// A Group runs tasks until the first of them ends or its context does, and then stops the
// others. The zero value is ready to use. A Group runs once and must not be copied; its methods
// may be called by any goroutine.
type Group struct {
	// Grace bounds the group's stop where the context given to Run does not: the time from the
	// first reason to stop until Run returns. Where the step that runs the group stops too, as
	// under a Coordinator whose program stops, that step's deadline is the bound. If the group
	// had begun to stop before, both are, and the earlier one wins. Zero means the Coordinator's
	// grace period, or DefaultGrace.
	Grace time.Duration
	// Concurrent tells all tasks to stop at once instead of newest first, each awaited before
	// the next. It suits a pool of equals.
	Concurrent bool

	mu     sync.Mutex
	ran    bool    // Run was called
	tasks  []*Task // until Run
	ctx    context.Context
	values *tree.Values // of ctx
	outer  *tree.Node   // the step that runs the group

	node tree.Node
	list tree.List

	// Guarded by the lock of the tree.
	began chan struct{} // closed when the stop begins
	begun bool
	cause error
	first *tree.Node // the task that failed and so began the stop
}

// Go adds a task: a function that runs until its context ends. It works before and during Run;
// a task added to a running group starts at once, and is the first to be stopped. After the
// stop has begun it is refused: the returned Task's Done is closed and its Shutdown returns
// ErrStopped.
//
// The task's context has the values of the one given to Run, but not its end: it ends when it
// is this task's turn to stop. Being asked to stop is not an error: the task may return nil, the
// context's error, its cause, or what Expect names. See WorkContext for work that must not be
// interrupted by that.
//
// An empty name stands for the function's, or for the file and line of the call. A nil task
// panics.
func (g *Group) Go(name string, task func(ctx context.Context) error, opts ...Option) *Task {
	if task == nil {
		panic(fmt.Sprintf("group: Go(%q) was given a nil task, at %s", name, site.Caller(2)))
	}
	t := &Task{group: g}
	t.node.Origin, t.node.Kind, t.node.Run, t.node.RunContext = site.Here().As(name).Named(task), tree.Task, task, &t.runContext
	return g.add(t, opts)
}

// Add adds a task that is a pair of functions: execute runs, and interrupt makes it return, such
// as an http.Server's Serve and Shutdown. The context of execute is not ended by the request to
// stop, only at the task's deadline; that of interrupt ends there too. The task has ended when
// both have returned.
//
// interrupt is called once, also for an execute that has returned already, and, where the stop
// comes at once, perhaps before execute has begun. What execute returns after that is not an
// error, since it was made to return: the result of the stop is interrupt's.
//
// Names, and when a task is started or refused, are as described at Go.
func (g *Group) Add(name string, execute, interrupt func(ctx context.Context) error, opts ...Option) *Task {
	if execute == nil || interrupt == nil {
		panic(fmt.Sprintf("group: Add(%q) was given a nil function, at %s", name, site.Caller(2)))
	}
	t := &Task{group: g}
	t.node.Origin, t.node.Kind, t.node.Run = site.Here().As(name).Named(execute), tree.Task, execute
	t.more().Interrupt = interrupt
	return g.add(t, opts)
}

// AddActor adds an actor written for oklog/run: a pair of functions without contexts. As there,
// interrupt gets the error that stopped the group.
func (g *Group) AddActor(name string, execute func() error, interrupt func(error), opts ...Option) *Task {
	if execute == nil || interrupt == nil {
		panic(fmt.Sprintf("group: AddActor(%q) was given a nil function, at %s", name, site.Caller(2)))
	}
	t := &Task{group: g}
	t.node.Origin, t.node.Kind = site.Here().As(name).Named(execute), tree.Task
	t.node.Run = func(context.Context) error { return execute() }
	m := t.more()
	m.Interrupt = func(context.Context) error {
		cause := m.Cause
		switch c := cause.(type) {
		case *TaskError:
			cause = c.Err
		case *EndedError:
			cause = nil
		}
		interrupt(cause)
		return nil
	}
	return g.add(t, opts)
}

func (g *Group) add(t *Task, opts []Option) *Task {
	for _, o := range opts {
		o.apply(t)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ran {
		g.tasks = append(g.tasks, t)
		return t
	}
	tr := g.node.Tree()
	tr.Lock()
	defer tr.Unlock()
	g.start(t)
	return t
}

// start starts a task of a group that runs. The tree is locked.
func (g *Group) start(t *Task) {
	tr := g.node.Tree()
	if tr.Add(&g.node, &t.node, g.values) != nil {
		t.refused = true
		return
	}
	tr.Call(&t.node)
}

// drop is for a task that is shut down before Run. The group is locked.
func (g *Group) drop(t *Task) {
	if i := slices.Index(g.tasks, t); i >= 0 {
		g.tasks = slices.Delete(g.tasks, i, i+1)
		t.node.NeverRuns()
	}
}

// Run starts the tasks and waits until one of them returns, or ctx ends. Then it stops all of
// them, newest first, and returns when none is left. It returns at once if there is none to
// start with. If ctx has ended already, the tasks are still started, and stopped.
//
// The error is nil if the group was asked to stop and all obeyed, or if a task ended with nil.
// Otherwise it joins a *TaskError for each task that failed, the one that began the stop first.
// A task that is still running when its time is over counts as failed, with a *StuckError; the
// others are still stopped.
//
// Under a Coordinator whose stop has begun, a task that ends with nil ends alone, as one with
// MayFinish does: the group's turn will come.
//
// A second Run returns ErrStopped. A negative Grace panics.
func (g *Group) Run(ctx context.Context) error {
	if g.Grace < 0 {
		panic(fmt.Sprintf("group: Grace %v is negative, in Run at %s", g.Grace, site.Caller(2)))
	}
	if !g.open(ctx, tree.ValuesOf(ctx), tree.From(ctx)) {
		return ErrStopped
	}
	// Two actors, however many tasks: one ends with the first task, the other with ctx. An
	// actor for each task would cost twice as much, could not be added later, and would be
	// interrupted oldest first.
	var actors run.Group
	actors.Add(func() error {
		known.Begin()
		defer known.End()
		<-g.began
		return nil
	}, func(error) { g.stop() })
	actors.Add(g.watch, func(error) {})
	_ = actors.Run()
	return g.result()
}

// open starts the tasks. It returns false for a group that has been run.
func (g *Group) open(ctx context.Context, values *tree.Values, outer *tree.Node) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ran {
		return false
	}
	g.ran, g.ctx, g.values, g.outer, g.began = true, ctx, values, outer, make(chan struct{})
	g.list.Concurrent, g.list.Owner = g.Concurrent, owner{g}
	g.node.Kind, g.node.List = tree.Group, &g.list
	var tr *tree.Tree
	if outer != nil {
		tr = outer.Tree()
	} else {
		tr = tree.New(values, noCoordinator{}, true)
	}
	tr.Lock()
	defer tr.Unlock()
	tr.Adopt(&g.node)
	tr.RunBy(&g.node, outer)
	for _, t := range g.tasks {
		g.start(t)
	}
	if len(g.tasks) == 0 {
		g.begin(tr.Now(), nil, nil)
	}
	g.tasks = nil
	return true
}

// watch begins the stop when the context of the group ends.
func (g *Group) watch() error {
	known.Begin()
	defer known.End()
	select {
	case <-g.ctx.Done():
		_, cause := tree.EndOf(g.ctx)
		if cause == nil { // its methods panic
			cause = context.Canceled
		}
		g.requestStop(cause)
	case <-g.began:
	}
	return nil
}

// endWith begins the stop because of cause.
func (g *Group) requestStop(cause error) {
	tr := g.node.Tree()
	tr.Lock()
	defer tr.Unlock()
	g.begin(tr.Now(), nil, cause)
}

// begin begins the stop, unless it has begun: because first has failed, or for another cause. The
// tree is locked.
func (g *Group) begin(now time.Duration, first *tree.Node, cause error) {
	if g.begun {
		return
	}
	g.begun, g.first, g.cause = true, first, cause
	g.list.Close()
	close(g.began)
	if e, ok := cause.(*EndedError); ok && g.outer != nil {
		g.outer.SetEnded(e.Name)
	}
	g.notifyHost(now, cause, first != nil)
}

// stop tells the tasks to stop and waits for them, within the time there is.
func (g *Group) stop() {
	tr := g.node.Tree()
	tr.Lock()
	now := tr.Now()
	done := tr.Stop(&g.node, now, g.limit(tr, now), g.cause)
	tr.Unlock()
	<-done
}

// limit is when the stop has to be over. Where the step that runs the group stops as well, the
// tree knows its deadline.
func (g *Group) limit(tr *tree.Tree, now time.Duration) time.Duration {
	switch {
	case g.outer != nil && g.outer.Stopping():
		return tree.Never
	case g.Grace > 0:
		return tree.Sum(now, g.Grace)
	}
	return tree.Sum(now, tr.Host.Grace())
}

// result joins the errors of the tasks.
func (g *Group) result() error {
	tr := g.node.Tree()
	tr.Lock()
	defer tr.Unlock()
	var errs []error
	for _, n := range g.node.Failed() {
		err := error(&TaskError{n.Name(), n.Err})
		if n == g.first {
			errs = slices.Insert(errs, 0, err)
		} else {
			errs = append(errs, err)
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// An owner is what the tree knows of a group. It is a type of its own so that its methods are
// not a Group's.
type owner struct{ g *Group }

// Excuses reports whether err says that the context of the group has ended, which a task may see
// before it is told.
func (o owner) Excuses(_ *tree.Node, err error, excused bool) (yes, silent bool) {
	if excused {
		return true, false
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

// Returned begins the stop of the group where the return of a task asks for it.
func (o owner) Returned(n *tree.Node, now time.Duration, r tree.Result, last bool) {
	g, host := o.g, n.Tree().Host
	mayFinish := host.Stopping()
	if n.More != nil && n.More.Policy != nil {
		mayFinish = mayFinish || n.More.Policy.(*policy).mayFinish
	}
	switch {
	case r.Err != nil && n.HasCloser(): // that is who has the error
	case r.Err != nil && g.begun:
		g.notifyHost(now, &TaskError{n.Name(), r.Err}, true)
	case r.Err != nil:
		g.begin(now, n, &TaskError{n.Name(), r.Err})
	case n.WasTold(), g.node.Stopping():
	case !mayFinish:
		g.begin(now, nil, &EndedError{n.Ended()})
	case !last: // of a pair that may finish: nothing else calls its interrupt
		n.Tree().Tell(n, nil, nil)
	}
	if last && g.node.Members() == 1 {
		g.begin(now, nil, nil)
	}
}

func (g *Group) notifyHost(now time.Duration, cause error, failed bool) {
	if g.outer != nil {
		g.node.Tree().Host.GroupStops(g.outer, now, cause, failed)
	}
}

// alone is the host of a group that no Coordinator knows.
type noCoordinator struct{}

func (noCoordinator) Grace() time.Duration                              { return DefaultGrace }
func (noCoordinator) Stopping() bool                                    { return false }
func (noCoordinator) Notice(*tree.Node)                                 {}
func (noCoordinator) GroupStops(*tree.Node, time.Duration, error, bool) {}
func (noCoordinator) Scaled()                                           {}
func (noCoordinator) Returned(*tree.Node, error)                        {}
