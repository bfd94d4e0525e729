// Command worker is a queue worker that loses no job: it takes jobs from NATS JetStream, and
// each has its effect once, whatever happens to the worker and the broker meanwhile.
//
// Without a -nats it brings its own broker, in the same process and stored on disk:
//
//	go run ./examples/worker -produce 1000
//
// Press Ctrl-C: no more jobs are taken, those in hand are finished, what cannot be finished
// is given back to the queue, and the broker ends last. With -nats many workers share one
// queue, on as many machines as there are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

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
	log := newLogger(os.Stderr, cfg.verbose)
	// A batch that was interrupted has not succeeded: it ends by the signal, so that a
	// Kubernetes Job runs it again. A worker that serves for ever has done all it was to do.
	c := &shutdown.Coordinator{Grace: cfg.grace, Logger: &log, Reraise: cfg.untilEmpty}
	os.Exit(c.Main(func(ctx context.Context) error { return run(ctx, cfg, log) }))
}

func run(ctx context.Context, cfg config, log zerolog.Logger) error {
	c := shutdown.FromContext(ctx)
	q := &queue{config: cfg, log: log}

	// Handlers run newest first: the connection is drained before the broker ends.
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
	c.Register(q.drain, shutdown.Name("connection"))
	if err := q.setUp(ctx); err != nil {
		return err
	}

	t := new(tally)
	c.Start(t.run(log), shutdown.Name("tally"))
	if cfg.produce > 0 {
		if err := q.produce(ctx); err != nil {
			return err
		}
	}
	if cfg.workers == 0 {
		if cfg.url != "" {
			return nil // it has produced, and there is nothing else that it is for
		}
		<-ctx.Done()
		return ctx.Err()
	}
	log.Info().Int("workers", cfg.workers).Msg("working: press Ctrl-C to stop")
	return pool(q, t).Run(ctx)
}

// pool is the workers. All are told to stop at once: they are equals.
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

// newLogger writes JSON, and lines for people where f is a terminal.
func newLogger(f *os.File, verbose bool) zerolog.Logger {
	l := zerolog.New(f)
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		zerolog.DurationFieldFormat = zerolog.DurationFormatString
		l = zerolog.New(zerolog.ConsoleWriter{Out: f, TimeFormat: "15:04:05"})
	}
	if !verbose {
		l = l.Level(zerolog.InfoLevel)
	}
	return l.With().Timestamp().Logger()
}
