package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// leavingServer has groups of WebSockets, such as "10x1001 5x0": after SIGTERM ten get a close frame with
// status 1001 and, when they have gone and a pause is over, five lose their connections without one.
const leavingServer = "LASTCALL_DRILL_TEST_LEAVING"

// leavingPause is longer than the interval in which WebSockets are counted.
const leavingPause = leaveEvery + 50*time.Millisecond

type leavingGroup struct{ n, status int }

func leavingGroups(spec string) (all []leavingGroup) {
	for _, text := range strings.Fields(spec) {
		var g leavingGroup
		if _, err := fmt.Sscanf(text, "%dx%d", &g.n, &g.status); err != nil {
			panic(err)
		}
		all = append(all, g)
	}
	return all
}

// A leavingConn is a WebSocket of the server. gone ends when its client has gone.
type leavingConn struct {
	tcp  *net.TCPConn
	ws   *websocket.Conn
	gone context.Context
}

func (c leavingConn) leave(status int) {
	if status == 0 {
		_ = c.tcp.CloseWrite()
		<-c.gone.Done()
		return
	}
	_ = c.ws.Close(websocket.StatusCode(status), "") // waits for the answer of the client
}

func serveLeaving(spec string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	type tcpKey struct{}
	open := make(chan leavingConn, 1000)
	srv := &http.Server{
		Addr:        "127.0.0.1:" + os.Getenv("PORT"),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, tcpKey{}, c) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			c := leavingConn{r.Context().Value(tcpKey{}).(*net.TCPConn), ws, ws.CloseRead(context.Background())}
			if r.Header.Get("X-Request-Id") == idPlaceholder {
				<-c.gone.Done() // it only tries whether there are WebSockets
				return
			}
			open <- c
		}),
	}
	go func() { fmt.Fprintln(os.Stderr, srv.ListenAndServe()) }()
	<-term
	for _, g := range leavingGroups(spec) {
		var left sync.WaitGroup
		for range g.n {
			c := <-open
			left.Go(func() { c.leave(g.status) })
		}
		left.Wait()
		time.Sleep(leavingPause)
	}
	os.Exit(0)
}

func webSocketThatLeft(target uint8, start, left time.Duration, status int) request {
	q := request{client: webSocket, target: target, start: start, end: left, farewell: &farewell{status: status, ended: left}}
	if status > 0 {
		q.farewell.told, q.farewell.ended = left, left+5*time.Millisecond
	}
	return q
}

