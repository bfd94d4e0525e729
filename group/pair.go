package group

import (
	"context"
	"fmt"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// Add adds a task that is a pair of functions, such as an http.Server's Serve and Shutdown: execute
// runs, and interrupt makes it return. Instead of the end of a context, the call of interrupt tells
// the task to stop. The contexts of both functions end at the task's deadline. The task has ended
// when both have returned.
//
// interrupt is called once, even if execute has returned already. If execute returns nil and the
// group goes on, as with MayFinish, interrupt is called at once. If the group stops at once,
// interrupt may be called before execute.
//
// The task's error joins those of execute and interrupt. An error that execute returns after
// interrupt was called is ignored, but a panic is not.
//
// Go describes the names of tasks, and when a task is started or refused. Add panics if a function
// is nil.
func (g *Group) Add(name string, execute, interrupt func(ctx context.Context) error, opts ...Option) *Task {
	if execute == nil || interrupt == nil {
		panic(fmt.Sprintf("group: Add(%q) was given a nil function, at %s", name, site.Caller(2)))
	}
	t := &Task{group: g}
	t.node.Origin, t.node.Kind, t.node.Run = site.Here().As(name).Named(execute), tree.Task, execute
	t.more().Interrupt = interrupt
	return g.add(t, opts)
}

// AddActor adds an actor that was written for oklog/run. It is Add for functions without contexts.
// As in oklog/run, interrupt gets the error that the first actor or task has returned, which may be
// nil. If the context given to Run has ended first, interrupt gets the cause of that context. If
// only this task is stopped, by Shutdown, interrupt gets context.Canceled.
//
// AddActor panics if it is given Warmup: an actor has no context with which it could call Started.
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
	t.apply(opts)
	if m.Warmup != 0 {
		panic(fmt.Sprintf("group: AddActor(%q) was given Warmup, but an actor has no context for Started; use Add, at %s", name, site.Caller(2)))
	}
	return g.add(t, nil)
}
