package main

import (
	"fmt"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// A tally counts what has become of the jobs that this process was handed.
type tally struct {
	taken     atomic.Int64 // from the queue
	done      atomic.Int64 // with their effect
	before    atomic.Int64 // of those done, how many had their effect already
	retried   atomic.Int64 // failed, and will be tried again
	buried    atomic.Int64 // given up
	givenBack atomic.Int64 // for another worker
	lost      atomic.Int64 // neither: the broker could not be told, and hands them out again
	redone    atomic.Int64 // how often those taken had been handed out before
}

// String is the progress.
func (t *tally) String() string {
	return fmt.Sprintf("%d done, %d given back", t.done.Load(), t.givenBack.Load())
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
