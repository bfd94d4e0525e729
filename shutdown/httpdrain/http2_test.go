package httpdrain_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A slowWriteConn takes a while to send.
type slowWriteConn struct{ net.Conn }

func (c slowWriteConn) Write(b []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return c.Conn.Write(b)
}

// Over HTTP/2 a connection becomes idle before the end of its last response is sent. Where a stream ends
// with its context, no time is left then.
func TestLastResponseIsSentAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		srv := &http.Server{Protocols: protocols(h2c), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			_, _ = io.WriteString(w, "goodbye")
		})}
		slow := &ownListener{Listener: l, wrap: func(c net.Conn) net.Conn { return slowWriteConn{c} }}
		p := shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace}, httpdrain.Serve(srv, httpdrain.Listener(slow)))
		tr := &http.Transport{Protocols: protocols(h2c), DialContext: l.DialContext}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr}).Get("http://server/")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		p.Signal(syscall.SIGTERM)
		if b, err := io.ReadAll(res.Body); string(b) != "goodbye" || err != nil {
			t.Errorf("the body is %q, %v", b, err)
		}
		p.Wait()
	})
}

// A slowReadConn reads little at a time.
type slowReadConn struct {
	net.Conn
	last    time.Time
	longest atomic.Int64 // pause between two reads
}

// smallBuffer makes the kernel hold little of a connection.
const smallBuffer = 16 << 10

const slowRead = 15 * time.Millisecond

// afterSent is how long the drain waits for a client that acknowledges nothing, on Linux.
const afterSent = time.Second

func (c *slowReadConn) Read(b []byte) (int, error) {
	time.Sleep(slowRead)
	if now := time.Now(); !c.last.IsZero() {
		c.longest.Store(max(c.longest.Load(), int64(now.Sub(c.last))))
	}
	c.last = time.Now()
	return c.Conn.Read(b[:min(len(b), 2<<10)])
}

// Over HTTP/2 a slow client gets the whole of the last response, which the kernel may still have when the
// connection is idle. The sizes differ: so does what the kernel has, and what net/http.
func TestLastResponseToSlowClients(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not on this platform: the kernel does not say what a client has acknowledged")
	}
	srv := &http.Server{
		Protocols: protocols(h2c),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("n"))
			_ = http.NewResponseController(w).Flush()
			<-httpdrain.Draining(r.Context())
			_, _ = w.Write(make([]byte, n))
		}),
		ConnState: func(c net.Conn, at http.ConnState) {
			if at == http.StateNew {
				_ = c.(*net.TCPConn).SetWriteBuffer(4 * smallBuffer)
			}
		},
	}
	s := start(t, srv)
	ask := func(n int) (conn *slowReadConn, body io.ReadCloser) {
		c := newClient(t, protocols(h2c))
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			_ = raw.(*net.TCPConn).SetReadBuffer(smallBuffer / 4)
			conn = &slowReadConn{Conn: raw}
			return conn, nil
		}
		res, err := c.Get(fmt.Sprintf("http://%s/?n=%d", s.addr, n))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return conn, res.Body
	}
	type client struct {
		conn *slowReadConn
		body io.ReadCloser
		size int
	}
	var clients []client
	for size := 16 << 10; size <= 128<<10; size += 8 << 10 {
		conn, body := ask(size)
		conn.longest.Store(0)
		clients = append(clients, client{conn, body, size})
	}
	s.stop()
	for _, c := range clients {
		b, err := io.ReadAll(c.body)
		switch longest := time.Duration(c.conn.longest.Load()); {
		case len(b) == c.size && err == nil:
		case longest > afterSent/2:
			t.Logf("%d of %d bytes, %v; the client has read nothing for %v", len(b), c.size, err, longest)
		default:
			t.Errorf("%d of %d bytes, %v", len(b), c.size, err)
		}
	}
	s.drained()
}

// Over HTTP/2 a response whose end still waits for the client at the deadline is cut short, although the
// handler has returned and the connection is idle.
func TestLastResponseIsCutShort(t *testing.T) {
	type connKey struct{}
	conn := &deafConn{goaway: make(chan struct{}), deaf: make(chan struct{})}
	defer close(conn.deaf)
	srv := &http.Server{
		Protocols: protocols(h2c),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			_ = c.(*net.TCPConn).SetWriteBuffer(smallBuffer)
			return context.WithValue(ctx, connKey{}, c)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-conn.goaway
			fillUp(r.Context().Value(connKey{}).(net.Conn))
			_, _ = io.WriteString(w, "goodbye")
		}),
	}
	s := startIn(t, &group.Group{Grace: 4 * time.Second}, listen(t), srv)
	c := newClient(t, protocols(h2c))
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (_ net.Conn, err error) {
		if conn.Conn, err = new(net.Dialer).DialContext(ctx, network, addr); err != nil {
			return nil, err
		}
		_ = conn.Conn.(*net.TCPConn).SetReadBuffer(smallBuffer)
		return conn, nil
	}
	res, err := c.Get("http://" + s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	s.stop()
	if err, want := s.result(), "1 request cut short: GET /, in the middle of the response, "; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the task's error = %v, want %q in it", err, want)
	}
	if st := s.mon.Stats(); st.Cut != 1 || st.Finished != 0 {
		t.Errorf("%+v, want one request that was cut short", st)
	}
}

