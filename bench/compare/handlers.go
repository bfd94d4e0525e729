package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/lastcall-go/lastcall/shutdown"
)

type handler = func(context.Context) error

func empty(context.Context) error { return nil }

// A stack registers handlers and drains them.
type stack struct {
	register func(handler)
	ready    func() error // after the last registration; nil where there is nothing to do
	drain    func() error
}

const (
	lastcall     = "lastcall"
	fxtestName   = "fxtest.Lifecycle"
	fxName       = "fx.App"
	afterFunc    = "context.AfterFunc"
	withTimeout  = "goroutine with timeout"
	cleanupName  = "testing.B.Cleanup"
	leastName    = "the least"
	bareSlice    = "bare slice"
	perHandler   = 5 * time.Second
	handlersEach = 20_000 // the least number of handlers in a repetition, in several stacks if needed
)

var stacks = map[string]func() stack{
	lastcall:    newLastcall,
	fxtestName:  newFxtest,
	fxName:      newFx,
	afterFunc:   newAfterFunc,
	withTimeout: newWithTimeout,
	leastName:   newLeast,
	bareSlice:   newBareSlice,
}

func handlerContest(sizes []size) contest {
	return contest{
		title:   "handlers",
		names:   []string{lastcall, fxtestName, fxName, afterFunc, withTimeout, cleanupName, leastName, bareSlice},
		sizes:   sizes,
		measure: inChild,
	}
}

func measureHandlers(name string, n int) (cost, error) {
	times := max(1, min(200, handlersEach/n))
	if name == cleanupName {
		return measureCleanup(n, times), nil
	}
	made := make([]stack, times)
	for k := range made {
		made[k] = stacks[name]()
	}
	before := weigh()
	m := startMeter()
	for _, s := range made {
		for range n {
			s.register(empty)
		}
	}
	c := cost{}
	c[registerTime], c[registerAllocs] = m.stop(n * times)
	for _, s := range made {
		if s.ready != nil {
			if err := s.ready(); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for what, amount := range weigh().more(before, n*times) {
		c[what] = amount
	}
	m = startMeter()
	for _, s := range made {
		if err := s.drain(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	c[drainTime], c[drainAllocs] = m.stop(n * times)
	return c, nil
}

var silent = zerolog.New(io.Discard).Level(zerolog.InfoLevel)

func quiet() *shutdown.Coordinator {
	return &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &silent}
}

func newLastcall() stack {
	c := quiet()
	return stack{
		register: func(h handler) { c.Register(h) },
		drain:    func() error { return c.Run(context.Background(), empty).Err() },
	}
}

// newFxtest is the lifecycle of package fxtest, with its log.
func newFxtest() stack {
	l := fxtest.NewLifecycle(noTest{})
	return stack{
		register: func(h handler) { l.Append(fx.Hook{OnStop: h}) },
		ready:    func() error { return l.Start(context.Background()) },
		drain:    func() error { return l.Stop(context.Background()) },
	}
}

type noTest struct{}

func (noTest) Logf(string, ...any)       {}
func (noTest) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (noTest) FailNow()                  { panic("failed") }
func (noTest) Error(a ...any)            { panic(fmt.Sprint(a...)) }
func (noTest) Helper()                   {}
func (noTest) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// newFx is an application without any log.
func newFx() stack {
	var l fx.Lifecycle
	app := fx.New(fx.NopLogger, fx.StopTimeout(time.Minute), fx.Populate(&l))
	return stack{
		register: func(h handler) { l.Append(fx.Hook{OnStop: h}) },
		ready:    func() error { return app.Start(context.Background()) },
		drain:    func() error { return app.Stop(context.Background()) }, //lastcall:ignore unbounded a limit is not what is measured
	}
}

// newAfterFunc waits for its handlers. The context package does not.
func newAfterFunc() stack {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	return stack{
		register: func(h handler) {
			all.Add(1)
			context.AfterFunc(ctx, func() {
				defer all.Done()
				_ = h(context.Background())
			})
		},
		drain: func() error {
			cancel()
			all.Wait()
			return nil
		},
	}
}

// newWithTimeout is the usual code that does not wait for a stuck handler.
func newWithTimeout() stack {
	var handlers []handler
	return stack{
		register: func(h handler) { handlers = append(handlers, h) },
		drain: func() error {
			for n := len(handlers) - 1; n >= 0; n-- {
				if err := callWithTimeout(handlers[n], perHandler); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func callWithTimeout(h handler, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newBareSlice() stack {
	var handlers []handler
	return stack{
		register: func(h handler) { handlers = append(handlers, h) },
		drain: func() error {
			for n := len(handlers) - 1; n >= 0; n-- {
				if err := handlers[n](context.Background()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// measureCleanup registers handlers in a benchmark, which runs them when it ends. Only one benchmark
// can run at a time, so each is measured alone.
func measureCleanup(n, times int) cost {
	sum := cost{}
	for range times {
		for what, amount := range cleanup(n) {
			sum[what] += amount / float64(times)
		}
	}
	return sum
}

func cleanup(n int) cost {
	c := cost{}
	testing.Benchmark(func(b *testing.B) {
		before := weigh()
		var m meter
		b.Cleanup(func() { c[drainTime], c[drainAllocs] = m.stop(n) }) // the last to run
		m = startMeter()
		for range n {
			b.Cleanup(func() { _ = empty(context.Background()) })
		}
		c[registerTime], c[registerAllocs] = m.stop(n)
		for what, amount := range weigh().more(before, n) {
			c[what] = amount
		}
		m = startMeter()
		b.SkipNow() // once is enough
	})
	return c
}
