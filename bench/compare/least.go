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

// A listed handler is an element of a list, with its call site.
type listed struct {
	handler handler
	site    [1]uintptr
	older   *listed
}

// newLeast makes the simplest list that can say where each handler was registered and how long it
// took. For each handler it keeps the call site, takes a lock, reads the clock, sets a profiler
// label and writes a line of the report. It has no deadlines, no minimums and no isolation, and it
// cannot go on without a stuck handler.
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

// runLeast is oklog/run in order, with the data that a report about a stuck task needs: its call
// site, a profiler label, its times, and a recover, so that a panic does not end the process.
// Nothing reads the data.
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
