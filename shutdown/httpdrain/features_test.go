package httpdrain_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// lines collects the lines of an http.Server's ErrorLog.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The lines that net/http logs about a handler name the line of the handler.
func TestDiagnosticsNameTheLineOfTheHandler(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
	hijack := func(w http.ResponseWriter) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		c.Close()
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"a second WriteHeader", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			w.WriteHeader(http.StatusOK)
		}},
		{"WriteHeader after Write", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x")
			w.WriteHeader(http.StatusOK)
			w.WriteHeader(http.StatusEarlyHints)
		}},
		{"WriteHeader after Flush", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			w.WriteHeader(http.StatusOK)
		}},
		{"in a function of net/http", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x")
			http.Error(w, "failed", http.StatusInternalServerError)
		}},
		{"WriteHeader of a hijacked connection", func(w http.ResponseWriter, _ *http.Request) {
			hijack(w)
			w.WriteHeader(http.StatusOK)
		}},
		{"Write to a hijacked connection", func(w http.ResponseWriter, _ *http.Request) {
			hijack(w)
			_, _ = w.Write([]byte("x"))
			_, _ = io.WriteString(w, "x")
			_, _ = w.Write(nil)
		}},
		{"hijacked after the header", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x")
			hijack(w)
			_, _ = w.Write([]byte("x"))
			w.WriteHeader(http.StatusOK)
		}},
		{"an answer after a panic for an invalid status", func(w http.ResponseWriter, _ *http.Request) {
			for _, code := range []int{0, 1000} {
				func() {
					defer func() { _ = recover() }()
					w.WriteHeader(code)
				}()
			}
			w.WriteHeader(http.StatusInternalServerError)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want, got lines
			returned := make(chan struct{}, 2)
			handler := func(w http.ResponseWriter, r *http.Request) { tt.handler(w, r); returned <- struct{}{} }
			plain, drained := serverFor(handler), serverFor(handler)
			plain.ErrorLog, drained.ErrorLog = log.New(&want, "", 0), log.New(&got, "", 0)
			exchange(t, plainServer(t, plain), get)
			exchange(t, start(t, drained).addr, get)
			<-returned
			<-returned
			if diff := cmp.Diff(want.String(), got.String()); diff != "" {
				t.Errorf("lines in ErrorLog (-net/http +httpdrain):\n%s", diff)
			}
			if tt.name != "an answer after a panic for an invalid status" && !strings.Contains(got.String(), "features_test.go:") {
				t.Errorf("ErrorLog has %q, want this file in it", got.String())
			}
		})
	}
}

// A client that stops sending its body after the answer does not hold up the drain. net/http would
// wait for the rest of the body without a limit of time.
func TestUploadThatStallsAfterTheAnswer(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nabc"
	for _, tt := range []struct {
		name   string
		tls    bool
		wrap   bool // connections of the user's type
		before bool // the handler returns before the stop
		send   string
	}{
		{"HTTP/1.1", false, false, false, post},
		{"over TLS", true, false, false, post},
		{"a connection of the user's type", false, true, false, post},
		{"chunked", false, false, false, "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
		{"of a client that waits for 100 Continue", false, false, false, strings.Replace(post, "\r\n\r\nabc", "\r\nExpect: 100-continue\r\n\r\n", 1)},
		{"the handler has returned before the stop", false, false, true, post},
		{"the same over TLS", true, false, true, post},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			entered, release := make(chan struct{}), make(chan struct{})
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(entered)
				<-release
				_, _ = io.WriteString(w, "no, thank you")
			})}
			l := listen(t)
			if tt.wrap {
				l = &ownListener{Listener: l, wrap: func(c net.Conn) net.Conn { return struct{ net.Conn }{c} }}
			}
			if tt.tls {
				srv.TLSConfig = serverTLS()
			}
			s := startOn(t, l, srv)
			c := s.dial()
			if tt.tls {
				c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
			}
			c.send(tt.send)
			<-entered
			if tt.before {
				close(release)
				s.until("an answer", func(st httpdrain.Stats) bool { return st.Requests == 1 })
				s.stop()
			} else {
				s.stop()
				close(release)
			}
			if res, body := c.answer(); body != "no, thank you" || !res.Close {
				t.Errorf("answer = %q, close %v, want no, thank you, true", body, res.Close)
			}
			s.drained() // without an error: not at its deadline
		})
	}
}

