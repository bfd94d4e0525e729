package httpdrain_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// Servers that stop one after the other add up, those of a Concurrent group do not. Spread reserves
// no time.
func TestSpreadOfTwoServers(t *testing.T) {
	for _, tt := range []struct {
		name       string
		concurrent bool
		spread     time.Duration
		want       time.Duration
	}{
		{"one after the other", false, 2 * time.Second, 4 * time.Second},
		{"concurrent", true, 2 * time.Second, 2 * time.Second},
		// The deadline of the group is after 9.5 s. The first server has 8.5 s of that, less the margin
		// and 1 s. The second has the rest, less the margin and a quarter.
		{"one after the other, too long", false, time.Hour, 7075*time.Millisecond + 1735*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := group.Group{Concurrent: tt.concurrent}
				listeners := []*shutdowntest.Listener{shutdowntest.Listen(t), shutdowntest.Listen(t)}
				for _, l := range listeners {
					s := &spreader{t: t}
					g.Go("http", httpdrain.Serve(&http.Server{Handler: http.HandlerFunc(s.websocket), ErrorLog: log.New(io.Discard, "", 0)},
						httpdrain.Listener(l), httpdrain.Spread(tt.spread)))
				}
				p := shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace}, g.Run)
				synctest.Wait()
				for _, l := range listeners {
					for range 100 {
						c, err := l.DialContext(t.Context(), "", "")
						if err != nil {
							t.Fatal(err)
						}
						defer c.Close()
						go func() {
							_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
							_, _ = io.ReadAll(c)
						}()
					}
				}
				synctest.Wait()
				p.Signal(syscall.SIGTERM)
				p.Clean()
				if took := p.Report().Took; took > tt.want || took < tt.want-tt.want/10 {
					t.Errorf("the stop took %v, want a little less than %v", took, tt.want)
				}
			})
		})
	}
}

// A connection that is accepted after the stop gets a moment in the rest of the window.
func TestSpreadOfLateConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spreader{t: t, l: shutdowntest.Listen(t)}
		conn, server := net.Pipe()
		c, late := talk(t, conn), &lateListener{Listener: s.l, last: server}
		srv := &http.Server{Handler: http.HandlerFunc(s.websocket), ErrorLog: log.New(io.Discard, "", 0)}
		s.Program = shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace},
			httpdrain.Serve(srv, httpdrain.Listener(late), httpdrain.Spread(5*time.Second)))
		synctest.Wait()
		s.requestStop()
		c.get("/")
		if b, err := io.ReadAll(c.r); string(b) != "hijacked1001" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		s.Clean()
		if len(s.told) != 1 || s.told[0] < time.Second || s.told[0] > 4*time.Second { // 0.618 of the window
			t.Errorf("told after %v, want a moment in the window", s.told)
		}
	})
}

// A lateListener still has a connection when it is closed.
type lateListener struct {
	*shutdowntest.Listener
	last net.Conn
}

func (l *lateListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil && l.last != nil {
		c, l.last = l.last, nil
		return c, nil
	}
	return c, err
}

// A server that ends without a stop of its task tells all connections at once.
func TestSpreadWithoutAStop(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(srv *http.Server, l *failingListener)
	}{
		{"Close by the user", func(srv *http.Server, _ *failingListener) { _ = srv.Shutdown(context.Background()) }},
		{"a listener that fails", func(_ *http.Server, l *failingListener) { l.fail() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &spreader{t: t, l: shutdowntest.Listen(t)}
				failing := &failingListener{Listener: s.l, failed: make(chan struct{})}
				srv := &http.Server{Handler: http.HandlerFunc(s.websocket), ErrorLog: log.New(io.Discard, "", 0)}
				s.Program = shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace},
					httpdrain.Serve(srv, httpdrain.Listener(failing), httpdrain.Spread(5*time.Second)))
				s.open(20, "/websocket")
				s.stop = time.Now()
				tt.end(srv, failing)
				s.Wait()
				if len(s.told) != 20 || slices.Max(s.told) != 0 {
					t.Errorf("told after %v, want 20 at once", s.told)
				}
			})
		})
	}
}

// A failingListener fails when it is told to.
type failingListener struct {
	*shutdowntest.Listener
	failed chan struct{}
}

func (l *failingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	select {
	case <-l.failed:
		return nil, errors.New("broken")
	default:
		return c, err
	}
}

func (l *failingListener) fail() {
	close(l.failed)
	_ = l.Listener.Close()
}

// A server behind Attach has a window, too.
func TestSpreadOfAttach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		s := &spreader{t: t, l: shutdowntest.Listen(t)}
		srv := &http.Server{Handler: http.HandlerFunc(s.websocket), ErrorLog: log.New(io.Discard, "", 0)}
		stop := httpdrain.Attach(srv, httpdrain.Spread(5*time.Second))
		s.Program = shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace}, func(ctx context.Context) error {
			var g group.Group
			g.Add("http", func(context.Context) error { return srv.Serve(s.l) }, stop)
			return g.Run(ctx)
		})
		synctest.Wait()
		s.open(n, "/websocket")
		s.requestStop()
		s.Clean()
		evenly(t, s.told, n, 0, 5*time.Second)
	})
}
