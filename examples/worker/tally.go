package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// A tally counts what has become of the jobs that this process was handed.
type tally struct {
	taken     atomic.Int64 // from the queue
	inHand    atomic.Int64 // being worked on
	done      atomic.Int64 // with their effect
	before    atomic.Int64 // of those done, how many had their effect already
	retried   atomic.Int64 // failed, and will be tried again
	buried    atomic.Int64 // given up
	givenBack atomic.Int64 // for another worker
	lost      atomic.Int64 // neither: the broker could not be told, and hands them out again
	redone    atomic.Int64 // how often those taken had been handed out before
}

// String is the progress, of all workers of this process.
func (t *tally) String() string {
	return fmt.Sprintf("all workers: %d done, %d in hand, %d given back", t.done.Load(), t.inHand.Load(), t.givenBack.Load())
}

// often is how often the progress is logged, where there is any.
const often = 2 * time.Second

// run is the task that logs the progress until its end, and what it came to then.
func (t *tally) run(log zerolog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		defer t.report(log)
		tick := time.NewTicker(often)
		defer tick.Stop()
		for last := t.String(); ; {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			if now := t.String(); now != last {
				log.Info().Int64("done", t.done.Load()).Int64("in_hand", t.inHand.Load()).
					Int64("given_back", t.givenBack.Load()).Msg("progress")
				last = now
			}
		}
	}
}

func (t *tally) report(log zerolog.Logger) {
	log.Info().
		Int64("taken", t.taken.Load()).
		Int64("done", t.done.Load()).
		Int64("done_before", t.before.Load()).
		Int64("to_try_again", t.retried.Load()).
		Int64("dead", t.buried.Load()).
		Int64("given_back", t.givenBack.Load()).
		Int64("left_to_ack_wait", t.lost.Load()).
		Int64("delivered_before", t.redone.Load()).
		Msg("jobs")
}