// What is in progress when the server is told to stop goes on as with net/http.
func TestFeaturesInTheDrain(t *testing.T) {
	large := strings.Repeat("x", 8<<20)
	for _, tt := range []struct {
		name    string
		handler func(told <-chan struct{}) http.HandlerFunc
		send    string
		client  func(t *testing.T, c *client, tell func())
		want    string // of the task's error; "" if there is none
	}{
		{
			"1xx responses before and after the stop", func(told <-chan struct{}) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Link", "</a>")
					w.WriteHeader(http.StatusEarlyHints)
					<-told
					w.WriteHeader(http.StatusEarlyHints)
					_, _ = io.WriteString(w, "done")
				}
			}, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(t *testing.T, c *client, tell func()) {
				for range 2 {
					if res, _ := c.answer(); res.StatusCode != http.StatusEarlyHints || res.Header.Get("Link") == "" || res.Header.Get("Connection") != "" {
						t.Errorf("%d %v, want 103 with Link and without Connection", res.StatusCode, res.Header)
					}
					tell()
				}
				if res, body := c.answer(); body != "done" || !res.Close {
					t.Errorf("%q, close %v", body, res.Close)
				}
			}, "",
		},
		{
			"a client that waits for 100 Continue", func(told <-chan struct{}) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					<-told
					b, err := io.ReadAll(r.Body)
					fmt.Fprintf(w, "%s %v", b, err)
				}
			}, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", func(t *testing.T, c *client, tell func()) {
				tell()
				if res, _ := c.answer(); res.StatusCode != http.StatusContinue {
					t.Errorf("%d, want 100", res.StatusCode)
				}
				c.send("body")
				if res, body := c.answer(); body != "body <nil>" || !res.Close {
					t.Errorf("%q, close %v", body, res.Close)
				}
			}, "",
		},
		{
			"trailers", func(told <-chan struct{}) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Trailer", "Sum")
					<-told
					_, _ = io.WriteString(w, "body")
					w.Header().Set("Sum", "4")
					_ = http.NewResponseController(w).Flush()
				}
			}, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(t *testing.T, c *client, tell func()) {
				tell()
				if res, body := c.answer(); body != "body" || !res.Close || res.Trailer.Get("Sum") != "4" {
					t.Errorf("%q, close %v, trailer %v", body, res.Close, res.Trailer)
				}
			}, "",
		},
		{
			"a large download to a slow reader", func(<-chan struct{}) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, large) }
			}, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(t *testing.T, c *client, tell func()) {
				tell()
				time.Sleep(time.Second) // longer than the drain waits for clients that could still send something
				if _, body := c.answer(); body != large {
					t.Errorf("%d bytes, want %d", len(body), len(large))
				}
			}, "",
		},
		{
			"http.TimeoutHandler", func(told <-chan struct{}) http.HandlerFunc {
				returned := make(chan struct{})
				t.Cleanup(func() { close(returned) })
				return func(w http.ResponseWriter, r *http.Request) {
					<-told
					http.TimeoutHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-returned }), time.Millisecond, "too late").ServeHTTP(w, r)
				}
			}, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(t *testing.T, c *client, tell func()) {
				tell()
				if res, body := c.answer(); body != "too late" || !res.Close {
					t.Errorf("%q, close %v", body, res.Close)
				}
			}, "",
		},
		{
			"http.TimeoutHandler whose context ends", func(told <-chan struct{}) http.HandlerFunc {
				return http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), time.Minute, "too late").ServeHTTP
			}, "GET / HTTP/1.1\r\nHost: test\r\n\r\n", func(t *testing.T, c *client, tell func()) {
				tell()
				// Its own handler and the one around it may both be the first to see the end.
				if res, _ := c.answer(); !res.Close {
					t.Errorf("close %v", res.Close)
				}
			}, "1 request cut short: GET /, answered, ",
		},
		{
			"httputil.ReverseProxy with an upgraded connection", func(<-chan struct{}) http.HandlerFunc { return proxyOfEcho(t) },
			upgrade, func(t *testing.T, c *client, tell func()) {
				c.answer() // ReverseProxy drops what the client sends before
				c.echoes("before")
				tell()
				c.echoes("after")
				c.conn.Close()
			}, "",
		},
		{
			"the same whose client stays", func(<-chan struct{}) http.HandlerFunc { return proxyOfEcho(t) },
			upgrade, func(_ *testing.T, c *client, tell func()) {
				c.answer() // ReverseProxy drops what the client sends before
				c.echoes("before")
				tell()
			}, "1 hijacked connection cut short: GET /, hijacked, ",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			told, entered := make(chan struct{}), make(chan struct{})
			handler := tt.handler(told)
			grace := patience
			if tt.want != "" {
				grace = 2 * deadlineGrace // so that the handler has half a second to answer
			}
			s := startIn(t, &group.Group{Grace: grace}, listen(t), &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				go func() { <-httpdrain.Draining(r.Context()); close(told) }()
				close(entered)
				handler(w, r)
			})})
			c := s.dial()
			c.send(tt.send)
			<-entered
			tt.client(t, c, sync.OnceFunc(func() { s.stop(); <-told }))
			err := s.result()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("the task's error = %v, want %q", err, tt.want)
			}
		})
	}
}

const upgrade = "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

// proxyOfEcho proxies to a server that upgrades to an echo of lines.
func proxyOfEcho(t *testing.T) http.HandlerFunc {
	backend := plainServer(t, serverFor(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, rw)
	}))
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport, proxy.ErrorLog = transport, log.New(io.Discard, "", 0)
	return proxy.ServeHTTP
}

// echoes sends a line and expects its echo.
func (c *client) echoes(line string) {
	c.t.Helper()
	c.send(line + "\n")
	if got, err := c.r.ReadString('\n'); got != line+"\n" {
		c.t.Errorf("echo of %q = %q, %v", line, got, err)
	}
}
