package httpdrain_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// attach serves srv as a library would, with Attach as its stop.
func attach(t *testing.T, g *group.Group, srv *http.Server, serve func(net.Listener) error, opts ...httpdrain.Option) *served {
	t.Helper()
	srv.ErrorLog = log.New(io.Discard, "", 0)
	l := listen(t)
	s := &served{t: t, addr: l.Addr().String(), done: make(chan error, 1)}
	stop := httpdrain.Attach(srv, append(opts, httpdrain.Watch(&s.mon))...)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.task = g.Add("http", func(context.Context) error { return serve(l) }, stop)
	go func() { s.done <- g.Run(ctx) }()
	t.Cleanup(func() { cancel(); s.result() })
	return s
}

// A server that a library serves drains like one of Serve.
func TestAttach(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(*http.Server, net.Listener, http.Handler) error
		tls   bool
	}{
		{"Serve", func(srv *http.Server, l net.Listener, _ http.Handler) error { return srv.Serve(l) }, false},
		{"ServeTLS", func(srv *http.Server, l net.Listener, _ http.Handler) error { return srv.ServeTLS(l, "", "") }, true},
		{"a handler that is set late", func(srv *http.Server, l net.Listener, h http.Handler) error {
			srv.Handler = h
			return srv.Serve(l)
		}, false},
		{"a handler around the server's", func(srv *http.Server, l net.Listener, _ http.Handler) error {
			h := srv.Handler
			srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
			return srv.Serve(l)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			mux := http.NewServeMux()
			mux.Handle("/", hello)
			mux.Handle("/slow", g)
			srv := &http.Server{Handler: mux, Protocols: protocols(http1)}
			if tt.tls {
				srv.TLSConfig = serverTLS()
			}
			s := attach(t, &group.Group{Grace: patience}, srv, func(l net.Listener) error { return tt.serve(srv, l, mux) }, httpdrain.Linger(patience))
			connect := func() *client {
				if c := s.dial(); !tt.tls {
					return c
				} else {
					return talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
				}
			}
			idle, slow := connect(), connect()
			idle.get("/")
			if res, _ := idle.answer(); res.Close {
				t.Error("Connection: close before the stop")
			}
			slow.get("/slow")
			g.wait(t)
			s.stop()
			<-<-g.draining
			idle.get("/") // after the stop
			if res, body := idle.answer(); body != "hello" || !res.Close {
				t.Errorf("the idle connection: body = %q, close = %v", body, res.Close)
			}
			g.release()
			if res, body := slow.answer(); body != "held" || !res.Close {
				t.Errorf("in flight: body = %q, close = %v", body, res.Close)
			}
			if err := s.result(); err != nil {
				t.Error(err)
			}
			if st := s.mon.Stats(); st.Finished < 2 || st.Cut > 0 {
				t.Errorf("Stats() = %+v, want 2 finished at least, and none cut short", st)
			}
		})
	}
}

// The connections in the accept queue are served.
func TestAcceptQueueOfAttach(t *testing.T) {
	if !looksIntoKernel {
		t.Skip("not on this platform: no call takes a connection from the queue without waiting")
	}
	accepted, release := make(chan struct{}), make(chan struct{})
	first := true
	srv := &http.Server{Handler: hello, ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
		if first { // it holds up the goroutine that accepts
			first = false
			close(accepted)
			<-release
		}
		return ctx
	}}
	s := attach(t, &group.Group{Grace: patience}, srv, srv.Serve)
	clients := make([]*client, 20)
	for i := range clients {
		clients[i] = s.dial()
		clients[i].get("/")
	}
	<-accepted
	s.stop()
	s.until("the stop", func(httpdrain.Stats) bool { return s.refuses() })
	close(release)
	for _, c := range clients {
		if _, body := c.answer(); body != "hello" {
			t.Errorf("body = %q", body)
		}
	}
	s.drained()
}

