package httpdrain_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

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
	var s *served
	err := atDeadline(func() error {
		entered := make(chan struct{}, 1)
		mux := http.NewServeMux()
		mux.Handle("/", hello)
		mux.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-released })
		l := &ownListener{Listener: listen(t), wrap: func(c net.Conn) net.Conn { return &slowCloseConn{c, released} }}
		s = startIn(t, &group.Group{Grace: deadlineGrace}, l, &http.Server{Handler: mux}, httpdrain.Linger(10*time.Millisecond))
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
		return s.result()
	})
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
