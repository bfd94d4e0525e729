// Command compare measures lastcall and other libraries for the same purpose, gives all of them the
// same faults, and writes the results to RESULTS.md, with pictures.
//
//	go run ./bench/compare           # some minutes; writes to the folder bench
//	go run ./bench/compare -quick    # about two minutes, with fewer sizes and repetitions
//
// All tables, verdicts and pictures come from the run. The command uses only the loopback interface
// and processes that it starts, some of which it builds with the go command. Nothing else should run
// on the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/lastcall-go/lastcall/bench/internal/httpcost"
	"github.com/lastcall-go/lastcall/signals"
)

func main() {
	var err error
	if len(os.Args) > 2 && os.Args[1] == childArg {
		err = child(os.Args[2:])
	} else {
		ctx, stop := signals.NotifyContext(context.Background())
		err = compare(ctx, os.Args[1:], os.Stderr)
		stop()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// A report holds all results.
type report struct {
	quick                          bool
	began                          time.Time
	took                           time.Duration
	loadBefore, loadAfter          string
	exits, handlers, tasks, signal *results
	request, lag, scans            *results
	growths                        []*growth
	handlerTrials, taskTrials      []*trial
}

func compare(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "fewer sizes and repetitions")
	dir := flags.String("o", "bench", "the `folder` in which RESULTS.md and the pictures are written")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if info, err := os.Stat(*dir); err != nil || !info.IsDir() { // now, and not after minutes of measuring
		return fmt.Errorf("-o %s is not a folder: run this in the root of the repository, or name another one", *dir)
	}
	if runtime.GOOS == "windows" {
		return errors.New("there is no SIGTERM on Windows")
	}
	began := time.Now()
	r, err := measureAll(ctx, *quick, func(what string) {
		fmt.Fprintf(stderr, "%4.0f s  %s\n", time.Since(began).Seconds(), what)
	})
	if err != nil {
		return err
	}
	return r.write(*dir)
}

func measureAll(ctx context.Context, quick bool, progress func(string)) (r *report, err error) {
	r = &report{quick: quick, began: time.Now(), loadBefore: load()}
	// With fewer than six repetitions a median has no confidence interval.
	handlers := []size{{1, 25}, {10, 25}, {100, 25}, {100_000, 11}, {1_000_000, 3}}
	tasks := []size{{1, 15}, {100, 25}, {10_000, 9}}
	scans := []size{{10, 15}, {1000, 9}, {10_000, 5}, {100_000, 3}}
	exits, repetitions, requests, lags, grown := 100, 15, 4000, 9, 5
	if quick {
		handlers = []size{{1, 7}, {10, 7}, {100, 7}, {100_000, 6}}
		tasks = []size{{1, 3}, {100, 7}, {10_000, 3}}
		scans = []size{{10, 3}, {1000, 3}, {10_000, 3}}
		exits, repetitions, requests, lags, grown = 20, 6, 400, 1, 1
	}
	if r.exits, err = holdExits(ctx, exits, progress); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		contest
		results **results
	}{
		{handlerContest(handlers), &r.handlers},
		{taskContest(tasks), &r.tasks},
		{lagContest(lags), &r.lag},
		{scanContest(scans), &r.scans},
	} {
		if *c.results, err = c.hold(ctx, progress); err != nil {
			return nil, err
		}
	}
	if r.request, err = holdRequests(ctx, requests, progress); err != nil {
		return nil, err
	}
	if r.signal, err = holdSignals(ctx, repetitions, progress); err != nil {
		return nil, err
	}
	r.growths = growths(quick)
	for _, g := range r.growths {
		if err := g.hold(ctx, grown, progress); err != nil {
			return nil, err
		}
	}
	if r.handlerTrials, err = try(ctx, handlersChild, handlerFaults, handlerLibraries, progress); err != nil {
		return nil, err
	}
	if r.taskTrials, err = try(ctx, tasksChild, taskFaults, taskLibraries, progress); err != nil {
		return nil, err
	}
	r.took, r.loadAfter = time.Since(r.began), load()
	return r, nil
}

func (r *report) write(dir string) error {
	for _, c := range r.charts() {
		if err := c.write(dir); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(r.markdown()), 0o644)
}

func (r *report) charts() []chart {
	return []chart{
		{"register.svg", "Registering a handler", "handlers", "time for each", r.handlers, registerTime},
		{"drain.svg", "Running an empty handler in the drain", "handlers", "time for each", r.handlers, drainTime},
		{"tasks.svg", "Tasks, from start to stopped", "tasks", "time for each", r.tasks, runTime},
	}
}

// protocol names a size of the lag contest.
func protocol(n int) string { return httpcost.Protocols[n] }
