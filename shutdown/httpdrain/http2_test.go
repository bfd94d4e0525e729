package httpdrain_test

import (
	"bytes"
	"context"
	"crypto/tls"
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
	returned time.Time    // the last read
	longest  atomic.Int64 // pause between two reads
}

// smallBuffer makes the kernel hold little of a connection.
const smallBuffer = 16 << 10

const slowRead = 15 * time.Millisecond

// afterSent is how long the drain waits for a client that acknowledges nothing, on Linux.
const afterSent = time.Second

func (c *slowReadConn) Read(b []byte) (int, error) {
	time.Sleep(slowRead)
	if !c.returned.IsZero() { // a read that waits for the server is no pause
		c.longest.Store(max(c.longest.Load(), int64(time.Since(c.returned))))
	}
	n, err := c.Conn.Read(b[:min(len(b), 2<<10)])
	c.returned = time.Now()
	return n, err
}

// Over HTTP/2 a slow client gets the whole of the last response, which the kernel may still have when the
// connection is idle. The sizes differ: so does what the kernel has, and what net/http.
func TestLastResponseToSlowClients(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("not on this platform: the kernel does not say what a client has acknowledged")
	}
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			testSlowClients(t, scheme)
		})
	}
}

func testSlowClients(t *testing.T, scheme string) {
	srv := &http.Server{
		Protocols: protocols(h2c, http2),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("n"))
			_ = http.NewResponseController(w).Flush()
			<-httpdrain.Draining(r.Context())
			_, _ = w.Write(make([]byte, n))
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			setWriteBuffer(c, 4*smallBuffer)
			return ctx
		},
	}
	p := protocols(h2c)
	if scheme == "https" {
		srv.TLSConfig, p = serverTLS(), protocols(http2)
	}
	s := start(t, srv)
	ask := func(n int) (conn *slowReadConn, body io.ReadCloser) {
		c := newClient(t, p)
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			_ = raw.(*net.TCPConn).SetReadBuffer(smallBuffer / 4)
			conn = &slowReadConn{Conn: raw}
			return conn, nil
		}
		res, err := c.Get(fmt.Sprintf("%s://%s/?n=%d", scheme, s.addr, n))
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
	t.Parallel()
	type connKey struct{}
	var s *served
	err := atDeadline(func() error {
		conn := &deafConn{goaway: make(chan struct{}), deaf: make(chan struct{})}
		defer close(conn.deaf)
		s = startIn(t, &group.Group{Grace: deadlineGrace}, listen(t), &http.Server{
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
		})
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
		return s.result()
	})
	if want := "1 request cut short: GET /, in the middle of the response, "; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the task's error = %v, want %q in it", err, want)
	}
	if st := s.mon.Stats(); st.Cut != 1 || st.Finished != 0 {
		t.Errorf("%+v, want one request that was cut short", st)
	}
}

// setWriteBuffer limits what the kernel takes from the server.
func setWriteBuffer(c net.Conn, bytes int) {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	_ = c.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(bytes)
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
