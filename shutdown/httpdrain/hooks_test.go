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
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/emulated"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

func status(h http.Handler) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	return w.Code
}

// The functions given to RegisterOnShutdown are called once. The task waits for them and for the
// goroutines that they start.
func TestRegisterOnShutdown(t *testing.T) {
	var called, ended atomic.Int64
	srv := &http.Server{Handler: hello}
	for range 3 {
		srv.RegisterOnShutdown(func() {
			called.Add(1)
			go func() {
				time.Sleep(100 * time.Millisecond)
				ended.Add(1)
			}()
			time.Sleep(50 * time.Millisecond)
		})
	}
	s := start(t, srv)
	c := s.dial()
	c.get("/")
	c.answer()
	s.drained()
	if c, e := called.Load(), ended.Load(); c != 3 || e != 3 {
		t.Errorf("%d called, %d ended, want 3", c, e)
	}
}

// A hijacked connection belongs to the application, which learns of the stop by its callback. The
// drain waits until the application has closed the connection.
func TestHijacked(t *testing.T) {
	wrapped := func(l net.Listener) net.Listener { return &ownListener{Listener: l} }
	for _, tt := range []struct {
		name string
		tls  bool
		h2   bool // the handler hijacks HTTP/2, as golang.org/x/net/http2/h2c does
		wrap func(net.Listener) net.Listener
	}{
		{name: "TCP"},
		{name: "TLS", tls: true},
		{name: "HTTP/2", h2: true},
		{name: "a connection of the user's type", wrap: wrapped},
		{name: "HTTP/2 on a connection of the user's type", h2: true, wrap: wrapped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			goodbye := make(chan struct{})
			var open atomic.Int64
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				open.Add(1)
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")
				_ = rw.Flush()
				go func() { // the handler returns
					<-goodbye
					time.Sleep(20 * time.Millisecond)
					_, _ = rw.WriteString("bye")
					_ = rw.Flush()
					open.Add(-1)
					_ = c.Close()
				}()
			})}
			srv.RegisterOnShutdown(func() { close(goodbye) })
			l := listen(t)
			if tt.tls {
				srv.TLSConfig = serverTLS()
			}
			own := l
			if tt.wrap != nil {
				own = tt.wrap(l)
			}
			s := startOn(t, own, srv)
			var clients []*client
			for range 5 {
				c := s.dial()
				if tt.tls {
					c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
				}
				if tt.h2 {
					c.send("PRI * HTTP/2.0", "", "")
				} else {
					c.get("/")
				}
				clients = append(clients, c)
			}
			s.until("hijacked", func(st httpdrain.Stats) bool { return st.Hijacked == 5 })
			s.drained()
			if n := open.Load(); n != 0 {
				t.Errorf("%d connections were left open", n)
			}
			for _, c := range clients {
				if b, err := io.ReadAll(c.r); !strings.HasSuffix(string(b), "\r\n\r\nbye") || err != nil {
					t.Errorf("the client has read %q, %v", b, err)
				}
			}
			if st := s.mon.Stats(); st.HijackedClosed != 5 {
				t.Errorf("Stats() = %+v, want HijackedClosed 5", st)
			}
		})
	}
}

// An ownListener wraps its connections in a type of the test.
type ownListener struct {
	net.Listener
	wrap   func(net.Conn) net.Conn // nil: wrap in an ownConn
	err    atomic.Pointer[error]   // if set, Accept fails with it
	failed atomic.Int64            // how often Accept has failed
}

type ownConn struct{ net.Conn }

func (l *ownListener) Accept() (net.Conn, error) {
	if err := l.err.Load(); err != nil {
		l.failed.Add(1)
		return nil, *err
	}
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.wrap != nil {
		return l.wrap(c), nil
	}
	return &ownConn{c}, nil
}

