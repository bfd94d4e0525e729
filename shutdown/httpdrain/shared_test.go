package httpdrain_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A socket that another process has too, such as systemd, goes on to listen.
func TestASocketOfAnotherProcessStaysOpen(t *testing.T) {
	l := listen(t)
	other, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Skipf("not on this platform: %v", err)
	}
	defer other.Close()
	s := startIn(t, &group.Group{Grace: patience}, l, &http.Server{Handler: hello})
	s.stop()
	if err := s.result(); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatalf("the socket does not listen any more: %v", err)
	}
	_ = c.Close()
}

// A divider passes each second connection to another server.
type divider struct {
	net.Listener
	n      int
	others chan net.Conn
	around func(net.Conn) net.Conn
}

func (d *divider) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.n++; d.n%2 == 1 {
			return c, nil
		}
		d.others <- d.around(c)
	}
}

// A queue is the listener of the other server.
type queue struct {
	net.Listener // for Addr
	conns        chan net.Conn
	closed       chan struct{}
	once         sync.Once
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// The listener of Wrap may pass connections to another server, which then serves them.
func TestWrapPassesConnectionsToAnotherServer(t *testing.T) {
	config := serverTLS()
	for _, tt := range []struct {
		name   string
		around func(net.Conn) net.Conn
		tls    bool
	}{
		{"as they are", func(c net.Conn) net.Conn { return c }, false},
		{"within a type of its own", func(c net.Conn) net.Conn { return &limitedConn{c, func() {}} }, false},
		{"within TLS", func(c net.Conn) net.Conn { return tls.Server(c, config) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t)
			says := func(text string) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
			}
			q := &queue{Listener: l, conns: make(chan net.Conn, 10), closed: make(chan struct{})}
			second := startIn(t, &group.Group{Grace: patience}, q, &http.Server{Handler: says("second")})
			first := startIn(t, &group.Group{Grace: patience}, l, &http.Server{Handler: says("first")}, httpdrain.Wrap(func(l net.Listener) net.Listener {
				return &divider{Listener: l, others: q.conns, around: tt.around}
			}))
			for range 3 {
				for _, want := range []string{"first", "second"} {
					c := first.dial()
					if want == "second" && tt.tls {
						c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
					}
					c.get("/")
					if _, body := c.answer(); body != want {
						t.Errorf("answered by %q, want %q", body, want)
					}
				}
			}
			for _, s := range []*served{second, first} {
				s.stop()
				if err := s.result(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Behind a listener that reads ahead, the drain does not know whether a body was received.
func TestBodyBehindWrap(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	err := atDeadline(func() error {
		entered := make(chan struct{})
		srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(entered)
			<-release
		})}
		s := startIn(t, &group.Group{Grace: deadlineGrace}, listen(t), srv, httpdrain.Wrap(func(l net.Listener) net.Listener { return &prefixListener{l} }))
		c := s.dial()
		c.send("PROXY UNKNOWN\nPOST /orders HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello")
		<-entered
		s.stop()
		return s.result()
	})
	if err == nil || !strings.Contains(err.Error(), "POST /orders, not answered") {
		t.Errorf("the error is %v, want one that says: not answered", err)
	}
}

// If the library has shut the server down itself, stop does not do so again.
func TestAttachAfterTheServersOwnShutdown(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	srv := &http.Server{Handler: hello}
	srv.RegisterOnShutdown(func() { mu.Lock(); defer mu.Unlock(); calls++ })
	s := attach(t, &group.Group{Grace: patience}, srv, srv.Serve)
	c := s.dial()
	c.get("/")
	c.answer()
	_ = c.conn.Close()
	_ = srv.Shutdown(context.Background()) // an error if the drain has closed the listener before
	_ = s.result()
	called := func() int { mu.Lock(); defer mu.Unlock(); return calls }
	for end := time.Now().Add(patience); called() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		// Shutdown calls them on goroutines of their own
	}
	if n := called(); n != 1 {
		t.Errorf("the functions of RegisterOnShutdown were called %d times", n)
	}
}

// A second signal ends the window of Spread: idle connections are closed and the functions of
// RegisterOnShutdown are called at once.
func TestSecondSignalInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spreader{t: t, l: shutdowntest.Listen(t)}
		called := make(chan time.Time, 1)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/websocket" {
				_, _ = io.WriteString(w, "hello")
				return
			}
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, "hijacked")
			<-r.Context().Done() // it ignores Draining
			_ = c.Close()
		}), ErrorLog: log.New(io.Discard, "", 0)}
		srv.RegisterOnShutdown(func() { called <- time.Now() })
		s.Program = shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace}, httpdrain.Serve(srv, httpdrain.Listener(s.l), httpdrain.Spread(8*time.Second), httpdrain.Linger(0)))
		synctest.Wait()
		s.open(1, "/websocket")
		idle := s.dial()
		idle.get("/")
		idle.answer()
		synctest.Wait()
		closed := make(chan time.Time, 1)
		go func() { _, _ = idle.r.ReadByte(); closed <- time.Now() }()
		s.requestStop()
		time.Sleep(300 * time.Millisecond)
		second := time.Now()
		s.Signal(syscall.SIGTERM)
		s.Wait()
		for name, at := range map[string]time.Time{"the idle connection was closed": <-closed, "the callback was called": <-called} {
			if after := at.Sub(second); after > callbacks {
				t.Errorf("%s %v after the second signal", name, after)
			}
		}
	})
}

// With Spread, too, the time of Linger counts from the announcement of the stop.
func TestSpreadAfterADelay(t *testing.T) {
	const n, delay = 100, 4 * time.Second
	spread(t, "idle connections", &shutdown.Coordinator{Delay: delay, Grace: 20 * time.Second}, func(s *spreader) {
		var mu sync.Mutex
		var closed []time.Duration
		var all sync.WaitGroup
		for range n {
			c := s.dial()
			c.get("/")
			c.answer()
			all.Go(func() {
				_, _ = c.r.ReadByte()
				mu.Lock()
				defer mu.Unlock()
				closed = append(closed, time.Since(s.stop))
			})
		}
		synctest.Wait()
		s.requestStop()
		s.Clean()
		all.Wait()
		slices.Sort(closed)
		if first, last := closed[0], closed[n-1]; first > delay+200*time.Millisecond || last < delay+1800*time.Millisecond {
			t.Errorf("closed from %v to %v, want from %v to %v", first, last, delay, delay+2*time.Second)
		}
	}, httpdrain.Spread(2*time.Second), httpdrain.Linger(2*time.Second))
}