// A server may have several listeners. During the delay of the Coordinator, its responses say
// "Connection: close". The accept queue of the listener of ServeTLS is lost, and the status says so.
func TestAttachWithTwoListeners(t *testing.T) {
	nop := zerolog.Nop()
	plain, secure := listen(t), listen(t)
	srv := &http.Server{Handler: hello, TLSConfig: serverTLS(), ErrorLog: log.New(io.Discard, "", 0), Protocols: protocols(http1)}
	var c shutdown.Coordinator
	c.Grace, c.Delay, c.Signals, c.Logger = 2*patience, patience, []os.Signal{}, &nop
	report := make(chan *shutdown.Report, 1)
	endDelay := make(chan struct{})
	go func() {
		report <- c.Run(context.Background(), func(ctx context.Context) error {
			srv.BaseContext = func(net.Listener) context.Context { return ctx }
			var g group.Group
			g.Add("http", func(context.Context) error {
				go func() { _ = srv.ServeTLS(secure, "", "") }()
				return srv.Serve(plain)
			}, httpdrain.Attach(srv, httpdrain.Linger(10*time.Millisecond)))
			g.Go("test", func(context.Context) error { <-endDelay; return errors.New("this ends the delay") })
			return g.Run(ctx)
		})
	}()
	clients := []*client{dial(t, "tcp", plain.Addr().String()), dial(t, "tcp", secure.Addr().String())}
	clients[1] = talk(t, tls.Client(clients[1].conn, clientTLS("http/1.1")))
	for _, want := range []bool{false, true} {
		for _, cl := range clients {
			cl.get("/")
			if res, body := cl.answer(); body != "hello" || res.Close != want {
				t.Errorf("body = %q, close = %v, want hello, %v", body, res.Close, want)
			}
		}
		if !want {
			c.Stop(nil)
			awaitClose(t, &served{t: t, addr: plain.Addr().String()}, true)
		}
	}
	close(endDelay)
	r := <-report
	const want = "accept queue not drained: *tls.listener; serve with httpdrain.Serve"
	if got := httpStep(t, r).Status; !strings.HasSuffix(got, want) {
		t.Errorf("Status = %q, want %q\n%v", got, want, r)
	}
}

// stop is the server's own Shutdown if the server was never served, and is called once.
func TestAttachWithoutServe(t *testing.T) {
	stop := httpdrain.Attach(&http.Server{})
	if err := stop(t.Context()); err != nil {
		t.Errorf("the first stop: %v", err)
	}
	const want = "httpdrain: the server was stopped already"
	if err := stop(t.Context()); err == nil || err.Error() != want {
		t.Errorf("the second stop: %v, want %s", err, want)
	}
}

// The deadline is that of stop's context, here without a group.
func TestAttachAtTheDeadline(t *testing.T) {
	g := newGate(t)
	srv := &http.Server{Handler: g}
	l := listen(t)
	stop := httpdrain.Attach(srv)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	c := dial(t, "tcp", l.Addr().String())
	c.get("/")
	g.wait(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	const want = "httpdrain: 1 request cut short: GET /, not answered"
	if err := stop(ctx); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("stop: %v, want %s", err, want)
	}
	if err := <-served; !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v, want net.ErrClosed or http.ErrServerClosed", err)
	}
	c.closed()
}

// A calledListener calls f when it is asked for its address for the first time.
type calledListener struct {
	net.Listener
	once sync.Once
	f    func()
}

func (l *calledListener) Addr() net.Addr { l.once.Do(l.f); return l.Listener.Addr() }

// The listener's methods may call stop.
func TestStopFromTheListenerOfAttach(t *testing.T) {
	srv := &http.Server{Handler: hello}
	shut := make(chan struct{})
	srv.RegisterOnShutdown(func() { close(shut) })
	stop, stopped := httpdrain.Attach(srv), make(chan error, 1)
	l := &calledListener{Listener: listen(t), f: func() {
		go func() { stopped <- stop(t.Context()) }()
		select {
		case <-shut:
		case <-time.After(patience):
			t.Error("stop does not return while the server asks its listener for the address")
		}
	}}
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v, want http.ErrServerClosed", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// A server belongs to Attach or to a task.
func TestAttachMisused(t *testing.T) {
	srv := &http.Server{Addr: "127.0.0.1:0"}
	l := listen(t)
	stop := httpdrain.Attach(srv)
	go func() { _ = srv.Serve(l) }()
	c := dial(t, "tcp", l.Addr().String())
	c.get("/")
	c.answer()
	if err := httpdrain.Serve(srv)(t.Context()); err == nil || !strings.Contains(err.Error(), "another task serves this server") {
		t.Errorf("Serve after Attach: %v", err)
	}
	c.conn.Close()
	if err := stop(t.Context()); err != nil {
		t.Error(err)
	}
	for what, f := range map[string]func(){
		"a nil server": func() { httpdrain.Attach(nil) },
		"Listener":     func() { httpdrain.Attach(srv, httpdrain.Listener(l)) },
		"Wrap":         func() { httpdrain.Attach(srv, httpdrain.Wrap(func(l net.Listener) net.Listener { return l })) },
		"TLSFiles":     func() { httpdrain.Attach(srv, httpdrain.TLSFiles("cert.pem", "key.pem")) },
	} {
		func() {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.HasPrefix(v, "httpdrain: Attach was given ") || !strings.Contains(v, what) || !strings.Contains(v, "attach_test.go:") {
					t.Errorf("Attach with %s: panic %q", what, v)
				}
			}()
			f()
		}()
	}
}