func TestOwnListener(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", overTLS), func(t *testing.T) {
			g := newGate(t)
			var states []string
			var mu sync.Mutex
			srv := &http.Server{Handler: g, ConnState: func(c net.Conn, at http.ConnState) {
				mu.Lock()
				defer mu.Unlock()
				states = append(states, fmt.Sprintf("%T %v", c, at))
			}}
			if overTLS {
				srv.TLSConfig = serverTLS()
			}
			s := startOn(t, &ownListener{Listener: listen(t)}, srv, httpdrain.Linger(10*time.Millisecond))
			c := s.dial()
			if overTLS {
				c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
			}
			c.get("/")
			g.wait(t)
			g.releaseAfter(s.stop)
			if res, body := c.answer(); body != "held" || !res.Close {
				t.Errorf("body = %q, close = %v", body, res.Close)
			}
			s.drained()
			kind := "*httpdrain_test.ownConn"
			if overTLS {
				kind = "*tls.Conn"
			}
			want := []string{kind + " new", kind + " active", kind + " closed"}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, states); diff != "" {
				t.Errorf("ConnState (-want +got):\n%s", diff)
			}
		})
	}
}

// A slowCloseConn has a Close that blocks.
type slowCloseConn struct {
	net.Conn
	released chan struct{}
}

func (c *slowCloseConn) Close() error {
	<-c.released
	return c.Conn.Close()
}

// Connections whose Close blocks delay neither the other connections nor the end of the drain.
func TestConnectionsThatDoNotClose(t *testing.T) {
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	entered := make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.Handle("/", hello)
	mux.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-released })
	l := &ownListener{Listener: listen(t), wrap: func(c net.Conn) net.Conn { return &slowCloseConn{c, released} }}
	s := startIn(t, &group.Group{Grace: deadlineGrace}, l, &http.Server{Handler: mux}, httpdrain.Linger(10*time.Millisecond))
	for range 3 {
		c := s.dial()
		c.get("/")
		c.answer()
	}
	c := s.dial()
	c.get("/stuck")
	<-entered
	s.until("all connections", func(st httpdrain.Stats) bool { return st.Idle == 3 && st.Requests == 1 })
	s.stop()
	err := s.result()
	if want := "1 request cut short: GET /stuck, not answered"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the task's error = %v, want %q in it", err, want)
	}
	release()
	s.until("no request", func(st httpdrain.Stats) bool { return st.Requests == 0 })
}

type valueConn struct{ net.Conn }

type incomparableConn struct {
	net.Conn
	_ []byte
}

// The connections of a listener may be of a type that is not a pointer.
func TestConnectionsThatAreValues(t *testing.T) {
	for _, tt := range []struct {
		name string
		wrap func(net.Conn) net.Conn
		want string
	}{
		{"comparable", func(c net.Conn) net.Conn { return valueConn{c} }, "httpdrain_test.valueConn"},
		{"not comparable", func(c net.Conn) net.Conn { return incomparableConn{Conn: c} }, "httpdrain_test.incomparableConn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			var types sync.Map
			srv := &http.Server{Handler: g, ConnState: func(c net.Conn, _ http.ConnState) { types.Store(fmt.Sprintf("%T", c), true) }}
			s := startOn(t, &ownListener{Listener: listen(t), wrap: tt.wrap}, srv)
			c := s.dial()
			c.get("/")
			g.wait(t)
			draining := <-g.draining
			if draining == nil {
				t.Fatal("Draining(context of a request) = nil")
			}
			s.stop()
			<-draining
			s.until("the request in flight", func(st httpdrain.Stats) bool { return st.Requests == 1 })
			g.release()
			if res, body := c.answer(); body != "held" || !res.Close {
				t.Errorf("body = %q, close = %v", body, res.Close)
			}
			s.drained()
			types.Range(func(got, _ any) bool {
				if got != tt.want {
					t.Errorf("ConnState was given a %v, want a %s", got, tt.want)
				}
				return true
			})
		})
	}
}

