package httpdrain_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// The connections in the accept queue are served through the listener of Wrap, too. With Listener
// they are lost, and the status says so.
func TestWrap(t *testing.T) {
	if !looksIntoKernel {
		t.Skip("not on this platform: no call takes a connection from the queue without waiting")
	}
	tlsConfig := serverTLS()
	for _, tt := range []struct {
		name   string
		f      func(net.Listener) net.Listener
		prefix string
		tls    bool
	}{
		{name: "itself", f: func(l net.Listener) net.Listener { return l }},
		{name: "a limit", f: func(l net.Listener) net.Listener { return limit(l, 1000) }},
		{name: "a limit of one connection", f: func(l net.Listener) net.Listener { return limit(l, 1) }},
		{name: "a first line", f: func(l net.Listener) net.Listener { return &prefixListener{l} }, prefix: "PROXY UNKNOWN\n"},
		{name: "TLS", f: func(l net.Listener) net.Listener { return tls.NewListener(l, tlsConfig) }, tls: true},
		{name: "a sniffer", f: sniff, prefix: "PROXY UNKNOWN\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attempts := 1
			if tt.tls { // on a busy machine a handshake may take longer than the drain waits for it
				attempts = 5
			}
			var failures []string
			for range attempts {
				if failures = serveQueue(t, tt.f, tt.prefix, tt.tls); len(failures) == 0 {
					return
				}
			}
			t.Error(strings.Join(failures, "\n"))
		})
	}
}

// serveQueue serves 10 connections from the accept queue, or 3 with TLS, and returns what went wrong.
func serveQueue(t *testing.T, f func(net.Listener) net.Listener, prefix string, overTLS bool) (failures []string) {
	t.Helper()
	n := 10
	if overTLS {
		n = 3
	}
	l := listen(t)
	answers := make(chan string, n)
	for range n {
		c := dial(t, "tcp", l.Addr().String())
		c.send(prefix)
		if overTLS {
			c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
		} else {
			c.get("/")
		}
		go func() {
			if overTLS {
				_, _ = io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
			}
			b, err := io.ReadAll(c.r)
			if _, body, _ := strings.Cut(string(b), "\r\n\r\n"); body == "hello" {
				answers <- ""
			} else {
				answers <- fmt.Sprintf("a client got %q, %v", b, err)
			}
		}()
	}
	// The context has ended before the first Accept, so all connections are in the queue.
	srv := &http.Server{Handler: hello, ErrorLog: log.New(io.Discard, "", 0)}
	var g group.Group
	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Wrap(f)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Run(ctx); err != nil {
		failures = append(failures, err.Error())
	}
	for range n {
		if a := <-answers; a != "" {
			failures = append(failures, a)
		}
	}
	return failures
}

// The server knows the sockets under the connections of Wrap's listener: it sees the first byte.
func TestSocketsUnderWrap(t *testing.T) {
	for name, f := range map[string]func(net.Listener) net.Listener{
		"a limit": func(l net.Listener) net.Listener { return limit(l, 1000) },
		"values": func(l net.Listener) net.Listener {
			return &ownListener{Listener: l, wrap: func(c net.Conn) net.Conn { return valueConn{c} }}
		},
		"two": func(l net.Listener) net.Listener { return &ownListener{Listener: limit(l, 1000)} },
		"no deadline": func(l net.Listener) net.Listener {
			return &ownListener{Listener: l, wrap: func(c net.Conn) net.Conn { return &noDeadlineConn{c} }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, &http.Server{Handler: hello}, httpdrain.Wrap(f))
			c := s.dial()
			s.until("a new connection", func(st httpdrain.Stats) bool { return st == httpdrain.Stats{New: 1} })
			if name != "no deadline" { // such a connection is of an unknown type
				c.send("GET / HTTP/1.1")
				s.until("its first byte", func(st httpdrain.Stats) bool { return st == httpdrain.Stats{Active: 1} })
				c.send("", "Host: test", "", "")
			} else {
				c.get("/")
			}
			if _, body := c.answer(); body != "hello" {
				t.Errorf("body = %q", body)
			}
			c.conn.Close()
			s.until("no connection", func(st httpdrain.Stats) bool { return st == httpdrain.Stats{} })
			s.drained()
		})
	}
}

// A noDeadlineConn does not pass deadlines on.
type noDeadlineConn struct{ net.Conn }

