package httpdrain_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// When a server listens, the plan says how long its requests have. They have that time.
func TestPlanOfRequests(t *testing.T) {
	const s = time.Second
	nothing := func(context.Context) error { return nil }
	waits := func(ctx context.Context) error { <-ctx.Done(); return nil }
	inGroup := func(server func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			var g group.Group
			g.Go("http", server)
			return g.Run(ctx)
		}
	}
	for _, tt := range []struct {
		name     string
		grace    time.Duration
		register func(c *shutdown.Coordinator)
		main     func(server func(context.Context) error) func(context.Context) error
		plan     string
		has      time.Duration
	}{
		{
			"main is the server", 25 * s, func(*shutdown.Coordinator) {}, func(server func(context.Context) error) func(context.Context) error { return server },
			"delay 2s + drain 23s (requests of main 22s) + margin 2s = 27s", 22 * s,
		},
		{
			"two handlers have a second each", 25 * s, func(c *shutdown.Coordinator) { c.Register(nothing); c.Register(nothing) }, inGroup,
			"delay 2s + drain 23s (requests of http 19.5s) + margin 2s = 27s", 19500 * time.Millisecond,
		},
		{
			"a reserve, a timeout, and a scope", 25 * s, func(c *shutdown.Coordinator) {
				c.Register(nothing, shutdown.Reserve(5*s))
				sc := c.Scope("side by side", shutdown.Concurrent())
				sc.Register(nothing, shutdown.Reserve(2*s))
				sc.Register(nothing, shutdown.Reserve(s))
				c.Register(nothing, shutdown.Timeout(s/2))
			}, inGroup,
			"delay 2s + drain 16s (requests of http 14s) + cleanup 7s + margin 2s = 27s", 14 * s,
		},
		{
			"more reserves than time", 10 * s, func(c *shutdown.Coordinator) {
				c.Register(nothing, shutdown.Reserve(5*s))
				c.Register(nothing, shutdown.Reserve(4*s))
			}, inGroup,
			"delay 2s + cleanup 8s (requests of http 1.303s) + margin 2s = 12s", 1303210 * time.Microsecond,
		},
		{
			"a task of the group stops after the server", 25 * s, func(c *shutdown.Coordinator) {}, func(server func(context.Context) error) func(context.Context) error {
				return func(ctx context.Context) error {
					var g group.Group
					g.Go("worker", waits, group.Reserve(4*s))
					g.Go("http", server, group.Timeout(10*s))
					return g.Run(ctx)
				}
			},
			"delay 2s + drain 23s (requests of http 9.025s) + margin 2s = 27s", 9025 * time.Millisecond,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer // the log is written by one goroutine at a time
				log, l := zerolog.New(&out), shutdowntest.Listen(t)
				c := &shutdown.Coordinator{Grace: tt.grace, Delay: 2 * s, Logger: &log}
				tt.register(c)
				var told, ended time.Time
				srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					<-httpdrain.Draining(r.Context())
					told = time.Now()
					<-r.Context().Done()
					ended = time.Now()
				})}
				p := shutdowntest.Start(t, c, tt.main(httpdrain.Serve(srv, httpdrain.Listener(l))))
				conn, err := l.DialContext(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: server\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = io.Copy(io.Discard, conn) }()
				synctest.Wait()
				p.Stop(nil)
				p.Wait()
				if has := ended.Sub(told); has != tt.has {
					t.Errorf("the request had %v, want %v", has, tt.has)
				}
				if want := fmt.Sprintf("%q:%q", "plan", tt.plan); !strings.Contains(out.String(), strings.TrimSuffix(want, `"`)) {
					t.Errorf("the log has no %s:\n%s", want, out.String())
				}
			})
		})
	}
}