// A listener of crypto/tls does the TLS itself.
func TestTLSListener(t *testing.T) {
	s := startOn(t, tls.NewListener(listen(t), serverTLS()), &http.Server{Handler: hello})
	c := talk(t, tls.Client(s.dial().conn, clientTLS()))
	c.get("/")
	if _, body := c.answer(); body != "hello" {
		t.Errorf("body = %q", body)
	}
	c.conn.Close()
	s.drained()

	// As with http.Server.Serve, the server may have a TLSConfig as well.
	s = startOn(t, tls.NewListener(listen(t), serverTLS()), &http.Server{Handler: hello, TLSConfig: serverTLS()})
	c = talk(t, tls.Client(s.dial().conn, clientTLS()))
	c.get("/")
	if _, body := c.answer(); body != "hello" {
		t.Errorf("body = %q", body)
	}
	c.conn.Close()
	s.drained()

	const want = "httpdrain: both the listener and the server do TLS"
	s = startOn(t, tls.NewListener(listen(t), serverTLS()), &http.Server{Handler: hello}, httpdrain.TLSFiles("cert.pem", "key.pem"))
	if err := s.result(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with files: error = %v, want %s", err, want)
	}
	s = startOn(t, hidden{tls.NewListener(listen(t), serverTLS())}, &http.Server{Handler: hello, TLSConfig: serverTLS()})
	s.dial()
	if err := s.result(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with a wrapped TLS listener: error = %v, want %s", err, want)
	}
}

type hidden struct{ net.Listener }

// Serving continues after temporary errors of Accept, such as too many open files.
func TestAcceptErrors(t *testing.T) {
	var logged lockedBuffer
	l := &ownListener{Listener: listen(t)}
	emfile := error(&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)})
	l.err.Store(&emfile)
	s := startOn(t, l, &http.Server{Handler: hello, ErrorLog: log.New(&logged, "", 0)})
	for l.failed.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	c := s.dial()
	c.get("/")
	l.err.Store(nil)
	if _, body := c.answer(); body != "hello" {
		t.Errorf("body = %q", body)
	}
	c.conn.Close()
	if want := "too many open files; retrying in 5ms"; !strings.Contains(logged.String(), want) {
		t.Errorf("log = %q, want %q in it", logged.String(), want)
	}
	s.drained()
}

// The request to stop ends the pause after a temporary error.
func TestStopWhileAcceptFails(t *testing.T) {
	l := &ownListener{Listener: listen(t)}
	emfile := error(&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)})
	l.err.Store(&emfile)
	s := startOn(t, l, &http.Server{Handler: hello})
	for l.failed.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	s.drained()
}

// If the listener fails, the task waits for the requests in flight and returns its error.
func TestAcceptFails(t *testing.T) {
	g := newGate(t)
	l := &ownListener{Listener: listen(t)}
	s := startOn(t, l, &http.Server{Handler: g})
	c := s.dial()
	c.get("/")
	g.wait(t)
	boom := errors.New("boom")
	l.err.Store(&boom)
	if c, err := net.Dial("tcp", s.addr); err == nil { // Accept returns and is called again
		defer c.Close()
	}
	for l.failed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	g.release()
	if _, body := c.answer(); body != "held" {
		t.Errorf("body = %q", body)
	}
	if err := s.result(); !errors.Is(err, boom) {
		t.Errorf("error = %v, want boom", err)
	}
}

func TestCannotStart(t *testing.T) {
	taken := listen(t)
	defer taken.Close()
	missing := filepath.Join(emulated.TempDir(t), "cert.pem")
	broken := filepath.Join(emulated.TempDir(t), "broken.pem")
	if err := os.WriteFile(broken, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		task func(context.Context) error
		want []string
	}{
		{"port in use", httpdrain.Serve(&http.Server{Addr: taken.Addr().String()}), []string{"httpdrain: listen tcp " + taken.Addr().String()}},
		{"no certificate", httpdrain.Serve(&http.Server{Addr: "127.0.0.1:0"}, httpdrain.TLSFiles(missing, missing)), []string{"httpdrain: certificate: open", "cert.pem"}},
		{"broken certificate", httpdrain.Serve(&http.Server{Addr: "127.0.0.1:0"}, httpdrain.TLSFiles(broken, broken)), []string{"httpdrain: certificate: tls: failed to find any PEM data"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.task(context.Background())
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want %q in it", err, want)
				}
			}
		})
	}
}