func (c *noDeadlineConn) SetReadDeadline(time.Time) error { return nil }

// If a connection has to end before the limit of Wrap's listener admits the next, an idle one does,
// after Linger.
func TestLimitOfWrap(t *testing.T) {
	if !looksIntoKernel {
		t.Skip("not on this platform: no call takes a connection from the queue without waiting")
	}
	one := httpdrain.Wrap(func(l net.Listener) net.Listener { return limit(l, 1) })
	t.Run("an idle connection", func(t *testing.T) {
		s := start(t, &http.Server{Handler: hello}, one, httpdrain.Linger(50*time.Millisecond))
		idle, waiting := s.dial(), s.dial()
		idle.get("/")
		idle.answer()
		waiting.get("/")
		s.until("an idle connection", func(st httpdrain.Stats) bool { return st == httpdrain.Stats{Idle: 1} })
		s.stop()
		if _, body := waiting.answer(); body != "hello" {
			t.Errorf("body = %q", body)
		}
		s.drained()
	})
	t.Run("no connection waits", func(t *testing.T) {
		g := newGate(t)
		s := start(t, &http.Server{Handler: g}, one)
		c := s.dial()
		c.get("/")
		g.wait(t)
		g.releaseAfter(s.stop)
		if _, body := c.answer(); body != "held" {
			t.Errorf("body = %q", body)
		}
		s.drained()
	})
	t.Run("until the deadline", func(t *testing.T) {
		err := atDeadline(func() error {
			g := newGate(t)
			s := startIn(t, &group.Group{Grace: deadlineGrace}, listen(t), &http.Server{Handler: g}, one)
			c, waiting := s.dial(), s.dial()
			c.get("/")
			waiting.get("/")
			g.wait(t)
			s.stop()
			c.closed()
			g.release() // the drain need not wait for the handler
			defer waiting.closed()
			return s.result()
		})
		for _, want := range []string{"1 request cut short", "1 connection not served, since the server has not accepted it in time"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the task's error = %v, want %q in it", err, want)
			}
		}
	})
}

// The step's status says that the accept queue of a listener of the user's is lost.
func TestStatusOfUndrainedQueue(t *testing.T) {
	f := func(l net.Listener) net.Listener { return &prefixListener{l} }
	l := listen(t)
	for name, tt := range map[string]struct {
		opts []httpdrain.Option
		want string
	}{
		"Listener": {[]httpdrain.Option{httpdrain.Listener(f(l))}, "accept queue not drained: *httpdrain_test.prefixListener; use Wrap"},
		"Wrap":     {[]httpdrain.Option{httpdrain.Wrap(f)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t, time.Minute, 0, &http.Server{Handler: hello}, tt.opts...)
			if name == "Wrap" {
				p.s.dial().conn.Close() // it listens
			}
			p.Stop(nil)
			if got := httpStep(t, p.ended(t)).Status; got != tt.want {
				t.Errorf("Status = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWrapMisused(t *testing.T) {
	func() {
		defer func() {
			if v := recover(); v == nil || !strings.HasPrefix(fmt.Sprint(v), "httpdrain: Wrap was given nil, at ") || !strings.Contains(fmt.Sprint(v), "wrap_test.go:") {
				t.Errorf("Wrap(nil) panicked with %v", v)
			}
		}()
		httpdrain.Wrap(nil)
	}()
	none := httpdrain.Wrap(func(net.Listener) net.Listener { return nil })
	const want = "httpdrain: the function given to Wrap has returned nil"
	if err := httpdrain.Serve(&http.Server{Addr: "127.0.0.1:0"}, none)(t.Context()); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error = %v, want %q", err, want)
	}
}

// A TLSConfig of the server is allowed where Wrap's listener does the TLS, as with http.Server.Serve.
func TestWrapWithTLS(t *testing.T) {
	s := start(t, &http.Server{Handler: hello, TLSConfig: serverTLS()},
		httpdrain.Wrap(func(l net.Listener) net.Listener { return tls.NewListener(l, serverTLS()) }))
	c := talk(t, tls.Client(s.dial().conn, clientTLS("http/1.1")))
	c.get("/")
	if _, body := c.answer(); body != "hello" {
		t.Errorf("body = %q", body)
	}
	c.conn.Close()
	s.drained()
}
