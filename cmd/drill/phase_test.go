package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPhase(t *testing.T) {
	closed, last, again := millis(300), millis(400), millis(600)
	st := Stop{Signal: 100, accepted: 250, Closed: &closed, served: 240, LastAnswer: &last, Exit: 500, Again: &again, known: true}
	for _, test := range []struct {
		name string
		st   Stop
		q    request
		want phase
	}{
		{"before the signal", st, request{end: 99}, beforeSignal},
		{"just before a connection was accepted", st, request{start: 90, end: 249}, delay},
		{"when the listener may have closed", st, request{end: 280}, lingering},
		{"when others were still answered", st, request{end: 399}, lingering},
		{"after the last answer", st, request{end: 401}, afterClose},
		{"the process had ended", st, request{end: 380, gone: true}, atExit},
		{"the process had ended, and nobody listened", st, request{start: 510, end: 520, kind: refused, gone: true}, afterClose},
		{"a new connection, after which another was served", st, request{end: 245, dial: &dialled{220, 230}}, delay},
		{"the last new connection", st, request{end: 260, dial: &dialled{241, 245}}, closes},
		{"the last new connection, noticed later", st, request{end: 490, dial: &dialled{241, 245}}, closes},
		{"a new connection, before the signal", st, request{end: 410, dial: &dialled{50, 60}}, afterClose},
		{"a server that was started again", st, request{start: 610, end: 620}, beforeSignal},
		{"no answer after the signal", Stop{Signal: 100, Exit: 500, known: true}, request{end: 120}, afterClose},
		{"behind a proxy, before the exit", Stop{Signal: 100, Exit: 500}, request{end: 499}, lingering},
		{"behind a proxy, after the exit", Stop{Signal: 100, Exit: 500}, request{start: 501, end: 510}, afterClose},
	} {
		if test.q.kind == answered {
			test.q.kind = eof
		}
		if got := test.st.phase(&test.q); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestEveryLossHasAPhaseOfItsMode(t *testing.T) {
	stops := []Stop{{Signal: 100, Exit: 200, known: true}, {Signal: 300, Exit: 400, known: true}}
	for _, test := range []struct {
		mode  mode
		stops []Stop
		want  []phase // of a loss at 50, 150, 250, 350 and 450, for the first and the second server in turn
	}{
		{direct, stops[:1], []phase{beforeSignal, afterClose, afterClose, afterClose, afterClose}},
		{rolling, stops, []phase{beforeSignal, beforeSignal, afterClose, afterClose, afterClose}},
		{haproxy, []Stop{{Signal: 100, Exit: 200}, {Signal: 300, Exit: 400}}, []phase{beforeSignal, lingering, afterClose, lingering, afterClose}},
		{during, stops[:1], []phase{beforeCommand, duringCommand, afterCommand, afterCommand, afterCommand}},
	} {
		r := &Result{Mode: test.mode, Stops: test.stops}
		for n := range test.want {
			q := &request{end: time.Duration(50 + 100*n), kind: eof}
			if test.mode == rolling {
				q.target = uint8(n % 2)
			}
			r.lost = append(r.lost, q)
		}
		r.assign()
		var got []phase
		for _, q := range r.lost {
			got = append(got, q.phase)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", test.mode, diff)
		}
	}
}

// TestRefusedAreCounted has a network that refuses some connections, and counts them. A server cannot:
// it does not learn of them.
func TestRefusedAreCounted(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	for _, test := range []struct {
		mode mode
		stop Stop
		want phase
	}{
		{direct, Stop{Signal: millis(longEnough)}, beforeSignal},
		{direct, Stop{Exit: 1, Closed: new(millis), known: true}, afterClose},
		{during, Stop{Exit: millis(longEnough)}, duringCommand},
	} {
		for range 5 {
			const refusals = 7
			to, err := newTarget(0, postTo(srv.URL))
			if err != nil {
				t.Fatal(err)
			}
			ctx, end := context.WithCancel(t.Context())
			l := newLoad(ctx, &config{timeout: longEnough}, []*target{to})
			dials := 0
			l.dial = func(ctx context.Context, t *target, limit time.Duration) (*conn, error) {
				if dials++; dials%3 > 0 && dials <= refusals*3/2 {
					return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
				}
				return dial(ctx, t, limit)
			}
			l.client(func(j *journal) { l.http1(j, fresh, 0) })
			for l.answered.Load() < 20 {
				time.Sleep(time.Millisecond)
			}
			end()
			l.wg.Wait()
			r := &Result{Mode: test.mode, Stops: []Stop{test.stop}, requests: l.all[0].requests}
			r.collect()
			r.assign()
			rep := &Report{}
			rep.add(r)
			want := []Row{{Kind: "refused", Phase: test.want.String(), Lost: []int{refusals}, Cause: advices[0].cause, Remedy: advices[0].remedy}}
			if diff := cmp.Diff(want, rep.Table); diff != "" {
				t.Errorf("%s, want -, got +:\n%s", test.mode, diff)
			}
		}
	}
}

func TestEveryLossHasAdvice(t *testing.T) {
	for k := answered + 1; k < kinds; k++ {
		for p := range phases {
			if a := adviceOn(k, p); a.cause == "" || a.remedy == "" {
				t.Errorf("%v, %v: cause %q, remedy %q", k, p, a.cause, a.remedy)
			}
		}
	}
}
