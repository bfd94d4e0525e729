package httpdrain_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// obeys answers 503 when its context ends.
func obeys(w http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	http.Error(w, "stopping", http.StatusServiceUnavailable)
}

// untilDone waits for the end of its context, and does what f does.
func untilDone(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		f(w, r)
	}
}

// The report says of each request whether the deadline has cut it short.
func TestAccount(t *testing.T) {
	open := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /obeys/{id}", obeys)
	mux.HandleFunc("/aborts", untilDone(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	mux.HandleFunc("/streams", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		_, _ = io.WriteString(w, "goodbye")
	})
	mux.HandleFunc("/quick", func(w http.ResponseWriter, r *http.Request) { <-httpdrain.Draining(r.Context()) })
	mux.HandleFunc("/stuck/{id}", func(http.ResponseWriter, *http.Request) { <-open })
	mux.HandleFunc("POST /stuck", func(_ http.ResponseWriter, r *http.Request) { <-open })
	get := func(paths ...string) (requests []string) {
		for _, path := range paths {
			requests = append(requests, "GET "+path+" HTTP/1.1\r\nHost: server\r\n\r\n")
		}
		return requests
	}
	many := func(n int, path string) (paths []string) {
		for i := range n {
			paths = append(paths, fmt.Sprintf(path, i))
		}
		return paths
	}
	const before, late, ok, failed = 2 * time.Second, shutdown.OutcomeLate, shutdown.OutcomeOK, shutdown.OutcomeFailed
	for _, tt := range []struct {
		name     string
		handler  http.Handler
		requests []string
		second   bool // a second signal ends the requests
		outcome  shutdown.Outcome
		status   string
		err      string
	}{
		{"a request that ends in time is finished", mux, get("/quick", "/quick"), false, ok, "2 requests finished", ""},
		{
			"requests that answer when their contexts end are cut short", mux, get("/quick", "/obeys/1", "/obeys/2?key=secret", "/obeys/3"),
			false, late, "1 request finished, 3 requests cut short after 9s",
			"httpdrain: 3 requests cut short: GET /obeys/{id}, answered, more than 9s; GET /obeys/{id}, answered, more than 9s; GET /obeys/{id}, answered, more than 9s",
		},
		{
			"without ServeMux their paths are named", http.HandlerFunc(obeys), get("/orders/7?key=secret"),
			false, late, "1 request cut short after 9s", "httpdrain: 1 request cut short: GET /orders/7, answered, more than 9s",
		},
		{
			"a path is not written to the log as it is", http.HandlerFunc(obeys), get("/\xff" + strings.Repeat("x", 100)),
			false, late, "1 request cut short after 9s",
			`httpdrain: 1 request cut short: GET /\xff` + strings.Repeat("x", 75) + "..., answered, more than 9s",
		},
		{
			"a stream that ends with its context", mux, get("/streams"), false, late,
			"1 request cut short after 9s", "httpdrain: 1 request cut short: GET /streams, answered, more than 9s",
		},
		{
			"a handler that aborts", mux, get("/aborts"), false, late,
			"1 request cut short after 9s", "httpdrain: 1 request cut short: GET /aborts, not answered, more than 9s",
		},
		{
			"a handler that does not return is named by the pattern of its path", mux, get("/stuck/7"), false, late,
			"1 request in flight, 1 connection open, 1 request cut short after 9s",
			"httpdrain: 1 request cut short: GET /stuck/{id}, not answered, more than 9.5s; handlers or callbacks still running",
		},
		{
			"at most ten are named, those without an answer first", mux, append(get("/stuck/0"), get(many(21, "/obeys/%d")...)...),
			false, late, "1 request in flight, 1 connection open, 22 requests cut short after 9s",
			"httpdrain: 22 requests cut short: GET /stuck/{id}, not answered, more than 9.5s; " +
				strings.Repeat("GET /obeys/{id}, answered, more than 9s; ", 9) + "and 12 more; handlers or callbacks still running",
		},
		{
			"after a second signal they are hurried", mux, get("/quick", "/obeys/1", "/obeys/2"),
			true, ok, "3 requests finished, 2 of them hurried", "",
		},
		{
			"what a second signal cuts off is no answer", mux, get("/stuck/1"), true, failed,
			"1 request in flight, 1 connection open, 1 request cut short after 2s",
			"httpdrain: 1 request cut short: GET /stuck/{id}, not answered, more than 2s; handlers",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open = make(chan struct{})
				silent, l := zerolog.Nop(), shutdowntest.Listen(t)
				c := &shutdown.Coordinator{Grace: 10 * time.Second, Logger: &silent}
				p := shutdowntest.Start(t, c, httpdrain.Serve(&http.Server{Handler: tt.handler}, httpdrain.Listener(l)))
				for _, text := range tt.requests {
					conn, err := l.DialContext(t.Context(), "", "")
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if _, err := io.WriteString(conn, text); err != nil {
						t.Fatal(err)
					}
					go func() { _, _ = io.Copy(io.Discard, conn) }()
				}
				synctest.Wait()
				p.Signal(os.Interrupt)
				if tt.second {
					time.Sleep(before)
					p.Signal(os.Interrupt)
				}
				r := p.Wait()
				close(open)
				got := r.Steps[0]
				text := ""
				if got.Err != nil {
					text = strings.TrimPrefix(got.Err.Error(), "returned only after its deadline: ")
				}
				if got.Outcome != tt.outcome || got.Status != tt.status || !strings.HasPrefix(text, tt.err) || (text == "") != (tt.err == "") {
					t.Errorf("%v, %q, %q\nwant %v, %q, %q", got.Outcome, got.Status, text, tt.outcome, tt.status, tt.err)
				}
				if want := min(int(tt.outcome), 1); r.ExitCode() != want {
					t.Errorf("exit code %d, want %d", r.ExitCode(), want)
				}
				if tt.outcome == late && !errors.Is(got.Err, shutdown.ErrGrace) {
					t.Error("a late error does not wrap ErrGrace")
				}
			})
		})
	}
}

