package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

type config struct {
	url, listen, store string
	maxStore           int64
	workers, produce   int
	batch              string
	kind               string
	work               time.Duration
	untilEmpty         bool
	grace, ackWait     time.Duration
	jobTimeout         time.Duration
	tries, deliveries  int
	verbose            bool
	demo               bool // there are no flags
}

// The jobs of the demonstration: they take 25 s.
const (
	demoJobs = 1000
	demoWork = 100 * time.Millisecond
)

func parseConfig(args []string, out io.Writer) (config, error) {
	var c config
	fs := flag.NewFlagSet("worker", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.url, "nats", "", "`URL` of the broker, such as nats://127.0.0.1:4222 (default: a broker within this process)")
	fs.StringVar(&c.listen, "listen", "", "`host:port` on which the broker within this process serves other workers (default: it serves none)")
	fs.StringVar(&c.store, "store", defaultStore(), "`folder` of the broker within this process")
	fs.Int64Var(&c.maxStore, "max-store", 0, "maximum `bytes` that the broker within this process stores (default: what fits on the disk)")
	fs.IntVar(&c.workers, "workers", 4, "number of workers, each of which does one job at a time; 0 for a process that only produces jobs or serves as the broker")
	fs.IntVar(&c.produce, "produce", 0, "`number` of jobs to put into the queue first")
	fs.StringVar(&c.batch, "batch", time.Now().UTC().Format("20060102-150405"), "`name` of the jobs that -produce makes; a job of the same batch is not added to the queue again")
	fs.StringVar(&c.kind, "kind", "sleep", "`kind` of those jobs: sleep, fail, panic, or hang")
	fs.DurationVar(&c.work, "work", 20*time.Millisecond, "`time` that each of those jobs takes")
	fs.BoolVar(&c.untilEmpty, "until-empty", false, "exit when the queue is empty; end by the signal itself if interrupted")
	fs.DurationVar(&c.grace, "grace", 0, "grace period: `time` from the stop to the exit (default 25s, or from $TERMINATION_GRACE_PERIOD_SECONDS)")
	fs.DurationVar(&c.ackWait, "ack-wait", 30*time.Second, "`time` after which the broker gives the job of a dead worker to another one; the same for all workers")
	fs.DurationVar(&c.jobTimeout, "job-timeout", 10*time.Second, "maximum `time` for a job")
	fs.IntVar(&c.tries, "tries", 3, "number of times that a failing job is tried")
	fs.IntVar(&c.deliveries, "deliveries", 100, "number of times that a job is delivered, even if it crashes its worker each time")
	fs.BoolVar(&c.verbose, "verbose", false, "log each job and each step of the drain")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(out)
			fs.Usage()
		}
		return config{}, err
	}
	if fs.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if len(args) == 0 {
		c.demo, c.produce, c.work, c.untilEmpty = true, demoJobs, demoWork, true
	}
	return c, c.check()
}

func (c config) check() error {
	for _, n := range []struct {
		flag  string
		value int
		least int
	}{
		{"workers", c.workers, 0},
		{"produce", c.produce, 0},
		{"tries", c.tries, 1},
		{"deliveries", c.deliveries, 1},
	} {
		if n.value < n.least {
			return fmt.Errorf("-%s %d: want at least %d", n.flag, n.value, n.least)
		}
	}
	switch {
	case c.maxStore < 0:
		return fmt.Errorf("-max-store %d: want at least 0", c.maxStore)
	case c.grace < 0:
		return fmt.Errorf("-grace %v: want at least 0", c.grace)
	case c.work < 0:
		return fmt.Errorf("-work %v: want at least 0", c.work)
	case c.jobTimeout <= 0:
		return fmt.Errorf("-job-timeout %v: want more than 0", c.jobTimeout)
	case c.ackWait < time.Second:
		return fmt.Errorf("-ack-wait %v: want at least 1s, in which a worker reports three times that its job is in progress", c.ackWait)
	case !token.MatchString(c.batch):
		return fmt.Errorf("-batch %q: want letters, digits, - and _", c.batch)
	case kinds[c.kind] == nil:
		return fmt.Errorf("-kind %q: want sleep, fail, panic, or hang", c.kind)
	case c.url != "" && c.listen != "":
		return errors.New("-nats and -listen: want one of them; -listen is for the broker within this process, which -nats replaces")
	case c.listen != "":
		if _, _, err := splitAddress(c.listen); err != nil {
			return fmt.Errorf("-listen: %w", err)
		}
	}
	return nil
}

func splitAddress(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q: want host:port, such as 127.0.0.1:4222", addr)
	}
	if port, err = net.LookupPort("tcp", text); err != nil {
		return "", 0, fmt.Errorf("%q: port %q is neither a number up to 65535 nor a known service", addr, text)
	}
	return host, port, nil
}

// defaultStore is in the user's cache folder, so that jobs survive a restart. It is in the
// temporary folder where there is no home folder, as in many containers.
func defaultStore() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "lastcall", "worker")
}
