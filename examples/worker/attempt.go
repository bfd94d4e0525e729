package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// endTimeout is how long a job may take to return after its context has ended.
const endTimeout = 10 * time.Millisecond

// errHangs is the error of a job that takes longer.
var errHangs = errors.New("the job did not return when its context ended, and was abandoned")

// attempt does the job within jobTimeout, and meanwhile tells the broker that the job is in
// progress. The job runs on its own goroutine, so that one that panics, calls runtime.Goexit or
// hangs does not end the worker.
func (w *worker) attempt(work context.Context, msg jetstream.Msg, j job) (result, error) {
	ctx, cancel := context.WithTimeout(work, w.jobTimeout)
	defer cancel()
	outcomes := make(chan outcome, 1)
	go j.attempt(ctx, outcomes)
	keepAlive := time.NewTicker(w.ackWait / 3)
	defer keepAlive.Stop()
	for {
		select {
		case o := <-outcomes:
			return o.result, o.err
		case <-keepAlive.C:
			_ = msg.InProgress() // fails while the broker is gone; the next one may succeed
		case <-ctx.Done():
			select {
			case o := <-outcomes:
				return o.result, o.err
			case <-time.After(endTimeout):
				return result{}, fmt.Errorf("%w: %w", errHangs, context.Cause(ctx))
			}
		}
	}
}

type outcome struct {
	result result
	err    error
}

// attempt does the job and sends its outcome.
func (j job) attempt(ctx context.Context, outcomes chan<- outcome) {
	o := outcome{err: errors.New("the job called runtime.Goexit")}
	defer func() {
		if v := recover(); v != nil {
			o.err = fmt.Errorf("the job panicked: %v\n%s", v, debug.Stack())
		}
		outcomes <- o
	}()
	o.result, o.err = j.do(ctx)
}