// In a group, a server that has cut requests short makes main fail, not late.
func TestAccountInAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent, l := zerolog.Nop(), shutdowntest.Listen(t)
		c := &shutdown.Coordinator{Grace: 10 * time.Second, Logger: &silent}
		p := shutdowntest.Start(t, c, func(ctx context.Context) error {
			var g group.Group
			g.Go("http", httpdrain.Serve(&http.Server{Handler: http.HandlerFunc(obeys)}, httpdrain.Listener(l)))
			return g.Run(ctx)
		})
		conn, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: server\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		synctest.Wait()
		p.Stop(nil)
		r := p.Wait()
		for i, want := range []shutdown.Outcome{shutdown.OutcomeFailed, shutdown.OutcomeLate} {
			if got := r.Steps[i]; got.Outcome != want {
				t.Errorf("%s: %v, want %v\n%v", got.Name, got.Outcome, want, r)
			}
		}
	})
}

// At the deadline the drain closes all connections and reports the requests that it has cut short.
func TestDeadline(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
	readAll := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		tls     bool
		send    string
		want    string
	}{
		{"a handler that hangs", func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(20 * time.Millisecond)
			<-release
		}, false, get, "1 request cut short: GET /, not answered, more than"},
		{"a handler that writes without end", func(w http.ResponseWriter, _ *http.Request) {
			for b := make([]byte, 1<<16); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, false, get, "1 request cut short: GET /, in the middle of the response, more than"},
		{"the same over TLS", func(w http.ResponseWriter, _ *http.Request) {
			for b := make([]byte, 1<<16); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, true, get, "1 request cut short: GET /, in the middle of the response, more than"},
		{"a hijacked connection that stays open", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}
		}, false, get, "1 hijacked connection cut short: GET /, hijacked, more than"},
		{
			"an upload that stalls", readAll, false,
			"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc", "1 request cut short: POST /, body not received, more than",
		},
		{
			"a chunked upload that stalls", readAll, false,
			"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "1 request cut short: POST /, body not received, more than",
		},
		{
			"an upload that stalls, of a client that waits for 100 Continue", readAll, false,
			"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", "1 request cut short: POST /, body not received, more than",
		},
		{"an upload that was received", func(w http.ResponseWriter, r *http.Request) {
			readAll(w, r)
			<-release
		}, false, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc", "1 request cut short: POST /, not answered, more than"},
		{"an upload that the handler does not read", func(http.ResponseWriter, *http.Request) {
			<-release
		}, false, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc", "1 request cut short: POST /, not answered, more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := atDeadline(func() error {
				entered := make(chan struct{})
				srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(entered)
					tt.handler(w, r)
				})}
				if tt.tls {
					srv.TLSConfig = serverTLS()
				}
				s := startIn(t, &group.Group{Grace: deadlineGrace}, listen(t), srv)
				c := s.dial()
				if tt.tls {
					c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
				}
				c.send(tt.send) // the response is not read
				<-entered
				s.stop()
				return s.result()
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the task's error = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// A request that was cut short does not count as finished when its handler returns, nor a hijacked
// connection as closed.
func TestStatsAfterTheDeadline(t *testing.T) {
	forever := func(w http.ResponseWriter, _ *http.Request) {
		for b := make([]byte, 1<<12); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		h2      bool
		want    httpdrain.Stats
		err     string
	}{
		{"HTTP/1.1", forever, false, httpdrain.Stats{Cut: 1}, "1 request cut short: GET /, in the middle of the response, "},
		{"HTTP/2", forever, true, httpdrain.Stats{Cut: 1}, "1 request cut short: GET /, over HTTP/2, "},
		{"hijacked", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}, false, httpdrain.Stats{}, "1 hijacked connection cut short: GET /, hijacked, "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s *served
			var returned chan struct{}
			err := atDeadline(func() error {
				over := make(chan struct{}, 1)
				s = startAndRequest(t, tt.h2, func(w http.ResponseWriter, r *http.Request) {
					defer func() { over <- struct{}{} }()
					tt.handler(w, r)
				})
				returned = over
				s.until("the request", func(st httpdrain.Stats) bool { return st.Requests+st.Hijacked == 1 })
				s.stop()
				return s.result()
			})
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("the task's error = %v, want %q in it", err, tt.err)
			}
			<-returned
			s.until("the end", func(st httpdrain.Stats) bool { return st.New+st.Active+st.Idle+st.Hijacked == 0 })
			if got := s.mon.Stats(); got != tt.want {
				t.Errorf("Stats() = %+v, want %+v", got, tt.want)
			}
		})
	}
}
