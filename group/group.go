// Package group answers what runs in a program, and how it stops.
//
// It is built on [github.com/oklog/run] and keeps its rule: the first actor to
// return stops the group. It adds what a service needs on top of that: tasks stop
// in reverse order, each awaited before the next is told; the stop is bounded, and
// what is stuck is named with its stacks; a panic or runtime.Goexit is an error
// that stops the group, never a hang and never silence; tasks can be added and
// stopped while the group runs; and a Group's Run is itself a task, so that groups
// nest.
//
// How long a stop may take comes from the context that Run is given: under a
// shutdown.Coordinator from what is left of its one grace period, otherwise from
// the group's Grace. The timeline is drawn in package shutdown.
package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/oklog/run"

	"github.com/lastcall-go/lastcall/internal/step"
)

// DefaultGrace bounds the stop of a group that nothing else bounds. It fits into
// the 30 s that Kubernetes gives a pod by default, with a margin.
const DefaultGrace = 25 * time.Second

// A Group runs tasks until the first of them ends or its context does, and then
// stops the others. The zero value is ready to use. A Group runs once and must not
// be copied; its methods may be called by any goroutine.
type Group struct {
	// Grace bounds the group's stop where the context given to Run does not: the
	// time from the first reason to stop until Run returns. Where the program stops,
	// under a Coordinator, it is the bound; where that begins later than the group's
	// own stop, both are. Zero means the Coordinator's grace period, or DefaultGrace.
	Grace time.Duration
	// Concurrent tells all tasks to stop at once instead of newest first, each
	// awaited before the next. It suits a pool of equals.
	Concurrent bool

	mu             sync.Mutex
	state          state
	newest, oldest *Task
	members        int
	ctx            context.Context
	values         step.Values // of ctx
	run            *step.Run
	outer          *step.Step    // the step within which the group runs
	began          chan struct{} // closed when the stop begins
	cause          error
	first          *Task   // the one that failed and so began the stop
	errs           []error // of tasks, first's first, then in the order of their ends
}

type state int

const (
	open state = iota
	running
	stopping
	done
)

// Go adds a task: a function that runs until its context ends. It works before
// and during Run; a task added to a running group starts at once, and is the first
// to be stopped. After the stop has begun it is refused: the returned Task's Done
// is closed and its Shutdown returns ErrStopped.
//
// The task's context has the values of the one given to Run, but not its end: it
// ends when it is this task's turn to stop. Being asked to stop is not an error:
// the task may return nil, the context's error, or its cause. See WorkContext for
// work that must not be cut off by that.
//
// An empty name stands for the function's, or for the file and line of the call. A
// nil task panics.
func (g *Group) Go(name string, task func(ctx context.Context) error, opts ...Option) *Task {
	if task == nil {
		panic(fmt.Sprintf("group: Go(%q) was given a nil task, at %s", name, step.Caller(2)))
	}
	t := &Task{execute: task, running: 1, step: step.Step{Origin: step.CallSite().As(name).Named(task)}}
	t.step.Told = &t.told
	return g.add(t, opts)
}

// Add adds a task that is a pair of functions: execute runs, and interrupt makes
// it return, such as an http.Server's Serve and Shutdown. The context of execute
// is not ended by the request to stop, only at the cut; that of interrupt ends
// there too. The task has ended when both have returned. interrupt is called once,
// also for an execute that has returned already, and, where the stop comes at once,
// perhaps before execute has begun; what execute returns after that
// is not an error, since it was made to: the result of the stop is interrupt's.
//
// Names, and when a task is started or refused, are as described at Go.
func (g *Group) Add(name string, execute, interrupt func(ctx context.Context) error, opts ...Option) *Task {
	if execute == nil || interrupt == nil {
		panic(fmt.Sprintf("group: Add(%q) was given a nil function, at %s", name, step.Caller(2)))
	}
	t := &Task{
		execute: execute, interrupt: interrupt, running: 2,
		step: step.Step{Origin: step.CallSite().As(name).Named(execute)},
	}
	return g.add(t, opts)
}

// AddActor adds an actor written for oklog/run: a pair of functions without
// contexts. As there, interrupt gets the error that stopped the group.
func (g *Group) AddActor(name string, execute func() error, interrupt func(error), opts ...Option) *Task {
	if execute == nil || interrupt == nil {
		panic(fmt.Sprintf("group: AddActor(%q) was given a nil function, at %s", name, step.Caller(2)))
	}
	t := &Task{running: 2, step: step.Step{Origin: step.CallSite().As(name).Named(execute)}}
	t.execute = func(context.Context) error { return execute() }
	t.interrupt = func(context.Context) error {
		cause := t.cause
		if failed, ok := cause.(*TaskError); ok {
			cause = failed.Err
		}
		interrupt(cause)
		return nil
	}
	return g.add(t, opts)
}

