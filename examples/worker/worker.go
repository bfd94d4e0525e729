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

// A worker does one job after the other. It does not fetch jobs in advance: these would wait
// while another worker is idle, and would have to be given back at the stop.
type worker struct {
	*queue
	*tally
	name string
}

// run is the task. When ctx ends, it takes no more jobs; the job in hand has until the worker's
// deadline.
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
			return fmt.Errorf("no more jobs: %w", err) // the next start creates it again
		case err != nil:
			w.log.Warn().Err(err).Str("worker", w.name).Msg("cannot get the next job; trying again")
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

// next waits for a job. Meanwhile it checks now and then that the consumer still exists: the
// broker does not tell a worker if the consumer was deleted while all workers had jobs in hand.
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
	case <-time.After(retryPause):
	case <-ctx.Done():
	}
}

// giveBackRest gives back a job that the broker sent after the worker was told to stop. If the
// subscription was just dropped, nobody would get that job before the ack wait is over.
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

// giveBack tells the broker to deliver the job to another worker at once.
func (w *worker) giveBack(msg jetstream.Msg) {
	if err := msg.Nak(); err != nil || !w.nc.IsConnected() { // the exit may come before it is sent
		w.leftToBroker.Add(1)
		return
	}
	w.givenBack.Add(1)
}

// handle does a job. It takes the job out of the queue only after the job's effect was stored, or
// the job was put back for another try or moved to DEAD. It returns an error if the worker had to
// stop before that.
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
		return w.settle(work, msg, w.dead.Add, w.moveToDead(work, msg, strconv.FormatUint(meta.Sequence.Stream, 10), err.Error()))
	}
	if meta.NumDelivered > uint64(w.deliveries) {
		return w.settle(work, msg, w.dead.Add, w.moveToDead(work, msg, j.ID, "handed out too progressInterval: "+strconv.FormatUint(meta.NumDelivered, 10)))
	}
	w.log.Debug().Str("job", j.ID).Str("worker", w.name).Msg("job taken")
	shutdown.SetStatus(ctx, "job "+j.ID+" in hand; "+w.tally.String())
	r, err := w.attempt(work, msg, j)
	switch {
	case work.Err() != nil && err != nil:
		w.giveBack(msg)
		// Not wrapped: a wrapped context error would make an unfinished job a clean stop.
		return fmt.Errorf("job %s was interrupted and given back: %v", j.ID, err)
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

// failed puts a job back for another try, or moves it to DEAD after the last one.
func (w *worker) failed(work context.Context, msg jetstream.Msg, j job, why error) error {
	tries, _ := strconv.Atoi(msg.Headers().Get(triesHeader)) // none is 0
	tries++
	w.log.Warn().Err(why).Str("job", j.ID).Int("try", tries).Msg("job failed")
	if tries < w.tries {
		err := w.requeue(work, msg, j.ID, tries)
		if !errors.Is(err, nats.ErrMaxPayload) {
			return w.settle(work, msg, w.retried.Add, err)
		}
		why = fmt.Errorf("%w; the job is too large to store the number of tries with it", why)
	}
	return w.settle(work, msg, w.dead.Add, w.moveToDead(work, msg, j.ID, why.Error()))
}

// settle counts a job whose effect was stored or that was moved. With an error the broker was not
// told, and delivers the job again; an effect that was stored is found then. If the worker had to
// stop, settle gives the job back, so that this does not take until the ack wait is over.
func (w *worker) settle(work context.Context, msg jetstream.Msg, count func(int64) int64, err error) error {
	if err == nil {
		count(1)
		return nil
	}
	err = fmt.Errorf("cannot tell the broker that %s is done, so it will deliver it again: %v", msg.Subject(), err)
	if work.Err() != nil {
		w.giveBack(msg)
		return err
	}
	w.leftToBroker.Add(1)
	w.log.Warn().Err(err).Str("worker", w.name).Msg("job not confirmed; going on")
	return nil
}
