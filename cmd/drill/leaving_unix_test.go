//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWebSocketsThatLeave drills a server whose WebSockets leave in groups with a pause between them. All
// that is checked follows from the order of events, and from pauses that are too short on no machine.
func TestWebSocketsThatLeave(t *testing.T) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for run, spec := range []string{"10x1001 5x0 7x1001 3x1012", "40x1001", "1x0 1x1001 1x1001", "10x1001 5x0 7x1001 3x1012"} {
		wg.Go(func() {
			if err := drillLeaving(t.Context(), t.TempDir(), spec); err != nil {
				t.Errorf("%s, run %d: %v", spec, run+1, err)
			}
		})
	}
}

func drillLeaving(ctx context.Context, dir, spec string) error {
	want, largest := Leaving{Instance: "server", Statuses: map[string]int{}}, 0
	for _, g := range leavingGroups(spec) {
		want.Count += g.n
		largest = max(largest, g.n)
		if g.status == 0 {
			want.Untold += g.n
		} else {
			want.Statuses[fmt.Sprint(g.status)] += g.n
		}
	}
	cfg, err := parseConfig([]string{
		"-ws-url", "ws://127.0.0.1:{{.Port}}/", "-websockets", fmt.Sprint(want.Count), "-silent", "0", "-load", "10ms",
		"-start", "2m", "-limit", "2m", "-timeout", "2m", "--", os.Args[0],
	}, io.Discard)
	if err != nil {
		return err
	}
	s := cfg.commandSubject()
	s.env = []string{leavingServer + "=" + spec}
	r, err := (&session{cfg: cfg, mode: direct, subject: s, dir: dir, progress: newProgress(io.Discard)}).hold(ctx)
	if err != nil {
		return err
	}
	if len(r.WebSockets) != 1 || len(r.Notes) > 0 {
		return fmt.Errorf("%+v, notes %q; want one server without notes", r.WebSockets, r.Notes)
	}
	l := r.WebSockets[0]
	got := Leaving{Instance: l.Instance, Count: l.Count, Untold: l.Untold, Statuses: l.Statuses}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Leaving{})); diff != "" {
		return fmt.Errorf("want -, got +:\n%s", diff)
	}
	if r.Lost != want.Untold || r.Kinds["cut"] != want.Untold {
		return fmt.Errorf("lost %d, %v; want %d cut", r.Lost, r.Kinds, want.Untold)
	}
	if sum(l.Each) != want.Count || l.Busiest > largest || l.Last < l.First || l.Ended < l.Last || l.BeforeExit < millis(leavingPause) {
		return fmt.Errorf("%+v: want %d in all, at most %d in 100 ms, and the last before the exit", l, want.Count, largest)
	}
	return checkGroups(r, spec)
}

// checkGroups finds the pauses between the groups in the times of the clients.
func checkGroups(r *Result, spec string) error {
	var all []*request
	for n := range r.requests {
		if q := &r.requests[n]; q.farewell != nil {
			all = append(all, q)
		}
	}
	slices.SortFunc(all, func(a, b *request) int { return int(a.left() - b.left()) })
	var last time.Duration
	for m, g := range leavingGroups(spec) {
		for n, q := range all[:g.n] {
			if q.farewell.status != g.status || q.farewell.ended < q.left() {
				return fmt.Errorf("%+v in the group %+v", q.farewell, g)
			}
			if pause := q.left() - last; n == 0 && m > 0 && pause < leavingPause {
				return fmt.Errorf("a group of %d began %v after the group before it, want at least %v", g.n, pause, leavingPause)
			}
		}
		last, all = all[g.n-1].left(), all[g.n:]
	}
	return nil
}

// TestFewerWebSocketsThanAskedFor has no server: the machine is the limit.
func TestFewerWebSocketsThanAskedFor(t *testing.T) {
	for _, test := range []struct {
		asked, want int
		note        string
	}{
		{7, 7, ""},
		{math.MaxInt32, fileLimit() - 100 - 2*(3+5+6) - 4 - 8 - 2*9, "the drill may open "},
	} {
		s := &session{
			cfg:    &config{webSockets: test.asked, clients: 3, idle: 5, silent: 6, fresh: 4, h2: 8, streams: 9},
			load:   &load{targets: []*target{{wire: wire{ws: "ws://127.0.0.1/"}}, {}}},
			result: &Result{},
		}
		s.fitWebSockets()
		if s.load.sockets != test.want || !strings.Contains(strings.Join(s.result.Notes, ""), test.note) {
			t.Errorf("%d WebSockets of %d, notes %q; want %d and %q", s.load.sockets, test.asked, s.result.Notes, test.want, test.note)
		}
	}
}

const fewFiles = "LASTCALL_DRILL_TEST_FEW_FILES"

// TestFewFiles starts a process where no file may have the number 1000.
func TestFewFiles(t *testing.T) {
	if os.Getenv(fewFiles) == "" {
		cmd := exec.Command("sh", "-c", `ulimit -n 300 && exec "$0" -test.run '^TestFewFiles$'`, os.Args[0])
		cmd.Env = append(os.Environ(), fewFiles+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	cmd := exec.Command("true")
	line, err := newLifeline(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer line.close()
	err = cmd.Run()
	line.passed()
	if err != nil || !line.cut() {
		t.Errorf("a process with a lifeline: %v, has ended: %t; want nil and true", err, line.cut())
	}
}