func (g *Group) add(t *Task, opts []Option) *Task {
	t.group, t.step.Kind, t.step.Turn = g, step.Task, &t.turn
	for _, o := range opts {
		o.apply(t)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.state {
	case open:
		g.link(t)
	case running:
		g.link(t)
		g.start(t)
	default:
		t.err = ErrStopped
		t.over()
	}
	return t
}

// Run starts the tasks and waits until one of them returns, or ctx ends. Then it
// stops all of them, newest first, and returns when none is left. It returns at
// once if there is none to start with. A ctx that has ended already still has every
// task started, and stopped.
//
// The error is nil if the group was asked to stop and all obeyed, or if a task
// ended with nil. Otherwise it joins a *TaskError for each task that failed, the
// one that began the stop first. A task that is still running when its time is over
// counts as failed, with a *StuckError; the others are still stopped.
//
// A second Run returns ErrStopped. A negative Grace panics.
func (g *Group) Run(ctx context.Context) error {
	if g.Grace < 0 {
		panic(fmt.Sprintf("group: Grace %v is negative, in Run at %s", g.Grace, step.Caller(2)))
	}
	if !g.open(ctx, step.ValuesOf(ctx), step.From(ctx)) {
		return ErrStopped
	}
	// Two actors, however many tasks: one ends with the first task, the other
	// with ctx. An actor for each task would cost twice as much, could not be
	// added later, and would be interrupted oldest first.
	var actors run.Group
	actors.Add(func() error { <-g.began; return nil }, func(error) { g.stop() })
	actors.Add(g.watch, func(error) {})
	_ = actors.Run()
	return g.result()
}

// watch begins the stop when the context of the group ends.
func (g *Group) watch() error {
	select {
	case <-g.ctx.Done():
		g.begin(nil, context.Cause(g.ctx))
	case <-g.began:
	}
	return nil
}

func (g *Group) open(ctx context.Context, values step.Values, outer *step.Step) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != open {
		return false
	}
	g.state, g.ctx, g.values, g.outer = running, ctx, values, outer
	if g.outer != nil {
		g.run = g.outer.Run()
	} else {
		g.run = step.NewRun(values, nil)
	}
	g.began = make(chan struct{})
	for t := g.oldest; t != nil; t = t.next {
		g.start(t)
	}
	if g.members == 0 {
		g.state = stopping
		close(g.began)
	}
	return true
}

func (g *Group) start(t *Task) {
	t.step.Init(g.run.Place(g.outer, g.values, t.step.Name(), ""))
	go step.Serve((*executor)(t))
}

// begin begins the stop, unless it has begun. If that is because t has failed, the
// program hears of it: where main runs the group, it is a reason for all to end.
func (g *Group) begin(t *Task, cause error) {
	g.mu.Lock()
	first := g.state == running
	if first {
		g.state, g.cause, g.first = stopping, cause, t
	}
	g.mu.Unlock()
	if t != nil && g.outer != nil && g.run.Host != nil {
		g.run.Host.Failed(g.outer, cause)
	}
	if first {
		close(g.began)
	}
}

// parentEnded reports whether err only says that the group's context has ended.
func (g *Group) parentEnded(err error) bool {
	ended := g.ctx.Err()
	return err != nil && ended != nil && step.Excused(err, ended, context.Cause(g.ctx))
}

// ended gives a task that has come back its outcome and takes it out of the group, in one
// go: when the last outcome is known, Run returns, and must have all errors. It returns
// false if the task has been given up before.
func (g *Group) ended(t *Task, r step.Result) bool {
	g.mu.Lock()
	g.run.Lock()
	err, inTime := t.step.Return(g.run.Now(), r)
	t.over()
	failed := inTime && err != nil && t.waiters == 0
	if inTime {
		g.unlink(t)
	} else {
		err = t.step.Err
	}
	t.err = err
	if failed {
		g.failed(t, err)
	}
	empty := g.members == 0
	g.mu.Unlock()
	g.run.Unlock() // in this order: what waits for it may lock the group
	switch {
	case !inTime:
	case failed: // if it is the first to, that was the interrupt of one that has finished
		g.begin(t, &TaskError{t.step.Name(), err})
	case empty:
		g.begin(nil, nil)
	}
	return inTime
}

func (g *Group) failed(t *Task, err error) {
	at := len(g.errs)
	if t == g.first {
		at = 0
	}
	g.errs = slices.Insert(g.errs, at, error(&TaskError{t.step.Name(), err}))
}

func (g *Group) result() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = done
	if len(g.errs) == 1 {
		return g.errs[0]
	}
	return errors.Join(g.errs...)
}

func (g *Group) link(t *Task) {
	g.members++
	t.prev = g.newest
	if g.newest != nil {
		g.newest.next = t
	} else {
		g.oldest = t
	}
	g.newest = t
}

// unlink reports whether t was a member.
func (g *Group) unlink(t *Task) bool {
	if t.prev == nil && g.oldest != t {
		return false
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		g.oldest = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		g.newest = t.prev
	}
	t.prev, t.next = nil, nil
	g.members--
	return true
}