func TestLeaving(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	even := func(n int, every time.Duration) (all []request) {
		for i := range n {
			all = append(all, webSocketThatLeft(0, 0, at(1000)+time.Duration(i)*every, 1001))
		}
		return all
	}
	one := []Stop{{Instance: "server", Signal: 500 * ms, Exit: 12_000 * ms}}
	for _, test := range []struct {
		name   string
		r      Result
		want   []Leaving
		text   string
		pauses []ownPause
	}{
		{"no WebSockets", Result{Stops: one, requests: []request{{end: at(600)}, {client: webSocket, kind: refused, end: at(600)}}}, nil, "", nil},
		{
			"evenly over ten seconds",
			Result{Stops: one, requests: append(even(1000, at(10)), webSocketThatLeft(0, 0, at(10_990), 1001))},
			[]Leaving{{
				Instance: "server", Count: 1001, Statuses: map[string]int{"1001": 1001}, First: 500 * ms, Last: 10_490 * ms, BeforeExit: 1010 * ms,
				Ended: 10_495 * ms, Busiest: 11, Mean: 10.02, Times: new(1.098), Each: append(slicesOf(99, 10), 11), Late: 25 * ms,
			}},
			"server WebSockets: 1 001 left +500ms to +10.5s, 1 001 told with 1001, 0 not told, the last 1.01s before the exit\nbusiest 100 ms: 11 left, 1.1 times the mean of 10.0 (pauses of the drill were up to 25ms too long, so the server may have been more even)\n",
			[]ownPause{{at(999), at(30)}, {at(1000), at(20)}, {at(11_010), at(25)}, {at(11_040), at(49)}},
		},
		{
			"at once, some without a close frame",
			Result{Stops: one, requests: append(even(4, at(1)), webSocketThatLeft(0, 0, at(12_200), 0), webSocketThatLeft(0, 0, at(12_200), 1012))},
			[]Leaving{{
				Instance: "server", Count: 6, Untold: 1, Statuses: map[string]int{"1001": 4, "1012": 1}, First: 500 * ms, Last: 11_700 * ms, BeforeExit: -200 * ms,
				Ended: 11_705 * ms, Busiest: 4, Mean: 0.0536, Times: new(74.67), Each: append(append([]int{4}, slicesOf(111, 0)...), 2),
			}},
			"server WebSockets: 6 left +500ms to +11.7s, 4 told with 1001, 1 told with 1012, 1 not told, the last 200ms after the exit\nbusiest 100 ms: 4 left, 74.7 times the mean of 0.1\n",
			nil,
		},
		{
			"within a second",
			Result{Stops: one, requests: even(3, at(1))},
			[]Leaving{{
				Instance: "server", Count: 3, Statuses: map[string]int{"1001": 3}, First: 500 * ms, Last: 502 * ms, BeforeExit: 10_998 * ms,
				Ended: 507 * ms, Busiest: 3, Mean: 3, Each: []int{3},
			}},
			"server WebSockets: 3 left +500ms to +502ms, 3 told with 1001, 0 not told, the last 11s before the exit\nbusiest 100 ms: 3 left\n",
			nil,
		},
		{
			"only those of the process that was stopped", Result{Mode: rolling, Stops: one, requests: []request{
				webSocketThatLeft(0, 0, at(400), 1001),             // before the signal
				webSocketThatLeft(0, at(12_100), at(13_000), 1001), // of a server that was started again
				webSocketThatLeft(1, 0, at(600), 1001),             // of another server
			}}, nil, "", nil,
		},
		{
			"while a command runs",
			Result{Mode: during, Stops: []Stop{{Instance: "command", Signal: 500 * ms, Exit: 600 * ms}}, requests: []request{
				webSocketThatLeft(0, at(700), at(800), 1001),
			}},
			[]Leaving{{
				Instance: "command", Count: 1, Statuses: map[string]int{"1001": 1}, First: 300 * ms, Last: 300 * ms, BeforeExit: -200 * ms,
				Ended: 305 * ms, Busiest: 1, Mean: 1, Each: []int{1},
			}},
			"command WebSockets: 1 left +300ms to +300ms, 1 told with 1001, 0 not told\nbusiest 100 ms: 1 left\n",
			nil,
		},
	} {
		test.r.leave(0, &strain{pauses: test.pauses})
		if diff := cmp.Diff(test.want, test.r.WebSockets, cmpopts.IgnoreUnexported(Leaving{}), cmpopts.EquateApprox(0.001, 0)); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", test.name, diff)
		}
		for _, l := range test.r.WebSockets {
			var got string
			for _, row := range l.rows(test.r.Mode) {
				got += row.Name + ": " + row.Value + "\n"
			}
			if got != test.text {
				t.Errorf("%s: text\n%s, want\n%s", test.name, got, test.text)
			}
		}
	}
}

func slicesOf(n, value int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = value
	}
	return all
}

func TestBars(t *testing.T) {
	for _, test := range []struct {
		each []int
		want row
	}{
		{[]int{500}, row{"in each 100 ms", "█"}},
		{[]int{8, 4, 0, 1}, row{"in each 100 ms", "█▄ ▁"}},
		{slicesOf(120, 3), row{"in each 200 ms", strings.Repeat("█", 60)}},
		{append(slicesOf(60, 4), 1), row{"in each 200 ms", strings.Repeat("█", 30) + "▁"}},
	} {
		if got := (Leaving{Each: test.each}).bars(); got != test.want {
			t.Errorf("bars of %v: %q, want %q", test.each, got, test.want)
		}
	}
}
