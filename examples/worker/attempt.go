package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// obedience is how soon a job that is told to end comes back, if it does at all.
const obedience = 10 * time.Millisecond

// errDeaf is what becomes of a job that does not.
var errDeaf = errors.New("the job does not end, and was left behind")

// attempt does the job, for its time at most, and has the broker know meanwhile that it is
// worked on. It is done on a goroutine of its own, since it may panic, end that goroutine, or
// never come back: none of them is the worker's end.
func (w *worker) attempt(work context.Context, msg jetstream.Msg, j job) (result, error) {
	ctx, cancel := context.WithTimeout(work, w.jobTimeout)
	defer cancel()
	came := make(chan outcome, 1)
	go j.attempt(ctx, came)
	alive := time.NewTicker(w.ackWait / 3)
	defer alive.Stop()
	for {
		select {
		case o := <-came:
			return o.result, o.err
		case <-alive.C:
			_ = msg.InProgress() // the broker may be gone; the next one will tell
		case <-ctx.Done():
			select {
			case o := <-came:
				return o.result, o.err
			case <-time.After(obedience):
				return result{}, fmt.Errorf("%w: %w", errDeaf, context.Cause(ctx))
			}
		}
	}
}

type outcome struct {
	result result
	err    error
}

// attempt sends how the job has come back.
func (j job) attempt(ctx context.Context, came chan<- outcome) {
	o := outcome{err: errors.New("the job has ended its goroutine")}
	defer func() {
		if v := recover(); v != nil {
			o.err = fmt.Errorf("the job has panicked: %v\n%s", v, debug.Stack())
		}
		came <- o
	}()
	o.result, o.err = j.do(ctx)
}
