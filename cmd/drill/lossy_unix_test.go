//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestTheDrillFindsExactlyWhatWasLost drills servers that lose a known number of requests of a known
// kind in a known phase: each kind in each phase in which it can occur, five times. TestRefusedAreCounted
// has the connections that are refused, which no server counts.
func TestTheDrillFindsExactlyWhatWasLost(t *testing.T) {
	const runs, atOnce = 5, 24
	all := []kind{reset, eof, cut, failed, timedOut}
	may := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for n, p := range phasesOf(direct) {
		for m, k := range all {
			if p == atExit && (k == failed || k == timedOut) {
				continue // an answer is complete, and a process that has ended leaves nobody waiting
			}
			// Not all the same, so that a drill that always finds the same fails.
			lose := 1 + (n+m)%3
			executed := (n + m) % (lose + 1)
			for run := range runs {
				wg.Go(func() {
					may <- struct{}{}
					defer func() { <-may }()
					if err := drillLossy(t.Context(), t.TempDir(), p, k, lose, executed, os.Args[0]); err != nil {
						t.Errorf("%d %v in phase %q, run %d: %v", lose, k, p, run+1, err)
					}
				})
			}
		}
	}
	wg.Wait()
}

// TestAServerThatClosesItsFiles has no lifeline.
func TestAServerThatClosesItsFiles(t *testing.T) {
	if err := drillLossy(t.Context(), t.TempDir(), lingering, eof, 2, 1, "sh", "-c", `exec 3>&-; exec "$0"`, os.Args[0]); err != nil {
		t.Error(err)
	}
}

func drillLossy(ctx context.Context, dir string, p phase, k kind, lose, executed int, command ...string) error {
	clients, fresh := 8, 0 // fresh ones dial anew for each request
	switch p {
	case beforeSignal, delay:
		fresh = 2
	case closes: // each client has one connection, and none waits in the queue of the listener
		clients, fresh = 0, lose
	}
	args := []string{
		"-clients", fmt.Sprint(clients), "-new", fmt.Sprint(fresh), "-h2", "0", "-idle", "0", "-silent", "0", "-think", "1ms", "-load", "10ms",
		"-start", "2m", "-limit", "2m", "-timeout", "2m", "-executed", "-",
	}
	if k == timedOut {
		args = append(args, "-timeout", "5s")
	}
	if p == beforeSignal {
		args = append(args, "-requests", "100") // ten seconds, unless the losses are seen earlier
	}
	cfg, err := parseConfig(slices.Concat(args, []string{"--"}, command), io.Discard)
	if err != nil {
		return err
	}
	s := cfg.commandSubject()
	s.env = []string{fmt.Sprintf("%s=%d,%d,%d,%d,%q,%q", lossyServer, lose, executed, clients, fresh, k, p)}
	r, err := (&session{cfg: cfg, mode: direct, subject: s, dir: dir, progress: newProgress(io.Discard)}).hold(ctx)
	if err != nil {
		return err
	}
	rep := &Report{}
	rep.add(r)
	var got []string
	for _, row := range rep.Table {
		got = append(got, fmt.Sprintf("%d %s in phase %q, %d executed", row.Lost[0], row.Kind, row.Phase, *row.Executed))
	}
	if want := fmt.Sprintf("%d %s in phase %q, %d executed", lose, k, p, executed); strings.Join(got, "; ") != want {
		return fmt.Errorf("found %q, want %q; %+v", got, want, r.Stops)
	}
	return nil
}
