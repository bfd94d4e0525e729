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
	dead    = "dead" // jobs that cannot be done, with the reason
)

// consumer is shared by all workers, so each job goes to one of them.
const consumer = "workers"

// Headers of a job that has failed before, and of a dead one.
const (
	triesHeader  = "Tries"
	reasonHeader = "Reason"
)

// answerTimeout is how long the broker may take to answer.
const answerTimeout = 5 * time.Second

// retryPause is the pause before a failed request to the broker is sent again.
const retryPause = 250 * time.Millisecond

// A queue is the connection to the broker, with its streams.
type queue struct {
	config
	log     zerolog.Logger
	options []nats.Option
	nc      *nats.Conn
	js      jetstream.JetStream
	jobs    jetstream.Consumer
	refused chan error // has the first error of a job that was produced and not stored
}

// connect starts to connect. It is no error if the broker does not run yet: the client goes on
// trying.
func (q *queue) connect() (err error) {
	q.nc, err = nats.Connect(q.url, append(q.options,
		nats.Name("lastcall worker"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(retryPause),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				q.log.Warn().Err(err).Msg("lost the connection to the broker")
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
		default: // keep the first one
		}
	}))
	return err
}

// redacted returns urls, which are separated by commas, with their passwords replaced.
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
	if q.url == "" { // there is no socket, so the URL of nc means nothing
		q.log.Info().Str("store", q.config.store).Msg("connected to the broker within this process")
		return
	}
	q.log.Info().Str("url", nc.ConnectedUrlRedacted()).Msg("connected to the broker")
}

