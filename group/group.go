// Package group runs the tasks of a program and stops them in order.
//
// It is built on [github.com/oklog/run] and keeps its rule: the first actor to return stops the
// group. It adds:
//
//   - Tasks stop in reverse order. Each is awaited before the next is told to stop.
//   - Tasks start in the order of their addition. A task with Warmup is awaited before the next is
//     begun.
//   - The stop is bounded, and so is a start with Warmup. A task that is stuck is named, with its
//     stacks.
//   - A panic or runtime.Goexit is an error that stops the group.
//   - Tasks can be added and stopped while the group runs.
//   - A task can be called again after a failure, or fail without stopping the group.
//   - A Group's Run method is itself a task, so groups nest.
//
// When the program of a shutdown.Coordinator stops, its groups stop within the program's grace
// period. A group that stops before the program, or runs without a Coordinator, has its own Grace.
// Package shutdown has the timeline, and defines the words that are used here: step, budget,
// deadline, t0 and others.
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

// DefaultGrace is the time for the stop of a group if nothing else limits it. With a margin, it fits
// into the 30 s that Kubernetes gives a pod by default.
const DefaultGrace = 25 * time.Second

// A Group runs tasks until the first of them ends, or the context given to Run does, and then stops
// the others. The zero value is ready to use. A Group runs once and must not be copied. Its methods
// may be called by any goroutine.
type Group struct {
	// Grace is the time from the first reason to stop until Run returns. Zero means the grace
	// period of the Coordinator under which the group runs, or DefaultGrace.
	//
	// If the step that runs the group is told to stop before the group begins to stop, or by the
	// same failure, the limit of the group is that step's deadline, and Grace does not count. If
	// the step is told to stop later, the earlier of the two applies. For a group that main runs
	// this means:
	//
	//   - If the program stops, the limit is main's deadline.
	//   - If a task fails, that stops the program, and the limit is main's deadline.
	//   - If a task without MayFinish returns nil, the limit is Grace or, if the program stops
	//     meanwhile, main's deadline if that is earlier.
	Grace time.Duration
	// Concurrent stops all tasks at the same time, instead of one after the other. It suits a
	// pool of workers.
	Concurrent bool

	mu     sync.Mutex
	ran    bool    // Run was called
	tasks  []*Task // those added before Run
	ctx    context.Context
	done   <-chan struct{} // that of ctx
	values *tree.Values    // the values of ctx
	outer  *tree.Node      // the step that runs the group

	node tree.Node
	list tree.List

	// Guarded by the lock of the tree.
	began    chan struct{} // closed when the stop begins
	begun    bool
	cause    error
	first    *tree.Node // the task whose failure began the stop
	pending  []*Task    // those that have not begun, oldest first
	starting *tree.Node // the task that they wait for: it has to call Started first

	waiting int // the number of tasks that have failed and wait to be called again
}

// Go adds a task: a function that runs until its context ends. Go may be called before and during
// Run. A task added to a running group starts at once, or after the tasks that still wait for one
// with Warmup. It is the first to be told to stop. Once the group has begun to stop, the task is
// refused: it never runs, Done of the returned Task is closed, and its Shutdown returns ErrStopped.
//
// The task's context has the values of the context given to Run. It does not end with that
// context. It ends when it is this task's turn to stop: the task is told to stop. It also ends when
// the task returns, so a task must not return before the goroutines that it has started have done
// their work. See WorkContext for work that the end of the context must not interrupt.
//
// A task that was told to stop may return nil, its context's error, the cause of its context, an
// error that wraps one of these, or an error that Expect names. None of them is a failure.
//
// If name is empty, the task has the name of its function, or the file and line of the call if the
// function is a closure. Go panics if task is nil.
func (g *Group) Go(name string, task func(ctx context.Context) error, opts ...Option) *Task {
	if task == nil {
		panic(fmt.Sprintf("group: Go(%q) was given a nil task, at %s", name, site.Caller(2)))
	}
	t := &Task{group: g}
	t.node.Origin, t.node.Kind, t.node.Run, t.node.RunContext = site.Here().As(name).Named(task), tree.Task, task, &t.runContext
	return g.add(t, opts)
}

