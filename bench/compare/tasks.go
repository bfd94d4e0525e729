package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/oklog/run"
	"github.com/sourcegraph/conc/pool"
	"github.com/thejerf/suture/v4"
	"golang.org/x/sync/errgroup"
	"gopkg.in/tomb.v2"

	"github.com/lastcall-go/lastcall/group"
)

type task = func(context.Context) error

// A crew runs tasks until one of them returns errStop, and returns when all have ended.
type crew func(tasks []task) error

var errStop = errors.New("stop")

const (
	concurrent   = "lastcall, Concurrent"
	oklogName    = "oklog/run"
	oklogInOrder = "oklog/run, in order"
	leastInOrder = "the least, in order"
	errgroupName = "x/sync/errgroup"
	concName     = "sourcegraph/conc"
	sutureName   = "suture v4"
	tombName     = "tomb.v2"
	tasksEach    = 10_000 // the least number of tasks in a repetition
)

var crews = map[string]crew{
	lastcall:     func(tasks []task) error { return runLastcall(tasks, false) },
	concurrent:   func(tasks []task) error { return runLastcall(tasks, true) },
	oklogName:    runOklog,
	oklogInOrder: runOklogInOrder,
	leastInOrder: runLeast,
	errgroupName: runErrgroup,
	concName:     runConc,
	sutureName:   runSuture,
	tombName:     runTomb,
}

func taskContest(sizes []size) contest {
	return contest{
		title:   "tasks",
		names:   []string{lastcall, concurrent, oklogName, oklogInOrder, leastInOrder, errgroupName, concName, sutureName, tombName},
		sizes:   sizes,
		measure: measureTasks,
	}
}

func waits(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func measureTasks(name string, n int) (cost, error) {
	times := max(1, tasksEach/n)
	before := runtime.NumGoroutine()
	defer settle(before)
	tasks := make([]task, n)
	for k := range tasks {
		tasks[k] = waits
	}
	tasks[n-1] = func(context.Context) error { return errStop }
	m := startMeter()
	for range times {
		if err := crews[name](tasks); err != nil && !errors.Is(err, errStop) {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	c := cost{}
	c[runTime], c[runAllocs] = m.stop(n * times)
	settle(before)
	for what, amount := range measureIdle(crews[name], n) {
		c[what] = amount
	}
	return c, nil
}

// measureIdle measures the memory of a crew whose tasks all wait.
func measureIdle(run crew, n int) cost {
	var begun, stopped sync.WaitGroup
	begun.Add(n)
	stop := make(chan struct{})
	tasks := make([]task, n)
	for k := range tasks {
		tasks[k] = func(ctx context.Context) error {
			begun.Done()
			return waits(ctx)
		}
	}
	tasks[n-1] = func(context.Context) error {
		begun.Done()
		<-stop
		return errStop
	}
	before := weigh()
	before.goroutines++ // one runs the crew, and does not count
	stopped.Go(func() { _ = run(tasks) })
	begun.Wait()
	c := weigh().more(before, n)
	close(stop)
	stopped.Wait()
	return c
}

func runLastcall(tasks []task, concurrent bool) error {
	g := group.Group{Concurrent: concurrent}
	for _, t := range tasks {
		g.Go("task", t)
	}
	return g.Run(context.Background())
}

// runOklog uses run.Group as it is: it interrupts all actors and then waits for all.
func runOklog(tasks []task) error {
	var g run.Group
	for _, t := range tasks {
		ctx, cancel := context.WithCancel(context.Background())
		g.Add(func() error { return t(ctx) }, func(error) { cancel() })
	}
	return g.Run()
}

// runOklogInOrder waits for each actor before it interrupts the next, as lastcall does.
func runOklogInOrder(tasks []task) error {
	var g run.Group
	for _, t := range tasks {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		g.Add(func() error {
			defer close(done)
			return t(ctx)
		}, func(error) {
			cancel()
			<-done
		})
	}
	return g.Run()
}

func runErrgroup(tasks []task) error {
	g, ctx := errgroup.WithContext(context.Background())
	for _, t := range tasks {
		g.Go(func() error { return t(ctx) })
	}
	return g.Wait()
}

func runConc(tasks []task) error {
	p := pool.New().WithContext(context.Background()).WithCancelOnError().WithFirstError()
	for _, t := range tasks {
		p.Go(t)
	}
	return p.Wait()
}

func runTomb(tasks []task) error {
	t, ctx := tomb.WithContext(context.Background())
	// A tomb is dead when no goroutine is left, and this one adds the others.
	t.Go(func() error {
		for _, f := range tasks {
			t.Go(func() error { return f(ctx) })
		}
		return nil
	})
	return t.Wait()
}

// runSuture ends the context instead of returning an error, because suture restarts a service that
// fails.
func runSuture(tasks []task) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := suture.New("tasks", suture.Spec{EventHook: func(suture.Event) {}})
	for _, t := range tasks {
		s.Add(service{t, cancel})
	}
	if err := s.Serve(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

type service struct {
	task task
	stop func()
}

func (s service) Serve(ctx context.Context) error {
	err := s.task(ctx)
	if errors.Is(err, errStop) {
		s.stop()
		return suture.ErrDoNotRestart
	}
	return err
}