// setUp waits for the broker and creates the streams and the consumer.
func (q *queue) setUp(ctx context.Context) error {
	for said := false; ; {
		err := q.trySetUp(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if q.nc.IsClosed() { // for good, after a failed authorization
			return fmt.Errorf("the broker refuses the connection: %w", q.nc.LastError())
		}
		var refused *jetstream.APIError
		if errors.As(err, &refused) && refused.Code != 503 { // 503: not ready yet
			return fmt.Errorf("the broker refuses the streams: %w", err)
		}
		if !said {
			q.log.Warn().Err(err).Str("url", redacted(q.url)).Msg("the broker is not ready; trying again")
			said = true
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *queue) trySetUp(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for _, s := range []jetstream.StreamConfig{
		{Name: "JOBS", Subjects: []string{jobs + ".>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: "RESULTS", Subjects: []string{results + ".>"}},
		{Name: "DEAD", Subjects: []string{dead + ".>"}},
	} {
		// An existing stream is not changed: an administrator may have set replicas or limits.
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
		// No limit, since a job that is given back counts as delivered. This program counts
		// the tries.
		MaxDeliver:    -1,
		MaxAckPending: -1, // no limit; each worker has one job at a time
	})
	if err != nil {
		return fmt.Errorf("consumer %s: %w", consumer, err)
	}
	return nil
}

// left returns the number of jobs that are not done.
func (q *queue) left(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	info, err := q.jobs.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("consumer %s: %w", consumer, err)
	}
	return info.NumPending + uint64(info.NumAckPending), nil
}

// close sends everything that is buffered, such as which jobs are given back, and closes the
// connection.
func (q *queue) close(ctx context.Context) error {
	defer q.nc.Close()
	if !q.nc.IsConnected() {
		return nil // the broker delivers unconfirmed jobs again after the ack wait
	}
	return q.nc.FlushWithContext(ctx)
}

// fill puts jobs into the queue. The demonstration goes on with the jobs that are left from its
// last run, if there are any.
func (q *queue) fill(ctx context.Context) error {
	if q.demo {
		left, err := q.left(ctx)
		if err != nil {
			return err
		}
		if left > 0 {
			q.log.Info().Uint64("jobs", left).Msg("going on with the jobs of the last run")
			return nil
		}
	}
	if q.config.produce == 0 {
		return nil
	}
	return q.produce(ctx)
}

// produce puts a batch of jobs into the queue. The broker drops duplicates of the batch for two
// minutes.
func (q *queue) produce(ctx context.Context) error {
	for i := range q.config.produce {
		j := job{ID: fmt.Sprintf("%s-%06d", q.batch, i), Kind: q.kind, Work: q.work}
		data, err := json.Marshal(j)
		if err != nil {
			return err
		}
		if _, err := q.js.PublishAsync(jobs+"."+j.ID, data, jetstream.WithMsgID(j.ID), jetstream.WithStallWait(answerTimeout)); err != nil {
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

// store stores the effect of a job. It reports whether there was one already: the broker refuses
// a second effect for the same ID, in the first two minutes by the ID of the message, and after
// that since its subject has a message. store tries until the broker answers or ctx ends, since
// it may be expensive to do the job again.
func (q *queue) store(ctx context.Context, r result) (before bool, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	err = q.retry(ctx, func(ctx context.Context) error {
		ack, err := q.js.Publish(ctx, results+"."+r.ID, data,
			jetstream.WithMsgID(r.ID), jetstream.WithExpectLastSequencePerSubject(0))
		before = err == nil && ack.Duplicate
		if refused := (*jetstream.APIError)(nil); errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
			before, err = true, nil
		}
		return err
	})
	return before, err
}

// requeue puts a failed job at the end of the queue, with the number of tries.
func (q *queue) requeue(ctx context.Context, msg jetstream.Msg, id string, tries int) error {
	return q.move(ctx, msg, jobs+"."+id, id+"/"+strconv.Itoa(tries), nats.Header{triesHeader: {strconv.Itoa(tries)}})
}

// maxReason is the maximum length of the reason that is stored with a dead job. The value of a
// panic may be of any size.
const maxReason = 4 << 10

// moveToDead moves a message that cannot be done to the stream DEAD. The new message's ID is
// made of the old one's sequence number, since two messages may have the same job ID.
func (q *queue) moveToDead(ctx context.Context, msg jetstream.Msg, id, reason string) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	to, unique := dead+"."+id, "dead/"+strconv.FormatUint(meta.Sequence.Stream, 10)
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	err = q.move(ctx, msg, to, unique, nats.Header{reasonHeader: {reason}})
	if errors.Is(err, nats.ErrMaxPayload) { // there is no room for a header
		q.log.Warn().Str("job", id).Str("reason", reason).Msg("dead job is too large to store the reason with it")
		err = q.move(ctx, msg, to, "", nil)
	}
	return err
}

// move stores a message elsewhere and then takes it out of the queue. For a moment it is in both
// places; it is never in none.
func (q *queue) move(ctx context.Context, msg jetstream.Msg, to, id string, header nats.Header) error {
	var opts []jetstream.PublishOpt
	if id != "" {
		opts = append(opts, jetstream.WithMsgID(id))
	}
	err := q.retry(ctx, func(ctx context.Context) error {
		_, err := q.js.PublishMsg(ctx, &nats.Msg{Subject: to, Data: msg.Data(), Header: header}, opts...)
		return err
	})
	if err != nil {
		return err
	}
	return q.confirm(ctx, msg)
}

// confirm takes a job out of the queue. It tries only twice: a broker that was killed before it
// had stored the delivery does not answer until it has delivered the job again, and so some
// worker has to ask for one.
func (q *queue) confirm(ctx context.Context, msg jetstream.Msg) (err error) {
	for range 2 { // the second time in case that the connection was lost
		once, cancel := context.WithTimeout(ctx, min(answerTimeout, q.ackWait))
		err = msg.DoubleAck(once)
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// retry calls f until it succeeds, ctx ends, or the message is too large.
func (q *queue) retry(ctx context.Context, f func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, answerTimeout)
		err := f(once)
		cancel()
		if err == nil || errors.Is(err, nats.ErrMaxPayload) {
			return err
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}