func (g *Group) add(t *Task, opts []Option) *Task {
	t.apply(opts)
	if t.node.RunContext == nil && policyOf(&t.node).restarts != nil {
		panic(fmt.Sprintf("group: Restart of a pair of functions, whose interrupt is called once; use Go, at %s", site.Caller(3)))
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
	tr.Adopt(&t.node)
	if g.starting != nil && !g.begun {
		g.pending = append(g.pending, t)
	} else {
		g.start(t)
	}
	return t
}

// start starts a task of a running group. The tree is locked.
func (g *Group) start(t *Task) {
	tr := g.node.Tree()
	if tr.Add(&g.node, &t.node, g.values) != nil {
		t.refused = true
		return
	}
	tr.Call(&t.node)
	if r := policyOf(&t.node).restarts; r != nil {
		r.task, r.called = t, tr.Now()
	}
	if t.node.Starting() {
		g.starting = &t.node
	}
}

// drop removes a task that is shut down before it has begun. The group is locked and, during Run,
// the tree.
func (g *Group) drop(from *[]*Task, t *Task) (found bool) {
	i := slices.Index(*from, t)
	if i < 0 {
		return false
	}
	*from = slices.Delete(*from, i, i+1)
	t.node.NeverRuns()
	return true
}

// Run begins the tasks, oldest first, and waits until one of them returns, or ctx ends. It begins a
// task when the tasks before it have started. A task with Warmup has started when it has called
// Started, any other task when it is begun. When a task returns, or ctx ends, Run stops the others,
// newest first, and returns when all have ended or were abandoned. A task that returns nil does not
// stop the others if it has MayFinish, or if Shutdown has told it to stop. If no task is left, Run
// returns. If ctx has ended already, the tasks are begun all the same, and then stopped.
//
// A stop in the middle of the start ends the tasks that have begun. The others are never begun, and
// that is no failure. When all tasks have started, Run calls Started for the step that runs the
// group. Run does not do so for a group without tasks: such a group never counts as started.
//
// The error is nil if no task failed. Otherwise it joins a *TaskError for each task that failed. If
// the failure of a task began the stop, its error is the first. A task that is still running at the
// end of its budget fails with a *StuckError; the others are still stopped.
//
// Under a Coordinator, from t0 on no task that returns nil stops its group.
//
// A task with MayFail that fails does not stop the others. A task with Restart that fails is called
// again.
//
// A second Run returns ErrStopped. Run panics if Grace is negative.
func (g *Group) Run(ctx context.Context) error {
	if g.Grace < 0 {
		panic(fmt.Sprintf("group: Grace %v is negative, in Run at %s", g.Grace, site.Caller(2)))
	}
	if !g.open(ctx, ctx.Done(), tree.ValuesOf(ctx), tree.From(ctx), tree.InRequest(ctx)) {
		return ErrStopped
	}
	// There are two actors, however many tasks: one ends with the first task, the other with ctx.
	// An actor for each task would cost twice as much, could not be added later, and would be
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

// open starts the tasks. It returns false if the group was run before.
func (g *Group) open(ctx context.Context, done <-chan struct{}, values *tree.Values, outer *tree.Node, inRequest bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ran {
		return false
	}
	g.ran, g.ctx, g.done, g.values, g.outer, g.began = true, ctx, done, values, outer, make(chan struct{})
	g.list.Concurrent, g.list.Owner = g.Concurrent, owner{g}
	g.list.InRequest = inRequest
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
		tr.Adopt(&t.node)
	}
	g.pending, g.tasks = g.tasks, nil
	now := tr.Now()
	if len(g.pending) == 0 {
		g.begin(now, nil, nil)
	}
	g.startNext(now)
	return true
}

// watch begins the stop when the context of the group ends.
func (g *Group) watch() error {
	known.Begin()
	defer known.End()
	select {
	case <-g.done:
		_, cause := tree.EndOf(g.ctx)
		if cause == nil { // a method of ctx panicked
			cause = context.Canceled
		}
		g.requestStop(cause)
	case <-g.began:
	}
	return nil
}

// requestStop locks the tree and begins the stop because of cause.
func (g *Group) requestStop(cause error) {
	tr := g.node.Tree()
	tr.Lock()
	defer tr.Unlock()
	g.begin(tr.Now(), nil, cause)
}

// begin begins the stop because of cause, unless it has begun. first is the task whose failure is
// the cause, or nil. The tree is locked.
func (g *Group) begin(now time.Duration, first *tree.Node, cause error) {
	if g.begun {
		return
	}
	g.begun, g.first, g.cause = true, first, cause
	g.list.Close()
	g.refuse()
	close(g.began)
	if e, ok := cause.(*EndedError); ok && g.outer != nil {
		g.outer.SetEnded(e.Name)
	}
	g.notifyHost(now, cause, first != nil)
	if g.waiting > 0 {
		g.node.Each(func(n *tree.Node) {
			if !n.Started() {
				g.dropWaiting(n, now)
			}
		})
	}
}

// stop tells the tasks to stop and waits until all are over.
func (g *Group) stop() {
	tr := g.node.Tree()
	tr.Lock()
	now := tr.Now()
	done := tr.Stop(&g.node, now, g.limit(tr, now), g.cause)
	tr.Unlock()
	<-done
}

// limit returns when the stop has to be over. It is Never if the step that runs the group stops as
// well: the tree then applies that step's deadline.
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
	failed, more := g.node.Failed()
	for _, n := range failed {
		err := error(&TaskError{n.Name(), n.Err})
		if n == g.first {
			errs = slices.Insert(errs, 0, err)
		} else {
			errs = append(errs, err)
		}
	}
	if more > 0 {
		errs = append(errs, tree.MoreFailures(more))
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
