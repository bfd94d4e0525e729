package recipes_test

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A desk answers the messages of its clients. Its handlers are nearly always in a read, which
// returns when the client has sent a message.
type desk struct {
	answer func(context.Context, []byte) []byte
}

// region read
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	messages := make(chan []byte)
	go func() {
		defer close(messages)
		for {
			_, m, err := conn.Read(ctx) // blocks until the client sends, or the connection is closed
			if err != nil {
				return
			}
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				return // the client has gone
			}
			if err := write(ctx, conn, d.answer(ctx, m)); err != nil {
				return
			}
		case <-httpdrain.Draining(r.Context()):
			time.AfterFunc(time.Second, cancel) // how long a client has to answer
			conn.Close(websocket.StatusGoingAway, "the server is stopping")
			return
		}
	}
}

// endregion

// A client gets the close frame wherever its handler is at the stop: in a read, in the answer to a
// message, or before the upgrade. A function given to RegisterOnShutdown would miss the last one.
func TestWebSocketRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before time.Duration // how long the handler takes before the upgrade
		stop   time.Duration // when the program is told to stop, from the request on
		send   bool          // the client sends a message, whose answer takes 500 ms
		silent bool          // the client does not read
		within time.Duration
	}{
		{name: "in a read", stop: time.Second},
		{name: "in an answer", stop: time.Second, send: true, within: 500 * time.Millisecond},
		{name: "before the upgrade", before: 1500 * time.Millisecond, stop: time.Second, within: 500 * time.Millisecond},
		{name: "of a client that does not read", stop: time.Second, silent: true, within: time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{answer: func(ctx context.Context, m []byte) []byte {
					_ = sleep(ctx, 500*time.Millisecond)
					return m
				}}
				l := shutdowntest.Listen(t)
				c := shutdowntest.New(t)
				c.Grace = 6 * time.Second
				p := shutdowntest.Start(t, c, func(ctx context.Context) error {
					var g group.Group
					g.Go("http", httpdrain.Serve(&http.Server{Handler: http.HandlerFunc(
						func(w http.ResponseWriter, r *http.Request) {
							time.Sleep(tt.before)
							d.ServeHTTP(w, r)
						},
					)}, httpdrain.Listener(l)))
					return g.Run(ctx)
				})
				time.AfterFunc(tt.stop, func() { p.Signal(syscall.SIGTERM) })
				conn, _, err := websocket.Dial(t.Context(), "ws://desk/", &websocket.DialOptions{HTTPClient: l.Client()})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.CloseNow()
				if tt.send {
					time.Sleep(tt.stop - time.Millisecond)
					if err := conn.Write(t.Context(), websocket.MessageText, []byte("news")); err != nil {
						t.Fatal(err)
					}
					if _, m, err := conn.Read(t.Context()); string(m) != "news" {
						t.Errorf("the answer is %q, %v, want %q", m, err, "news")
					}
				}
				if !tt.silent {
					if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
						t.Errorf("the client has read %v, want the status 1001", err)
					}
				}
				p.Clean()
				p.Within(tt.within + 100*time.Millisecond)
			})
		})
	}
}
