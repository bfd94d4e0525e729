package httpdrain_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A program is a Coordinator whose main serves.
type program struct {
	shutdown.Coordinator
	s      *served
	report chan *shutdown.Report
}

func run(t *testing.T, grace, delay time.Duration, srv *http.Server, opts ...httpdrain.Option) *program {
	t.Helper()
	srv.ErrorLog = log.New(io.Discard, "", 0)
	l := listen(t)
	nop := zerolog.Nop()
	p := &program{s: &served{t: t, addr: l.Addr().String()}, report: make(chan *shutdown.Report, 1)}
	p.Grace, p.Delay, p.Signals, p.Logger = grace, delay, []os.Signal{}, &nop
	opts = append([]httpdrain.Option{httpdrain.Listener(l), httpdrain.Watch(&p.s.mon)}, opts...)
	over := make(chan struct{})
	go func() {
		p.report <- p.Run(context.Background(), func(ctx context.Context) error {
			var g group.Group
			g.Go("test", func(ctx context.Context) error {
				select {
				case <-over:
					return errors.New("the test has ended") // a failure ends the delay
				case <-ctx.Done():
				}
				return nil
			})
			g.Go("http", httpdrain.Serve(srv, opts...))
			return g.Run(ctx)
		})
	}()
	t.Cleanup(func() { close(over); <-p.Done() })
	return p
}

func (p *program) ended(t *testing.T) *shutdown.Report {
	t.Helper()
	select {
	case r := <-p.report:
		return r
	case <-time.After(patience):
		t.Fatalf("Run has not returned; %+v", p.s.mon.Stats())
		return nil
	}
}

// awaitClose sends requests until a response has "Connection: close" if want is true, or does not
// have it if want is false.
func awaitClose(t *testing.T, s *served, want bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		c := s.dial()
		c.get("/")
		res, _ := c.answer()
		c.conn.Close()
		if res.Close == want {
			return
		}
	}
	t.Fatalf("Connection: close never became %v", want)
}

// During the delay every request is served, and every response says "Connection: close".
func TestDelay(t *testing.T) {
	g := newGate(t)
	mux := http.NewServeMux()
	mux.Handle("/", hello)
	mux.Handle("/slow", g)
	p := run(t, time.Minute, time.Minute, &http.Server{Handler: mux})
	kept, slow := p.s.dial(), p.s.dial()
	kept.get("/")
	if res, _ := kept.answer(); res.Close {
		t.Error("Connection: close before the stop")
	}
	slow.get("/slow")
	g.wait(t)

	p.Stop(nil)
	awaitClose(t, p.s, true)
	kept.get("/")
	if res, body := kept.answer(); !res.Close || body != "hello" {
		t.Errorf("during the delay: close = %v, body = %q", res.Close, body)
	}
	g.release()
	if res, body := slow.answer(); !res.Close || body != "held" {
		t.Errorf("in flight at the announcement: close = %v, body = %q", res.Close, body)
	}
}

// Linger counts from the announcement. A connection that was idle for the whole delay has had it.
func TestLingerCountsFromTheAnnouncement(t *testing.T) {
	for delay, want := range map[time.Duration]time.Duration{
		0:                      time.Second,
		400 * time.Millisecond: time.Second,
		3 * time.Second:        3 * time.Second,
	} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := shutdowntest.Listen(t)
				c := shutdowntest.New(t)
				c.Grace, c.Delay = 20*time.Second, delay
				p := shutdowntest.Start(t, c, httpdrain.Serve(&http.Server{Handler: hello}, httpdrain.Listener(l)))
				conn, err := l.DialContext(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				cl := talk(t, conn)
				cl.get("/")
				cl.answer()
				time.Sleep(time.Minute)
				p.Signal(os.Interrupt)
				p.Clean()
				if took := p.Wait().Took.Round(10 * time.Millisecond); took != want {
					t.Errorf("the stop took %v, want %v", took, want)
				}
			})
		})
	}
}

// HTTP/2 connections get no GOAWAY during the delay: a proxy would open new connections to this
// server, and some proxies lose the streams that they have just opened.
func TestDelayWithHTTP2(t *testing.T) {
	p := run(t, time.Minute, time.Minute, &http.Server{Handler: hello, Protocols: protocols(http1, h2c)})
	awaitClose(t, p.s, false) // Run has begun
	p.Stop(nil)
	awaitClose(t, p.s, true)
	c := newClient(t, protocols(h2c))
	for range 10 {
		if r := <-p.s.request(c, false, 1); r.err != nil || r.body != "hello" || r.close {
			t.Errorf("got %+v, %v", r, r.err)
		}
	}
	// All requests were on one connection.
	p.s.until("one connection", func(st httpdrain.Stats) bool { return st.Idle == 1 && st.New+st.Active == 0 })
}

