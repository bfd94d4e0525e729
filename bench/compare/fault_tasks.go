package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/oklog/run"
	"github.com/sourcegraph/conc/pool"
	"github.com/thejerf/suture/v4"
	"golang.org/x/sync/errgroup"
	"gopkg.in/tomb.v2"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

const tasksChild = "tasks"

// A taskProgram runs the tasks until SIGTERM or until one of them fails, and ends the process.
type taskProgram func(tasks []namedTask, onAdd func(registrar))

type namedTask struct {
	name string
	t    task
}

var taskPrograms = map[string]taskProgram{
	lastcall:     tasksWithLastcall,
	oklogName:    tasksWithOklog,
	errgroupName: tasksWithErrgroup,
	concName:     tasksWithConc,
	sutureName:   tasksWithSuture,
	tombName:     tasksWithTomb,
}

var taskLibraries = []string{lastcall, oklogName, errgroupName, concName, sutureName, tombName}

func taskFault(library, fault string) {
	l := &ledger{fault: fault}
	time.AfterFunc(100*time.Millisecond, func() { say("ready") }) // all run by then
	taskPrograms[library]([]namedTask{
		{oldest, waitsAndEnds(oldest)},
		{culprit, l.serve},
		{newest, waitsAndEnds(newest)},
	}, func(r registrar) { l.more = r })
}

func waitsAndEnds(name string) task {
	return func(ctx context.Context) error {
		<-ctx.Done()
		say("ended", name)
		return ctx.Err()
	}
}

// serve is the task at fault. A fault that needs no signal happens a little after the start.
func (l *ledger) serve(ctx context.Context) error {
	if l.begun.Add(1) > 1 {
		say("again", culprit)
	}
	select {
	case <-ctx.Done():
	case <-time.After(200 * time.Millisecond):
	}
	switch l.fault {
	case "slow":
		<-ctx.Done()
		time.Sleep(300 * time.Millisecond)
		say("ended", culprit)
		return ctx.Err()
	case "add":
		l.more("late", waitsAndEnds("late"))
	default:
		if err := l.misbehave(); err != nil {
			return err
		}
	}
	return waitsAndEnds(culprit)(ctx)
}

func tasksWithLastcall(tasks []namedTask, onAdd func(registrar)) {
	c := &shutdown.Coordinator{Grace: bound}
	os.Exit(c.Main(func(ctx context.Context) error {
		var g group.Group
		add := func(name string, t task) { g.Go(name, t) }
		onAdd(add)
		for _, t := range tasks {
			add(t.name, t.t)
		}
		return g.Run(ctx)
	}))
}

func tasksWithOklog(tasks []namedTask, onAdd func(registrar)) {
	var g run.Group
	add := func(_ string, t task) {
		ctx, cancel := context.WithCancel(context.Background())
		g.Add(func() error { return t(ctx) }, func(error) { cancel() })
	}
	onAdd(add)
	for _, t := range tasks {
		add(t.name, t.t)
	}
	g.Add(run.SignalHandler(context.Background(), syscall.SIGTERM))
	err := g.Run()
	if e := (*run.SignalError)(nil); errors.As(err, &e) || errors.Is(err, run.ErrSignal) {
		err = nil
	}
	leave(err)
}

func tasksWithErrgroup(tasks []namedTask, onAdd func(registrar)) {
	ctx, stop := untilSignal()
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	add := func(_ string, t task) { g.Go(func() error { return t(ctx) }) }
	onAdd(add)
	for _, t := range tasks {
		add(t.name, t.t)
	}
	leave(g.Wait())
}

func tasksWithConc(tasks []namedTask, onAdd func(registrar)) {
	ctx, stop := untilSignal()
	defer stop()
	p := pool.New().WithContext(ctx).WithCancelOnError()
	add := func(_ string, t task) { p.Go(t) }
	onAdd(add)
	for _, t := range tasks {
		add(t.name, t.t)
	}
	leave(p.Wait())
}

// tasksWithSuture has suture's own log and its report of services that did not stop.
func tasksWithSuture(tasks []namedTask, onAdd func(registrar)) {
	ctx, stop := untilSignal()
	defer stop()
	s := suture.New("tasks", suture.Spec{Timeout: bound})
	add := func(name string, t task) { s.Add(&namedService{name, t}) }
	onAdd(add)
	for _, t := range tasks {
		add(t.name, t.t)
	}
	err := s.Serve(ctx)
	if report, _ := s.UnstoppedServiceReport(); len(report) > 0 {
		var names []error
		for _, r := range report {
			names = append(names, errors.New(r.Name+" has not stopped"))
		}
		err = errors.Join(names...)
	}
	leave(err)
}

type namedService struct {
	name string
	t    task
}

func (s *namedService) Serve(ctx context.Context) error { return s.t(ctx) }
func (s *namedService) String() string                  { return s.name }

func tasksWithTomb(tasks []namedTask, onAdd func(registrar)) {
	parent, stop := untilSignal()
	defer stop()
	t, ctx := tomb.WithContext(parent)
	add := func(_ string, f task) { t.Go(func() error { return f(ctx) }) }
	onAdd(add)
	t.Go(func() error {
		for _, f := range tasks {
			add(f.name, f.t)
		}
		return nil
	})
	leave(t.Wait())
}
