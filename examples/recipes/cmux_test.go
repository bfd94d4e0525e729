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
	g := group.Group{Concurrent: true} // one port, which closes for both servers at once
	split := func(l net.Listener) net.Listener {
		m := cmux.New(l)
		m.SetReadTimeout(2 * time.Second) // a client that sends nothing keeps m.Serve from returning
		web, lines := m.Match(cmux.HTTP1Fast()), m.Match(cmux.Any())
		g.Go("lines", func(ctx context.Context) error { return s.lines(ctx, lines) })
		g.Go("port", func(context.Context) error { return m.Serve() }, group.Expect(net.ErrClosed))
		return web
	}
	g.Go("http", httpdrain.Serve(s.web, httpdrain.Listener(port), httpdrain.Wrap(split)))
	return g.Run(ctx)
}

// endregion

// The port closes at once. Each server answers what it has accepted. A client that sends nothing
// delays this by no more than the read timeout.
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
