package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/lastcall-go/lastcall/shutdown"
)

const handlersChild = "handlers"

// A program registers the handlers, in this order, waits for SIGTERM, runs them in its way,
// and ends the process, with a message if something went wrong. It is written as a user of the
// library would write it, with everything that the library offers against the fault.
type program func(handlers []namedHandler, onRegister func(registrar))

type namedHandler struct {
	name string
	h    handler
}

// A registrar registers one more handler.
type registrar = func(name string, h func(context.Context) error)

var handlerPrograms = map[string]program{
	lastcall:    withLastcall,
	fxName:      withFx,
	afterFunc:   withAfterFunc,
	withTimeout: withGoroutines,
	cleanupName: withCleanup,
	bareSlice:   withSlice,
}

var handlerLibraries = []string{lastcall, fxName, afterFunc, withTimeout, cleanupName, bareSlice}

func handlerFault(library, fault string) {
	l := &ledger{fault: fault}
	handlerPrograms[library]([]namedHandler{
		{oldest, ended(oldest)},
		{culprit, l.flush},
		{newest, ended(newest)},
	}, func(r registrar) { l.more = r })
}

// A ledger has the handler or task at fault as a method.
type ledger struct {
	fault string
	more  registrar
	begun atomic.Int32
}

// flush is the handler at fault.
func (l *ledger) flush(ctx context.Context) error {
	if l.fault == "slow" {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
			return nil
		}
	}
	return l.misbehave()
}

func withLastcall(handlers []namedHandler, onRegister func(registrar)) {
	c := &shutdown.Coordinator{Grace: bound}
	register := func(name string, h handler) { c.Register(h, shutdown.Name(name)) }
	onRegister(register)
	for _, h := range handlers {
		register(h.name, h.h)
	}
	os.Exit(c.Main(func(ctx context.Context) error {
		say("ready")
		return waits(ctx)
	}))
}

// withFx has fx's own log: it names the functions of hooks.
func withFx(handlers []namedHandler, onRegister func(registrar)) {
	fx.New(fx.StopTimeout(bound), fx.Invoke(func(l fx.Lifecycle) {
		register := func(_ string, h handler) { l.Append(fx.Hook{OnStop: h}) }
		onRegister(register)
		for _, h := range handlers {
			register(h.name, h.h)
		}
		l.Append(fx.Hook{OnStart: func(context.Context) error {
			time.AfterFunc(50*time.Millisecond, func() { say("ready") }) // when Run waits for signals
			return nil
		}})
	})).Run()
}

// untilSignal waits as most programs do. The second signal has no effect, because stop is
// deferred.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM)
	return ctx, stop
}

func withAfterFunc(handlers []namedHandler, onRegister func(registrar)) {
	ctx, stop := untilSignal()
	defer stop()
	var all sync.WaitGroup
	var errs firstError
	register := func(name string, h handler) {
		all.Add(1)
		context.AfterFunc(ctx, func() {
			defer all.Done()
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
			defer cancel()
			errs.add(name, h(bounded))
		})
	}
	onRegister(register)
	for _, h := range handlers {
		register(h.name, h.h)
	}
	say("ready")
	<-ctx.Done()
	all.Wait()
	leave(errs.get())
}

type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) add(name string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, fmt.Errorf("%s: %w", name, err))
}

func (f *firstError) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// withGoroutines gives each of the three handlers a third of the time, and knows their
// names.
func withGoroutines(handlers []namedHandler, onRegister func(registrar)) {
	ctx, stop := untilSignal()
	defer stop()
	register := func(name string, h handler) { handlers = append(handlers, namedHandler{name, h}) }
	onRegister(register)
	say("ready")
	<-ctx.Done()
	code := 0
	for len(handlers) > 0 {
		last := len(handlers) - 1
		h := handlers[last]
		handlers = handlers[:last]
		if err := callWithTimeout(h.h, bound/3); err != nil {
			log.Printf("%s: %v", h.name, err)
			code = 1
		}
	}
	os.Exit(code)
}

// withSlice shares one context among all handlers.
func withSlice(handlers []namedHandler, onRegister func(registrar)) {
	ctx, stop := untilSignal()
	defer stop()
	register := func(name string, h handler) { handlers = append(handlers, namedHandler{name, h}) }
	onRegister(register)
	say("ready")
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	code := 0
	for len(handlers) > 0 {
		last := len(handlers) - 1
		h := handlers[last]
		handlers = handlers[:last]
		if err := h.h(ctx); err != nil {
			log.Printf("%s: %v", h.name, err)
			code = 1
		}
	}
	os.Exit(code)
}

// withCleanup runs handlers as a test does at its end. Cleanup exists for tests, so a program needs
// this detour to use it.
func withCleanup(handlers []namedHandler, onRegister func(registrar)) {
	ctx, stop := untilSignal()
	defer stop()
	var errs firstError
	testing.Benchmark(func(b *testing.B) {
		register := func(name string, h handler) {
			b.Cleanup(func() {
				bounded, cancel := context.WithTimeout(context.Background(), bound)
				defer cancel()
				errs.add(name, h(bounded))
			})
		}
		onRegister(register)
		for _, h := range handlers {
			register(h.name, h.h)
		}
		say("ready")
		<-ctx.Done()
		b.SkipNow()
	})
	leave(errs.get())
}