// After a call of the server's own Shutdown or Close the task returns nil.
func TestServerClosed(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(*http.Server) error
	}{
		{"Shutdown", func(srv *http.Server) error { return srv.Shutdown(context.Background()) }},
		{"Close", (*http.Server).Close},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := &http.Server{Handler: hello}
			s := start(t, srv)
			c := s.dial()
			c.get("/")
			c.answer()
			if err := tt.stop(srv); err != nil {
				t.Error(err)
			}
			if err := s.result(); err != nil {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// A server has one task, which runs once. A second task fails, and the first is not affected.
func TestServerOfAnotherTask(t *testing.T) {
	const want = "httpdrain: another task serves this server, or has served it; each task needs a server of its own, made in the task if that is called again"
	srv := &http.Server{Handler: hello}
	s := start(t, srv)
	awaitClose(t, s, false) // it has begun
	l := listen(t)
	if err := httpdrain.Serve(srv, httpdrain.Listener(l))(context.Background()); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("a second task: %v, want %s", err, want)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("the listener of the failed task is open")
	}
	awaitClose(t, s, false)
	s.drained()
	if err := httpdrain.Serve(srv, httpdrain.Listener(listen(t)))(context.Background()); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("after the end of the first task: %v, want %s", err, want)
	}
}

// A task that could not listen may be run again.
func TestServeAfterAFailure(t *testing.T) {
	taken := listen(t)
	defer taken.Close()
	srv := &http.Server{Addr: taken.Addr().String(), Handler: hello, ErrorLog: log.New(io.Discard, "", 0)}
	task := httpdrain.Serve(srv)
	if err := task(context.Background()); err == nil {
		t.Fatal("the task did not fail on a port that is in use")
	}
	taken.Close()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- task(ctx) }()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", srv.Addr)
		if err == nil {
			c := talk(t, c)
			c.get("/")
			if _, body := c.answer(); body != "hello" {
				t.Errorf("body = %q", body)
			}
			c.conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Task.Shutdown stops a single task of a group within the deadline of its context.
func TestShutdownOfOneTask(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	s := start(t, &http.Server{Handler: g})
	c := s.dial()
	c.get("/")
	g.wait(t)
	// Half a second is between the task's deadline and the end of ctx. The drain would use most of it
	// to wait for a handler that does not return, and a busy machine could use the rest.
	go func() {
		_, _ = c.r.ReadByte() // the connection has been closed
		g.release()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.task.Shutdown(ctx)
	if err == nil || !strings.Contains(err.Error(), "1 request cut short") {
		t.Errorf("Shutdown() = %v, want an error with 1 request cut short", err)
	}
	_ = s.result()
}

func TestMisuse(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func()
		want string
	}{
		{"Serve", func() { httpdrain.Serve(nil) }, "httpdrain: Serve was given a nil server, at httpdrain/hooks_test.go:"},
		{"Listener", func() { httpdrain.Listener(nil) }, "httpdrain: Listener was given nil, at httpdrain/hooks_test.go:"},
		{"Linger", func() { httpdrain.Linger(-1) }, "httpdrain: Linger(-1ns) is negative, at httpdrain/hooks_test.go:"},
		{"Watch", func() { httpdrain.Watch(nil) }, "httpdrain: Watch was given nil, at httpdrain/hooks_test.go:"},
		{"Readiness", func() { httpdrain.Readiness(nil) }, "httpdrain: Readiness was given nil, at httpdrain/hooks_test.go:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, tt.want) {
					t.Errorf("panic %q, want %q", got, tt.want)
				}
			}()
			tt.call()
		})
	}
}

// A ResponseWriter that is used after its handler has returned does not affect other responses.
func TestWriterAfterTheHandler(t *testing.T) {
	var kept http.ResponseWriter
	s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if kept == nil {
			kept = w
		}
		_, _ = io.WriteString(w, "hello")
	})})
	c := s.dial()
	c.get("/")
	c.answer()
	s.until("idle", func(st httpdrain.Stats) bool { return st.Idle == 1 })
	kept.Header().Set("X-Late", "1")
	kept.WriteHeader(http.StatusTeapot)
	if n, err := kept.Write([]byte("late")); n != 0 || err == nil {
		t.Errorf("Write() = %d, %v", n, err)
	}
	rc := http.NewResponseController(kept)
	if err := rc.Flush(); err == nil {
		t.Error("Flush() = nil")
	}
	if _, _, err := rc.Hijack(); err == nil {
		t.Error("Hijack() = nil")
	}
	c.get("/")
	if res, body := c.answer(); res.StatusCode != 200 || body != "hello" || res.Header.Get("X-Late") != "" {
		t.Errorf("the next response is %v %q", res, body)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
