package recipes_test

import (
	"context"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A hub sends each message to all clients that are connected by WebSocket.
type hub struct {
	mu      sync.Mutex
	clients map[chan []byte]struct{}
}

// region websocket
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	messages := h.join()
	defer h.leave(messages)

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ctx = conn.CloseRead(ctx) // ends when the client has gone
	for {
		select {
		case m := <-messages:
			if err := write(ctx, conn, m); err != nil {
				return
			}
		case <-httpdrain.Draining(r.Context()):
			// Without this case the drain would wait for the client until the deadline.
			time.AfterFunc(time.Second, cancel) // how long a client has to answer
			conn.Close(websocket.StatusGoingAway, "the server is stopping")
			return
		case <-ctx.Done():
			return
		}
	}
}

// write has a limit of its own, so that a client that does not read cannot delay the stop.
func write(ctx context.Context, conn *websocket.Conn, m []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, m)
}

// endregion

func (h *hub) join() chan []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clients == nil {
		h.clients = make(map[chan []byte]struct{})
	}
	c := make(chan []byte, 8)
	h.clients[c] = struct{}{}
	return c
}

func (h *hub) leave(c chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// broadcast drops a message for a client whose buffer is full.
func (h *hub) broadcast(m string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		select {
		case c <- []byte(m):
		default:
		}
	}
}

// All clients are told to go when the server is told to stop, and the stop takes no longer
// than the slowest of them may take to answer.
func TestWebSocket(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stuck  int  // clients that do not read
		send   bool // a message is sent right before the stop
		within time.Duration
	}{
		{"all answer", 0, false, 100 * time.Millisecond},
		{"some do not answer", 3, false, 1100 * time.Millisecond},
		{"some do not read a message", 3, true, 2100 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const clients = 40
				var h hub
				l := shutdowntest.Listen(t)
				c := shutdowntest.New(t)
				c.Grace = 25 * time.Second
				p := shutdowntest.Start(t, c, func(ctx context.Context) error {
					var g group.Group
					g.Go("http", httpdrain.Serve(&http.Server{Handler: &h}, httpdrain.Listener(l)))
					return g.Run(ctx)
				})
				ends := make(chan websocket.StatusCode, clients)
				for i := range clients {
					conn, _, err := websocket.Dial(t.Context(), "ws://hub/", &websocket.DialOptions{HTTPClient: l.Client()})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = conn.CloseNow() })
					if i < tt.stuck {
						continue
					}
					go func() {
						for {
							if _, _, err := conn.Read(t.Context()); err != nil {
								ends <- websocket.CloseStatus(err)
								return
							}
						}
					}()
				}
				synctest.Wait()
				if n := h.count(); n != clients {
					t.Fatalf("%d clients are connected, want %d", n, clients)
				}
				if tt.send {
					h.broadcast("news")
					synctest.Wait()
				}
				p.Signal(syscall.SIGTERM)
				p.Clean()
				p.Within(tt.within)
				for range clients - tt.stuck {
					if code := <-ends; code != websocket.StatusGoingAway {
						t.Errorf("a client was closed with %v, want 1001", code)
					}
				}
				if n := h.count(); n != 0 {
					t.Errorf("%d clients have not left the hub", n)
				}
			})
		})
	}
}
