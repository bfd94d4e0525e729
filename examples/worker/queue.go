package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// The subjects, each with the job's ID behind it, and their streams.
const (
	jobs    = "jobs"
	results = "results"
	dead    = "dead" // jobs that were given up, with the reason
)

// consumer is the one that all workers share: a job goes to one of them.
const consumer = "workers"

// Headers of a job that has failed before, and of one that was given up.
const (
	triesHeader  = "Tries"
	reasonHeader = "Reason"
)

// answer is how long the broker may take to answer.
const answer = 5 * time.Second

// tryAgain is the pause after the broker could not be reached.
const tryAgain = 250 * time.Millisecond

// A queue is what the worker knows of the broker.
type queue struct {
	config
	log     zerolog.Logger
	options []nats.Option
	nc      *nats.Conn
	js      jetstream.JetStream
	jobs    jetstream.Consumer
	refused chan error // the first job that was produced and not stored
}

// connect begins to connect. That the broker is not there yet is no error: it may be
// restarted, or come later, and the worker has time.
func (q *queue) connect() (err error) {
	q.nc, err = nats.Connect(q.url, append(q.options,
		nats.Name("lastcall worker"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(tryAgain),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				q.log.Warn().Err(err).Msg("the broker is gone")
			}
		}),
		nats.ConnectHandler(q.connected),
		nats.ReconnectHandler(q.connected),
	)...)
	if err != nil {
		return fmt.Errorf("-nats %q: %w", q.url, err)
	}
	q.refused = make(chan error, 1)
	q.js, err = jetstream.New(q.nc, jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, msg *nats.Msg, err error) {
		select {
		case q.refused <- fmt.Errorf("%s: %w", msg.Subject, err):
		default: // the first one tells
		}
	}))
	return err
}

// redacted is urls, which are separated by commas, without the passwords in them.
func redacted(urls string) string {
	list := strings.Split(urls, ",")
	for i, text := range list {
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			return ""
		}
		list[i] = u.Redacted()
	}
	return strings.Join(list, ",")
}

func (q *queue) connected(nc *nats.Conn) {
	if q.url == "" { // nc gives it a URL at which nobody listens
		q.log.Info().Str("store", q.config.store).Msg("connected to the broker of its own")
		return
	}
	q.log.Info().Str("url", nc.ConnectedUrlRedacted()).Msg("connected to the broker")
}