// What a client of HTTP/2 sends that does not react to the server.
const (
	preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	fiveOnly = "\x00\x00\x06\x04\x00\x00\x00\x00\x00" + "\x00\x04\x00\x00\x00\x05" // SETTINGS: 5 bytes of a response
	getRoot  = "\x00\x00\x06\x01\x05\x00\x00\x00\x01" + "\x82\x86\x84\x41\x01x"
	ping     = "\x00\x00\x08\x06\x00\x00\x00\x00\x00" + "12345678"
)

// A response of which HTTP/2's flow control holds back the end is in flight, although its handler has
// returned. At the deadline it is cut short.
func TestLastResponseWithoutWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mon httpdrain.Monitor
		l := shutdowntest.Listen(t)
		srv := &http.Server{Protocols: protocols(h2c), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-httpdrain.Draining(r.Context())
			_, _ = io.WriteString(w, "goodbye")
		})}
		p := shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace}, httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Watch(&mon)))
		c, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		_, _ = io.WriteString(c, preface+fiveOnly+getRoot)
		synctest.Wait()
		p.Signal(syscall.SIGTERM)
		synctest.Wait()
		if st := mon.Stats(); st.Requests != 1 {
			t.Errorf("%+v, want one request in flight", st)
		}
		if err, want := p.Wait().Err(), "1 request cut short: GET /, in the middle of the response, "; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error = %v, want %q in it", err, want)
		}
		if st := mon.Stats(); st.Cut != 1 || st.Finished != 0 {
			t.Errorf("%+v, want one request that was cut short", st)
		}
	})
}

// A client that reads nothing does not hold up the drain if it waits for no response, or if the kernel
// has all of it.
func TestVanishedClients(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sends   string
		overTLS bool
	}{
		{"without a request, and with answers to PING in a write", preface + settings + strings.Repeat(ping, 9000), false},
		{"the kernel has the response", preface + settings + getRoot, false},
		{"the kernel has the response, over TLS", preface + settings + getRoot, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			returned := make(chan struct{}, 1)
			srv := &http.Server{
				Protocols: protocols(h2c, http2),
				ConnContext: func(ctx context.Context, c net.Conn) context.Context {
					if over, ok := c.(*tls.Conn); ok {
						c = over.NetConn()
					}
					_ = c.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(smallBuffer)
					return ctx
				},
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = w.Write(make([]byte, 3*smallBuffer))
					returned <- struct{}{}
				}),
			}
			if tt.overTLS {
				srv.TLSConfig = serverTLS()
			}
			s := startIn(t, &group.Group{Grace: 12 * time.Second}, listen(t), srv)
			c := s.dial().conn
			_ = c.(*net.TCPConn).SetReadBuffer(smallBuffer)
			if tt.overTLS {
				c = tls.Client(c, clientTLS("h2"))
			}
			_, _ = io.WriteString(c, tt.sends)
			if strings.Contains(tt.sends, getRoot) {
				<-returned
			} else {
				seen := 0
				s.until("a write that waits for the client", func(httpdrain.Stats) bool {
					b := make([]byte, 1<<20)
					if seen++; !bytes.Contains(b[:runtime.Stack(b, true)], []byte("httpdrain.(*tcpConn).Write")) {
						seen = 0
					}
					return seen == 20
				})
			}
			s.until("an idle connection", func(st httpdrain.Stats) bool { return st.Idle == 1 })
			s.drained()
		})
	}
}

// The server's own Close closes the connections at once, also those to slow clients.
func TestCloseInDrain(t *testing.T) {
	conns, told := make(chan net.Conn, 1), make(chan struct{})
	srv := &http.Server{
		Protocols: protocols(h2c),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			conns <- c
			return ctx
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-httpdrain.Draining(r.Context())
			close(told)
			<-r.Context().Done()
		}),
	}
	s := start(t, srv)
	client := s.dial().conn
	_, _ = io.WriteString(client, preface+settings+getRoot)
	conn := <-conns
	s.until("a request", func(st httpdrain.Stats) bool { return st.Requests == 1 })
	fillUp(conn)
	s.stop()
	<-told
	_ = srv.Close()
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write to the connection = %v, want that it is closed", err)
	}
}

// fillUp writes to a connection until the kernel takes no more.
func fillUp(c net.Conn) {
	_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	for b, err := make([]byte, 64<<10), error(nil); err == nil; {
		_, err = c.Write(b)
	}
	_ = c.SetWriteDeadline(time.Time{})
}

// A deafConn reads nothing after GOAWAY, until deaf is closed.
type deafConn struct {
	net.Conn
	goaway, deaf chan struct{}
}

func (c *deafConn) Read(b []byte) (int, error) {
	select {
	case <-c.goaway:
		<-c.deaf
	default:
	}
	n, err := c.Conn.Read(b)
	if bytes.Contains(b[:n], []byte("\x07\x00\x00\x00\x00\x00")) {
		close(c.goaway)
	}
	return n, err
}
