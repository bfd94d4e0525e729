// Command worker is a queue worker that loses no job. It takes jobs from NATS JetStream, and
// each job has its effect once, even if workers or the broker crash.
//
// Without flags it is a demonstration. It runs a broker in the same process, puts 1000 jobs
// into the queue, does them, and exits:
//
//	go run ./examples/worker
//
// At Ctrl-C the workers take no more jobs, finish those in hand, and give back those that they
// cannot finish in time. The broker stops last. The next run goes on with the jobs that are
// left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

func main() {
	cfg, err := parseConfig(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(2)
	}
	log, terminal := newLogger(os.Stderr, cfg.verbose)
	// A batch that was interrupted has not succeeded. It ends by the signal, so that a
	// Kubernetes Job runs it again. For other workers, and the demonstration, a stop by a
	// signal is a success.
	c := &shutdown.Coordinator{Grace: cfg.grace, Reraise: cfg.untilEmpty && !cfg.demo}
	if !terminal || cfg.verbose { // on a terminal the Coordinator's own log also prints the timeline
		c.Logger = &log
	}
	os.Exit(c.Main(func(ctx context.Context) error { return run(ctx, cfg, log) }))
}

func run(ctx context.Context, cfg config, log zerolog.Logger) error {
	c := shutdown.FromContext(ctx)
	q := &queue{config: cfg, log: log}

	// Handlers run newest first, so the connection is flushed before the broker stops.
	if cfg.url == "" {
		b, err := startBroker(ctx, cfg, log)
		if err != nil {
			return err
		}
		c.Start(b.run, shutdown.Name("broker"))
		q.options = b.options()
	}
	if err := q.connect(); err != nil {
		return err
	}
	c.Register(q.close, shutdown.Name("connection"))
	if err := q.setUp(ctx); err != nil {
		return err
	}

	t := new(tally)
	c.Start(t.run(log), shutdown.Name("tally"))
	if err := q.fill(ctx); err != nil {
		return err
	}
	if cfg.workers == 0 {
		if cfg.url != "" {
			return nil // it was only to produce jobs
		}
		<-ctx.Done()
		return ctx.Err()
	}
	log.Info().Int("workers", cfg.workers).Msg("working; press Ctrl-C to stop")
	return pool(q, t).Run(ctx)
}

// pool returns the group of workers. It is concurrent, since no worker depends on another one.
func pool(q *queue, t *tally) *group.Group {
	g := &group.Group{Concurrent: true}
	for i := range q.workers {
		w := &worker{queue: q, tally: t, name: fmt.Sprintf("worker-%d", i+1)}
		if q.untilEmpty {
			g.Go(w.name, w.run, group.MayFinish())
		} else {
			g.Go(w.name, w.run)
		}
	}
	return g
}

// newLogger returns a logger that writes JSON, or readable lines if f is a terminal.
func newLogger(f *os.File, verbose bool) (log zerolog.Logger, terminal bool) {
	l := zerolog.New(f)
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		zerolog.DurationFieldFormat = zerolog.DurationFormatString
		l, terminal = zerolog.New(zerolog.ConsoleWriter{Out: f, TimeFormat: time.TimeOnly}), true
	}
	if !verbose {
		l = l.Level(zerolog.InfoLevel)
	}
	return l.With().Timestamp().Logger(), terminal
}