// setUp makes the streams and the consumer, as soon as the broker is there.
func (q *queue) setUp(ctx context.Context) error {
	for said := false; ; {
		err := q.trySetUp(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if q.nc.IsClosed() { // for good: it is not let in
			return fmt.Errorf("the broker refuses: %w", q.nc.LastError())
		}
		var refused *jetstream.APIError
		if errors.As(err, &refused) && refused.Code != 503 { // which is what a broker says that is not ready
			return fmt.Errorf("the broker refuses: %w", err)
		}
		if !said {
			q.log.Warn().Err(err).Str("url", redacted(q.url)).Msg("the broker is not ready, trying on")
			said = true
		}
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *queue) trySetUp(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	for _, s := range []jetstream.StreamConfig{
		{Name: "JOBS", Subjects: []string{jobs + ".>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: "RESULTS", Subjects: []string{results + ".>"}},
		{Name: "DEAD", Subjects: []string{dead + ".>"}},
	} {
		// One that is there stays as it is: an administrator may have given it replicas, or limits.
		_, err := q.js.Stream(ctx, s.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = q.js.CreateStream(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	q.jobs, err = q.js.CreateOrUpdateConsumer(ctx, "JOBS", jetstream.ConsumerConfig{
		Durable:   consumer,
		AckPolicy: jetstream.AckExplicitPolicy,
		AckWait:   q.ackWait,
		// Jobs that are given back count as delivered: they must not die of that. It is
		// this program that counts the tries.
		MaxDeliver:    -1,
		MaxAckPending: -1, // each worker has one at a time
	})
	if err != nil {
		return fmt.Errorf("consumer %s: %w", consumer, err)
	}
	return nil
}

// drain sees everything out that was said to the broker, such as which jobs are given back.
func (q *queue) drain(ctx context.Context) error {
	defer q.nc.Close()
	if !q.nc.IsConnected() {
		return nil // what it does not know by now it learns when the ack wait is over
	}
	return q.nc.FlushWithContext(ctx)
}

// produce puts jobs into the queue. A batch that is produced twice is in the queue once, as
// long as the broker remembers it, which is for two minutes.
func (q *queue) produce(ctx context.Context) error {
	for i := range q.config.produce {
		j := job{ID: fmt.Sprintf("%s-%06d", q.batch, i), Kind: q.kind, Work: q.work}
		data, err := json.Marshal(j)
		if err != nil {
			return err
		}
		if _, err := q.js.PublishAsync(jobs+"."+j.ID, data, jetstream.WithMsgID(j.ID), jetstream.WithStallWait(answer)); err != nil {
			return fmt.Errorf("%s.%s: %w", jobs, j.ID, err)
		}
		if len(q.refused) > 0 {
			return <-q.refused
		}
	}
	select {
	case <-q.js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-q.refused:
		return err
	default:
	}
	q.log.Info().Int("jobs", q.config.produce).Str("batch", q.batch).Msg("produced")
	return nil
}

// store stores the effect of a job, once for each ID: a second one is refused, in the first
// two minutes by the message's ID, and for ever since the subject has one already. It tries
// until it has an answer or ctx ends, since to do the job again may be dear.
func (q *queue) store(ctx context.Context, r result) (again bool, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	err = q.insist(ctx, func(ctx context.Context) error {
		ack, err := q.js.Publish(ctx, results+"."+r.ID, data,
			jetstream.WithMsgID(r.ID), jetstream.WithExpectLastSequencePerSubject(0))
		again = err == nil && ack.Duplicate
		if refused := (*jetstream.APIError)(nil); errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			again, err = true, nil
		}
		return err
	})
	return again, err
}

// again puts a job that has failed back to the end of the queue, with the number of tries.
func (q *queue) again(ctx context.Context, msg jetstream.Msg, id string, tries int) error {
	return q.move(ctx, msg, jobs+"."+id, id+"/"+strconv.Itoa(tries), nats.Header{triesHeader: {strconv.Itoa(tries)}})
}

// mostReason is how much of a reason goes with a job that was given up: what a job panics
// with may be of any size.
const mostReason = 4 << 10

// bury puts a message that was given up where somebody can look at it. Its own ID is the
// stream's number for it: two that are not the same may have the same job's ID.
func (q *queue) bury(ctx context.Context, msg jetstream.Msg, id, reason string) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	to, unique := dead+"."+id, "dead/"+strconv.FormatUint(meta.Sequence.Stream, 10)
	reason = strings.ToValidUTF8(reason[:min(len(reason), mostReason)], "")
	err = q.move(ctx, msg, to, unique, nats.Header{reasonHeader: {reason}})
	if errors.Is(err, nats.ErrMaxPayload) { // it came without headers, and there is no room for any
		q.log.Warn().Str("job", id).Str("reason", reason).Msg("a job that was given up is too large to have the reason with it")
		err = q.move(ctx, msg, to, "", nil)
	}
	return err
}

// move puts a message elsewhere before it is taken out of the queue, so that it is in two
// places for a moment, and never in none.
func (q *queue) move(ctx context.Context, msg jetstream.Msg, to, id string, header nats.Header) error {
	var opts []jetstream.PublishOpt
	if id != "" {
		opts = append(opts, jetstream.WithMsgID(id))
	}
	err := q.insist(ctx, func(ctx context.Context) error {
		_, err := q.js.PublishMsg(ctx, &nats.Msg{Subject: to, Data: msg.Data(), Header: header}, opts...)
		return err
	})
	if err != nil {
		return err
	}
	return q.confirm(ctx, msg)
}

// confirm takes a job out of the queue that is done with. It does not insist: a broker that was
// killed before it had stored that it handed the job out does not answer until it has done so
// again, for which somebody has to ask it for a job.
func (q *queue) confirm(ctx context.Context, msg jetstream.Msg) (err error) {
	for range 2 { // a second time, should the connection have been lost meanwhile
		once, cancel := context.WithTimeout(ctx, min(answer, q.ackWait))
		err = msg.DoubleAck(once)
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// insist calls f until it succeeds or ctx ends. What is too large does not become smaller.
func (q *queue) insist(ctx context.Context, f func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, answer)
		err := f(once)
		cancel()
		if err == nil || errors.Is(err, nats.ErrMaxPayload) {
			return err
		}
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}
