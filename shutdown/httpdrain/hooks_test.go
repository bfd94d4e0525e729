package httpdrain_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

func status(h http.Handler) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	return w.Code
}

// The functions given to RegisterOnShutdown are called once. The task waits for them and for the
// goroutines that they start.
func TestRegisterOnShutdown(t *testing.T) {
	var called, ended atomic.Int64
	srv := &http.Server{Handler: hello}
	for range 3 {
		srv.RegisterOnShutdown(func() {
			called.Add(1)
			go func() {
				time.Sleep(100 * time.Millisecond)
				ended.Add(1)
			}()
			time.Sleep(50 * time.Millisecond)
		})
	}
	s := start(t, srv)
	c := s.dial()
	c.get("/")
	c.answer()
	s.drained()
	if c, e := called.Load(), ended.Load(); c != 3 || e != 3 {
		t.Errorf("%d called, %d ended, want 3", c, e)
	}
}

// A hijacked connection belongs to the application, which learns of the stop by its callback. The
// drain waits until the application has closed the connection.
func TestHijacked(t *testing.T) {
	wrapped := func(l net.Listener) net.Listener { return &ownListener{Listener: l} }
	for _, tt := range []struct {
		name string
		tls  bool
		h2   bool // the handler hijacks HTTP/2, as golang.org/x/net/http2/h2c does
		wrap func(net.Listener) net.Listener
	}{
		{name: "TCP"},
		{name: "TLS", tls: true},
		{name: "HTTP/2", h2: true},
		{name: "a connection of the user's type", wrap: wrapped},
		{name: "HTTP/2 on a connection of the user's type", h2: true, wrap: wrapped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			goodbye := make(chan struct{})
			var open atomic.Int64
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				open.Add(1)
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")
				_ = rw.Flush()
				go func() { // the handler returns
					<-goodbye
					time.Sleep(20 * time.Millisecond)
					_, _ = rw.WriteString("bye")
					_ = rw.Flush()
					open.Add(-1)
					_ = c.Close()
				}()
			})}
			srv.RegisterOnShutdown(func() { close(goodbye) })
			l := listen(t)
			if tt.tls {
				srv.TLSConfig = serverTLS()
			}
			own := l
			if tt.wrap != nil {
				own = tt.wrap(l)
			}
			s := startOn(t, own, srv)
			var clients []*client
			for range 5 {
				c := s.dial()
				if tt.tls {
					c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
				}
				if tt.h2 {
					c.send("PRI * HTTP/2.0", "", "")
				} else {
					c.get("/")
				}
				clients = append(clients, c)
			}
			s.until("hijacked", func(st httpdrain.Stats) bool { return st.Hijacked == 5 })
			s.drained()
			if n := open.Load(); n != 0 {
				t.Errorf("%d connections were left open", n)
			}
			for _, c := range clients {
				if b, err := io.ReadAll(c.r); !strings.HasSuffix(string(b), "\r\n\r\nbye") || err != nil {
					t.Errorf("the client has read %q, %v", b, err)
				}
			}
			if st := s.mon.Stats(); st.HijackedClosed != 5 {
				t.Errorf("Stats() = %+v, want HijackedClosed 5", st)
			}
		})
	}
}

// A ResponseWriter that is used after its handler has returned does not affect other responses.
func TestWriterAfterTheHandler(t *testing.T) {
	var kept http.ResponseWriter
	s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if kept == nil {
			kept = w
		}
		_, _ = io.WriteString(w, "hello")
	})})
	c := s.dial()
	c.get("/")
	c.answer()
	s.until("idle", func(st httpdrain.Stats) bool { return st.Idle == 1 })
	kept.Header().Set("X-Late", "1")
	kept.WriteHeader(http.StatusTeapot)
	if n, err := kept.Write([]byte("late")); n != 0 || err == nil {
		t.Errorf("Write() = %d, %v", n, err)
	}
	rc := http.NewResponseController(kept)
	if err := rc.Flush(); err == nil {
		t.Error("Flush() = nil")
	}
	if _, _, err := rc.Hijack(); err == nil {
		t.Error("Hijack() = nil")
	}
	c.get("/")
	if res, body := c.answer(); res.StatusCode != 200 || body != "hello" || res.Header.Get("X-Late") != "" {
		t.Errorf("the next response is %v %q", res, body)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
