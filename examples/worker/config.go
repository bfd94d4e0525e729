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
}

func parseConfig(args []string, out io.Writer) (config, error) {
	var c config
	fs := flag.NewFlagSet("worker", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.url, "nats", "", "`URL` of the broker, such as nats://127.0.0.1:4222; without it the worker has one of its own")
	fs.StringVar(&c.listen, "listen", "", "`host:port` at which its own broker serves other workers (default: it does not)")
	fs.StringVar(&c.store, "store", defaultStore(), "`folder` of its own broker")
	fs.Int64Var(&c.maxStore, "max-store", 0, "the most `bytes` that its own broker stores (default: the disk)")
	fs.IntVar(&c.workers, "workers", 4, "how many jobs are worked on at a time; 0: none")
	fs.IntVar(&c.produce, "produce", 0, "put this `many` jobs into the queue first")
	fs.StringVar(&c.batch, "batch", time.Now().UTC().Format("20060102-150405"), "`name` of those jobs; a job that the queue has had already is not put into it again")
	fs.StringVar(&c.kind, "kind", "sleep", "of those jobs: sleep, fail, panic, or deaf")
	fs.DurationVar(&c.work, "work", 20*time.Millisecond, "`time` that each of those jobs takes")
	fs.BoolVar(&c.untilEmpty, "until-empty", false, "end when the queue is empty, and by the signal itself when interrupted")
	fs.DurationVar(&c.grace, "grace", 0, "`time` from the request to stop to the exit (default: shutdown's own)")
	fs.DurationVar(&c.ackWait, "ack-wait", 30*time.Second, "`time` after which the broker gives the job of a worker that is gone to another one")
	fs.DurationVar(&c.jobTimeout, "job-timeout", 10*time.Second, "the most `time` that a job may take")
	fs.IntVar(&c.tries, "tries", 3, "how often a job is tried that fails")
	fs.IntVar(&c.deliveries, "deliveries", 100, "how often a job is handed to a worker, whatever becomes of it: one may take the worker down each time")
	fs.BoolVar(&c.verbose, "verbose", false, "log each job that is taken, and each step of the stop")
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
		return fmt.Errorf("-ack-wait %v: want at least 1s, a worker says three times in it that it is alive", c.ackWait)
	case !token.MatchString(c.batch):
		return fmt.Errorf("-batch %q: want letters, digits, - and _", c.batch)
	case kinds[c.kind] == nil:
		return fmt.Errorf("-kind %q: want sleep, fail, panic, or deaf", c.kind)
	case c.url != "" && c.listen != "":
		return errors.New("-nats and -listen: a broker of its own is not used together with another one")
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

// defaultStore lies in the user's cache, so that jobs survive a restart; where there is no
// home directory, as in many containers, in the temporary one.
func defaultStore() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "lastcall", "worker")
}
