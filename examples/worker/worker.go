package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A worker does one job after the other. It asks for the next one when it has none: what a
// worker has fetched in advance waits for it, while another one has nothing to do, and is
// more to give back at the end.
type worker struct {
	*queue
	*tally
	name string
}

// run is the task. ctx is the request to stop: no more jobs are taken. The job in hand has
// until the cut.
func (w *worker) run(ctx context.Context) error {
	work := group.WorkContext(ctx)
	msgs, err := w.jobs.Messages(jetstream.PullMaxMessages(1), jetstream.WithMessagesErrOnMissingHeartbeat(false))
	if err != nil {
		return err
	}
	defer func() {
		w.giveBackRest(work, msgs)
		shutdown.SetStatus(ctx, w.tally.String())
	}()
	for {
		shutdown.SetStatus(ctx, w.tally.String())
		msg, err := w.next(ctx, msgs)
		switch {
		case ctx.Err() != nil:
			if msg != nil {
				w.giveBack(msg)
			}
			return ctx.Err()
		case errors.Is(err, errEmpty):
			return nil
		case isGone(err):
			return fmt.Errorf("no more jobs: %w", err) // a new start makes what is gone
		case err != nil:
			w.log.Warn().Err(err).Str("worker", w.name).Msg("no next job, trying on")
			w.pause(ctx)
			continue
		}
		if err := w.handle(ctx, work, msg); err != nil {
			return err
		}
	}
}

func isGone(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrConsumerNotFound) ||
		errors.Is(err, jetstream.ErrMsgIteratorClosed)
}

var errEmpty = errors.New("the queue is empty")

// next waits for a job. While none comes it looks now and then whether there is still a queue:
// of a consumer that was deleted while all its workers had a job in hand, nobody hears.
func (w *worker) next(ctx context.Context, msgs jetstream.MessagesContext) (jetstream.Msg, error) {
	every := w.ackWait
	if w.untilEmpty {
		every = time.Second
	}
	for {
		wait, cancel := context.WithTimeout(ctx, every)
		msg, err := msgs.Next(jetstream.NextContext(wait))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return msg, err
		}
		info, err := w.jobs.Info(ctx)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			return nil, err
		case err == nil && w.untilEmpty && info.NumPending == 0 && info.NumAckPending == 0:
			return nil, errEmpty
		}
	}
}

func (w *worker) pause(ctx context.Context) {
	select {
	case <-time.After(tryAgain):
	case <-ctx.Done():
	}
}

// giveBackRest gives back what was sent to the worker when it had already been told to stop.
// To drop the subscription instead would leave such a job to the ack wait.
func (w *worker) giveBackRest(work context.Context, msgs jetstream.MessagesContext) {
	if !w.nc.IsConnected() {
		msgs.Stop()
		return
	}
	msgs.Drain()
	for {
		msg, err := msgs.Next(jetstream.NextContext(work))
		if err != nil {
			return
		}
		w.giveBack(msg)
	}
}

// giveBack has the broker hand the job to another worker at once.
func (w *worker) giveBack(msg jetstream.Msg) {
	if err := msg.Nak(); err != nil || !w.nc.IsConnected() { // it would not be sent before the end
		w.lost.Add(1)
		return
	}
	w.givenBack.Add(1)
}

// handle sees to it that a job has its effect, is tried again, or is buried: one of them has
// happened before it is taken out of the queue. The error is that the worker was stopped
// before any had.
func (w *worker) handle(ctx, work context.Context, msg jetstream.Msg) error {
	w.taken.Add(1)
	w.inHand.Add(1)
	defer w.inHand.Add(-1)
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	w.redone.Add(int64(meta.NumDelivered) - 1)
	j, err := parseJob(msg.Data())
	if err != nil {
		return w.settle(work, msg, w.buried.Add, w.bury(work, msg, strconv.FormatUint(meta.Sequence.Stream, 10), err.Error()))
	}
	if meta.NumDelivered > uint64(w.deliveries) {
		return w.settle(work, msg, w.buried.Add, w.bury(work, msg, j.ID, "handed out too often: "+strconv.FormatUint(meta.NumDelivered, 10)))
	}
	w.log.Debug().Str("job", j.ID).Str("worker", w.name).Msg("a job is taken")
	shutdown.SetStatus(ctx, "job "+j.ID+" in hand; "+w.tally.String())
	r, err := w.attempt(work, msg, j)
	switch {
	case work.Err() != nil && err != nil:
		w.giveBack(msg)
		// Not wrapped: that the worker was asked to stop is no excuse for a job in hand.
		return fmt.Errorf("job %s was cut, and given back: %v", j.ID, err)
	case err != nil:
		return w.failed(work, msg, j, err)
	}
	r.Worker = w.name
	before, err := w.store(work, r)
	if err == nil {
		if before {
			w.before.Add(1)
		}
		err = w.confirm(work, msg)
	}
	return w.settle(work, msg, w.done.Add, err)
}

// failed has a job tried again, or buries it.
func (w *worker) failed(work context.Context, msg jetstream.Msg, j job, why error) error {
	tries, _ := strconv.Atoi(msg.Headers().Get(triesHeader)) // none is 0
	tries++
	w.log.Warn().Err(why).Str("job", j.ID).Int("try", tries).Msg("a job has failed")
	if tries < w.tries {
		err := w.again(work, msg, j.ID, tries)
		if !errors.Is(err, nats.ErrMaxPayload) {
			return w.settle(work, msg, w.retried.Add, err)
		}
		why = fmt.Errorf("%w: too large to be put back with the number of tries", why)
	}
	return w.settle(work, msg, w.buried.Add, w.bury(work, msg, j.ID, why.Error()))
}

// settle counts what has become of a job. If the broker could not be told, the job is still
// the broker's: it hands it out again, and what has been done already is found to be. If it
// was the time to stop that was not enough, that need not wait for the ack wait.
func (w *worker) settle(work context.Context, msg jetstream.Msg, count func(int64) int64, err error) error {
	if err == nil {
		count(1)
		return nil
	}
	err = fmt.Errorf("the broker was not told what became of %s, and will hand it out again: %v", msg.Subject(), err)
	if work.Err() != nil {
		w.giveBack(msg)
		return err
	}
	w.lost.Add(1)
	w.log.Warn().Err(err).Str("worker", w.name).Msg("trying on")
	return nil
}
