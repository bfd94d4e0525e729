package recipes_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func serveSpread(ctx context.Context, l net.Listener, handler http.Handler) error {
	// region spread
	srv := &http.Server{Handler: handler}
	serve := httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Spread(10*time.Second))

	var g group.Group
	g.Go("http", serve)
	return g.Run(ctx)
	// endregion
}

// region events
func clock(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case now := <-ticks.C:
			fmt.Fprintf(w, "data: %s\n\n", now.Format(time.TimeOnly))
			if http.NewResponseController(w).Flush() != nil {
				return // the client has gone
			}
		case <-httpdrain.Draining(r.Context()):
			fmt.Fprint(w, "event: goodbye\ndata:\n\n")
			return // the client connects again, to another server
		case <-r.Context().Done():
			return
		}
	}
}

// endregion

// Clients of a hub and of a stream of events leave over ten seconds. No second has more than its part.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, window = 200, 10
		var h hub
		mux := http.NewServeMux()
		mux.Handle("/hub", &h)
		mux.HandleFunc("/events", clock)
		l := shutdowntest.Listen(t)
		c := shutdowntest.New(t)
		c.Grace = 25 * time.Second
		p := shutdowntest.Start(t, c, func(ctx context.Context) error { return serveSpread(ctx, l, mux) })

		ends := make(chan string, 2*clients)
		for range clients {
			conn, _, err := websocket.Dial(t.Context(), "ws://hub/hub", &websocket.DialOptions{HTTPClient: l.Client()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.CloseNow() })
			go func() {
				_, _, err := conn.Read(t.Context())
				ends <- websocket.CloseStatus(err).String()
			}()
			raw, err := l.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = raw.Close() })
			go func() {
				_, _ = io.WriteString(raw, "GET /events HTTP/1.1\r\nHost: hub\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(raw), nil)
				if err != nil {
					ends <- err.Error()
					return
				}
				b, _ := io.ReadAll(res.Body)
				raw.Close()
				ends <- string(b)
			}()
		}
		time.Sleep(1500 * time.Millisecond) // between two events
		synctest.Wait()
		p.Signal(syscall.SIGTERM)
		synctest.Wait()
		for second := range window {
			time.Sleep(time.Second)
			synctest.Wait()
			if n, part := len(ends), 2*clients/window; n < part-4 || n > part+4 {
				t.Errorf("%d clients left in second %d, want about %d", n, second, part)
			}
			for range len(ends) {
				if end := <-ends; end != websocket.StatusGoingAway.String() && !strings.HasSuffix(end, "event: goodbye\ndata:\n\n") {
					t.Errorf("a client was told %q", end)
				}
			}
		}
		p.Clean()
		p.Within(window * time.Second)
	})
}