func TestResume(t *testing.T) {
	p := run(t, time.Minute, 30*time.Second, &http.Server{Handler: hello})
	awaitClose(t, p.s, false)
	for range 3 {
		p.Quiesce()
		awaitClose(t, p.s, true)
		p.Resume()
		awaitClose(t, p.s, false)
	}
}

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a busy machine could miss the time between deadline and end
		silent := zerolog.Nop()
		l := shutdowntest.Listen(t)
		open := make(chan struct{})
		defer close(open)
		srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-open })}
		c := &shutdown.Coordinator{Grace: time.Second, Logger: &silent}
		p := shutdowntest.Start(t, c, httpdrain.Serve(srv, httpdrain.Listener(l)))
		for range 2 {
			conn, err := l.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: server\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		p.Stop(nil)
		r := p.Wait()
		if r.ExitCode() != 1 || !strings.Contains(r.String(), "2 requests cut short: GET /, not answered, more than 950ms; GET /, not answered") {
			t.Errorf("exit code %d, want 1 and a report with the requests:\n%v", r.ExitCode(), r)
		}
		if !errors.Is(r.Err(), shutdown.ErrGrace) {
			t.Errorf("the error is not ErrGrace: %v", r.Err())
		}
	})
}

func TestReadiness(t *testing.T) {
	p := run(t, time.Minute, time.Minute, &http.Server{})
	h := httpdrain.Readiness(&p.Coordinator)
	for _, want := range []int{200, 503, 200} {
		end := time.Now().Add(patience)
		for status(h) != want && time.Now().Before(end) {
			time.Sleep(time.Millisecond) // until Run has started
		}
		if got := status(h); got != want {
			t.Errorf("status = %d, want %d", got, want)
		}
		if want == 200 {
			p.Quiesce()
		} else {
			p.Resume()
		}
	}
}

// Without a Coordinator or a group, the task drains in the same way.
func TestPlainContext(t *testing.T) {
	g := newGate(t)
	var mon httpdrain.Monitor
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		result <- httpdrain.Serve(&http.Server{Handler: g}, httpdrain.Listener(l), httpdrain.Watch(&mon))(ctx)
	}()
	c := dial(t, "tcp", l.Addr().String())
	c.get("/")
	g.wait(t)
	g.releaseAfter(cancel)
	if _, body := c.answer(); body != "held" {
		t.Errorf("body = %q", body)
	}
	if err := <-result; err != nil {
		t.Errorf("error = %v", err)
	}
	if httpdrain.Draining(ctx) != nil {
		t.Error("Draining(context without a request) is not nil")
	}
}

// After a second signal the server's work context has ended before it is told to stop. If that cuts
// off no request, the task does not fail, and the callbacks are called.
func TestSecondSignalWithoutRequests(t *testing.T) {
	for name, request := range map[string]bool{"no connection": false, "an idle connection": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := shutdowntest.Listen(t)
				srv := &http.Server{Handler: hello}
				var called atomic.Bool
				srv.RegisterOnShutdown(func() { called.Store(true) })
				p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
					c := shutdown.FromContext(ctx)
					c.Start(httpdrain.Serve(srv, httpdrain.Listener(l)), shutdown.Name("admin"))
					c.Register(func(ctx context.Context) error { <-ctx.Done(); return nil }, shutdown.Name("slow"))
					<-ctx.Done()
					return nil
				})
				if request {
					res, err := l.Client().Get("http://server/")
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
				}
				p.Signal(os.Interrupt)
				p.Signal(os.Interrupt)
				p.Clean()
				if !called.Load() {
					t.Error("the server's callback was not called")
				}
			})
		})
	}
}

// A second signal in the delay ends the contexts of requests before the server is told to stop. A
// handler that obeys its context is answered even then.
func TestSecondSignalInTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(5 * time.Millisecond)
		})}
		c := shutdowntest.New(t)
		c.Delay = 2 * time.Second
		p := shutdowntest.Start(t, c, httpdrain.Serve(srv, httpdrain.Listener(l)))
		answer := make(chan error, 1)
		go func() {
			res, err := l.Client().Get("http://server/")
			if err == nil {
				err = res.Body.Close()
			}
			answer <- err
		}()
		synctest.Wait()
		p.Signal(os.Interrupt)
		p.Signal(os.Interrupt)
		p.Clean()
		if err := <-answer; err != nil {
			t.Error(err)
		}
	})
}
