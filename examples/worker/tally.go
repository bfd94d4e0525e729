package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// A tally counts the jobs that were delivered to this process.
type tally struct {
	taken        atomic.Int64 // from the queue
	inHand       atomic.Int64 // in progress
	done         atomic.Int64 // done, with their effect stored
	before       atomic.Int64 // done, but their effect had been stored before
	retried      atomic.Int64 // failed, and will be tried again
	dead         atomic.Int64 // moved to the stream DEAD
	givenBack    atomic.Int64 // given back for another worker
	leftToBroker atomic.Int64 // neither done nor given back: the broker could not be told, and delivers it again
	redone       atomic.Int64 // earlier deliveries of those taken
}

// String returns the progress of all workers of this process.
func (t *tally) String() string {
	return fmt.Sprintf("all workers: %d done, %d in hand, %d given back", t.done.Load(), t.inHand.Load(), t.givenBack.Load())
}

// progressInterval is the time between two progress lines.
const progressInterval = 2 * time.Second

// run is the task that logs the progress, and the counts at its end.
func (t *tally) run(log zerolog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		defer t.report(log)
		tick := time.NewTicker(progressInterval)
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
		Int64("dead", t.dead.Load()).
		Int64("given_back", t.givenBack.Load()).
		Int64("left_to_ack_wait", t.leftToBroker.Load()).
		Int64("delivered_before", t.redone.Load()).
		Msg("jobs")
}
