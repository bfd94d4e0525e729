package recipes_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soheilhy/cmux"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A twoProtocols serves HTTP and a protocol of lines on one port.
type twoProtocols struct {
	web   *http.Server
	lines func(context.Context, net.Listener) error
}

// region cmux
func (s *twoProtocols) run(ctx context.Context, port net.Listener) error {
	m := cmux.New(port)
	// A connection that sends nothing keeps m.Serve from returning. This is the limit.
	m.SetReadTimeout(2 * time.Second)
	web, lines := newPart(m.Match(cmux.HTTP1Fast())), newPart(m.Match(cmux.Any()))

	var g group.Group
	g.Go("lines", func(ctx context.Context) error { return s.lines(ctx, lines) })
	g.Go("http", httpdrain.Serve(s.web, httpdrain.Listener(web)))
	// The port is added last, so it closes first. Then the servers stop.
	g.Add("port", func(context.Context) error { return m.Serve() }, func(context.Context) error { return port.Close() })
	return g.Run(ctx)
}

// A part is a listener of cmux for a server that stops after the port was closed. It keeps two
// things from the server: Close would close the port for all servers, and Accept fails when the
// port is closed, which the server would take for a failure before it is told to stop.
type part struct {
	net.Listener
	closed chan struct{}
	close  func()
}

func newPart(l net.Listener) *part {
	closed := make(chan struct{})
	return &part{l, closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *part) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		<-p.closed
	}
	return c, err
}

func (p *part) Close() error {
	p.close()
	return nil
}

// endregion

// The port closes first. Then each server answers what it has accepted, in its turn. A client
// that sends nothing delays this by no more than the read timeout.
func TestOnePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 6 * time.Second // more than the time that httpdrain has for a listener that fails
		s := &twoProtocols{
			web: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = sleep(r.Context(), slow)
				_, _ = io.WriteString(w, "the page")
			})},
			lines: func(ctx context.Context, l net.Listener) error {
				return serveLines(ctx, l, func(line string) string {
					time.Sleep(2 * slow)
					return line + ", done"
				})
			},
		}
		l := shutdowntest.Listen(t)
		c := shutdowntest.New(t)
		c.Grace = 30 * time.Second
		p := shutdowntest.Start(t, c, func(ctx context.Context) error { return s.run(ctx, l) })

		page := make(chan string, 1)
		go func() {
			res, err := l.Client().Get("http://server/")
			if err != nil {
				page <- err.Error()
				return
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			page <- string(text)
		}()
		line := make(chan string, 1)
		go func() {
			c := dial(t, l)
			defer c.Close()
			fmt.Fprint(c, "print orders\n")
			text, _ := bufio.NewReader(c).ReadString('\n')
			line <- text
		}()
		silent := dial(t, l)
		defer silent.Close()
		synctest.Wait()

		p.Signal(syscall.SIGTERM)
		synctest.Wait()
		if _, err := l.DialContext(t.Context(), "", ""); err == nil {
			t.Error("the port is still open after the stop")
		}
		if got, want := <-page, "the page"; got != want {
			t.Errorf("HTTP: %q, want %q", got, want)
		}
		if got, want := <-line, "print orders, done\n"; got != want {
			t.Errorf("line: %q, want %q", got, want)
		}
		p.Clean()
		p.Order("port", "http", "lines")
		p.Within(2 * slow)
	})
}

func dial(t *testing.T, l *shutdowntest.Listener) net.Conn {
	c, err := l.DialContext(t.Context(), "", "")
	if err != nil {
		t.Error(err)
	}
	return c
}

// serveLines answers the lines that its clients send. When ctx ends it answers those that it has
// read, and returns.
func serveLines(ctx context.Context, l net.Listener, answer func(string) string) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })()
			for in := bufio.NewScanner(c); in.Scan(); {
				if _, err := io.WriteString(c, answer(in.Text())+"\n"); err != nil {
					return
				}
			}
		})
	}
}
