package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/oklog/run"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A listed handler is one of a list, with the place at which it was registered.
type listed struct {
	handler handler
	site    [1]uintptr
	older   *listed
}

// newLeast does nothing but what lastcall's answer to “where was it, and how long did it take?”
// needs of the runtime and of memory, as it would be written for that alone: the call site of
// each handler; then a lock, the clock, a profiler's label and a line in the report. There is
// no deadline, no promise, no isolation, and nobody who would go on.
func newLeast() stack {
	var mu sync.Mutex
	var newest *listed
	n := 0
	return stack{
		register: func(h handler) {
			mu.Lock()
			defer mu.Unlock()
			l := &listed{handler: h, older: newest}
			runtime.Callers(2, l.site[:])
			newest = l
			n++
		},
		drain: func() error {
			began := time.Now()
			lines := make([]shutdown.Step, 0, n)
			label := pprof.WithLabels(context.Background(), pprof.Labels("handler", "least"))
			defer pprof.SetGoroutineLabels(context.Background())
			start := time.Duration(0) // the end of one is the start of the next
			for l := newest; l != nil; l = l.older {
				pprof.SetGoroutineLabels(label)
				err := l.handler(label)
				mu.Lock()
				end := time.Since(began)
				lines = append(lines, shutdown.Step{Name: "least", Site: "least.go", Start: start, Took: end - start, Err: err})
				mu.Unlock()
				start = end
			}
			if len(lines) != n {
				return errors.New("a handler was lost")
			}
			return nil
		},
	}
}

// runLeast is oklog/run in order, with what is needed to say of a task that it is stuck, where it
// was added and how long it took, and nothing else: its call site, a profiler's label of its own,
// the clock, and a panic that does not end the process. Nothing looks at that.
func runLeast(tasks []task) error {
	type told struct {
		site [1]uintptr
		took time.Duration
	}
	var g run.Group
	for k, t := range tasks {
		of := new(told)
		runtime.Callers(1, of.site[:])
		ctx, cancel := context.WithCancel(context.Background())
		ctx = pprof.WithLabels(ctx, pprof.Labels("task", "least#"+strconv.Itoa(k)))
		done := make(chan struct{})
		g.Add(func() (err error) {
			defer close(done)
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("panic: %v", v)
				}
			}()
			pprof.SetGoroutineLabels(ctx)
			return t(ctx)
		}, func(error) {
			began := time.Now()
			cancel()
			<-done
			of.took = time.Since(began)
		})
	}
	return g.Run()
}
