package httpdrain_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A spreader is a server with Spread, in a bubble. It records when connections are told to leave.
type spreader struct {
	*shutdowntest.Program
	t   *testing.T
	l   *shutdowntest.Listener
	mon httpdrain.Monitor
	log bytes.Buffer

	mu   sync.Mutex
	stop time.Time
	told []time.Duration // from the stop
}

const grace = 10 * time.Second

// callbacks is how long the drain may take to find that the callbacks of RegisterOnShutdown have returned.
const callbacks = 100 * time.Millisecond

// spread runs f with a server in a bubble.
func spread(t *testing.T, name string, c *shutdown.Coordinator, f func(s *spreader), opts ...httpdrain.Option) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &spreader{t: t, l: shutdowntest.Listen(t)}
			mux := http.NewServeMux()
			mux.Handle("/", hello)
			mux.HandleFunc("/websocket", s.websocket)
			mux.HandleFunc("/stream", s.stream)
			mux.HandleFunc("/heeds", s.heeds)
			mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(7 * time.Second)
				_, _ = io.WriteString(w, "slow")
			})
			srv := &http.Server{Handler: mux, Protocols: protocols(http1, h2c), ErrorLog: log.New(&s.log, "", 0)}
			opts := append([]httpdrain.Option{httpdrain.Listener(s.l), httpdrain.Watch(&s.mon)}, opts...)
			if c.Grace == 0 {
				c.Grace = grace
			}
			s.Program = shutdowntest.Start(t, c, httpdrain.Serve(srv, opts...))
			synctest.Wait()
			f(s)
		})
	})
}

// note waits until the request's connection is told to leave, and records when.
func (s *spreader) note(r *http.Request) {
	select {
	case <-httpdrain.Draining(r.Context()):
	case <-r.Context().Done():
		if cause := context.Cause(r.Context()); cause != context.Canceled { // else the client has gone
			s.t.Errorf("the context of a request has ended before its moment: %v", cause)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, time.Since(s.stop))
}

// websocket is a handler that hijacks its connection, as WebSockets do.
func (s *spreader) websocket(w http.ResponseWriter, r *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	_, _ = io.WriteString(c, "hijacked")
	s.note(r)
	_, _ = io.WriteString(c, "1001")
	_ = c.Close()
}

// heeds is websocket, but closes the connection when the request's context ends. Its goodbye takes as
// long as the query says.
func (s *spreader) heeds(w http.ResponseWriter, r *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	defer c.Close()
	defer context.AfterFunc(r.Context(), func() { _ = c.Close() })()
	_, _ = io.WriteString(c, "hijacked")
	s.note(r)
	leave, err := time.ParseDuration(r.URL.Query().Get("leave"))
	if err != nil {
		s.t.Error(err)
	}
	time.Sleep(leave)
	_, _ = io.WriteString(c, "1001")
}

func (s *spreader) stream(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	s.note(r)
	_, _ = io.WriteString(w, "goodbye")
}

func (s *spreader) dial() *client {
	s.t.Helper()
	c, err := s.l.DialContext(s.t.Context(), "", "")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return &client{s.t, c, bufio.NewReader(c)}
}

// open opens n connections, and sends a request over each. It returns channels that receive what came
// after the first bytes.
func (s *spreader) open(n int, path string) <-chan string {
	s.t.Helper()
	ends := make(chan string, n)
	for range n {
		c := s.dial()
		c.get(path)
		if path == "/websocket" {
			if _, err := io.ReadFull(c.r, make([]byte, len("hijacked"))); err != nil {
				s.t.Fatal(err)
			}
		}
		go func() {
			b, _ := io.ReadAll(c.r)
			ends <- string(b)
		}()
	}
	synctest.Wait()
	return ends
}

// requestStop stops the program as SIGTERM does.
func (s *spreader) requestStop() {
	s.stop = time.Now()
	s.Signal(syscall.SIGTERM)
	synctest.Wait()
}

// evenly expects that the moments are spread evenly from one time to another.
func evenly(t *testing.T, moments []time.Duration, n int, from, to time.Duration) {
	t.Helper()
	if len(moments) != n {
		t.Errorf("%d connections were told, want %d", len(moments), n)
		return
	}
	const parts = 10
	var count [parts]int
	for _, at := range moments {
		if at < from || at >= to {
			t.Errorf("one was told after %v, want it between %v and %v", at, from, to)
			return
		}
		count[(at-from)*parts/(to-from)]++
	}
	for i, got := range count {
		if want := n / parts; got < want-2 || got > want+2 {
			t.Errorf("%d were told in part %d of the window, want about %d; all: %v", got, i, want, count)
		}
	}
}
