package httpdrain_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/internal/emulated"
)

// httpdrain does not change what clients receive. Each case runs on a plain http.Server and on one
// served by httpdrain, and all bytes are compared.
func TestSameAsNetHTTP(t *testing.T) {
	file := filepath.Join(emulated.TempDir(t), "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("file ", 20000)), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		get  = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
		last = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
	)
	post := func(body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for _, tt := range []struct {
		name    string
		send    string
		handler http.HandlerFunc
	}{
		{"GET", get, hello},
		{"two requests", get + get, hello},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: test\r\n\r\n", hello},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", hello},
		{"HTTP/1.0 kept alive", strings.Repeat("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 2), hello},
		{"Connection: close", "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n" + get, hello},
		{"POST", post("body") + get, hello},
		{"a body that is not read", post(strings.Repeat("x", 1000)) + get, func(http.ResponseWriter, *http.Request) {}},
		{"chunked", "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + get, hello},
		{"Expect", "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody" + last, hello},
		{"Expect, not read", "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody" + get, func(http.ResponseWriter, *http.Request) {}},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n" + get, hello},
		{"OPTIONS * with a body", "OPTIONS * HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody" + get, hello},
		{"OPTIONS * with a large body", fmt.Sprintf("OPTIONS * HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", 1<<19, strings.Repeat("x", 1<<19)) + get, hello},
		{"no handler", get, nil},
		{"bad request", "nonsense\r\n\r\n", hello},
		{"no host", "GET / HTTP/1.1\r\n\r\n", hello},
		{"a header that is too large", "GET / HTTP/1.1\r\nHost: test\r\nX: " + strings.Repeat("x", 10000), hello},
		{"unknown transfer encoding", "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: odd\r\n\r\n", hello},
		{"nothing written", get + get, func(http.ResponseWriter, *http.Request) {}},
		{"204", get + get, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		{"304", get + get, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }},
		{"early hints", get, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(103)
			w.Header().Set("X", "y")
			w.WriteHeader(201)
			w.WriteHeader(202)
			_, _ = io.WriteString(w, "created")
		}},
		{"an upgrade by WriteHeader", get, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "x")
			w.WriteHeader(101)
		}},
		{"flush", get + get, func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = w.Write([]byte("part"))
				w.(http.Flusher).Flush()
			}
		}},
		{"trailers", get, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "A")
			_, _ = w.Write([]byte("x"))
			w.Header().Set("A", "1")
			w.Header().Set(http.TrailerPrefix+"B", "2")
		}},
		{"a body longer than Content-Length", get, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			_, err := io.WriteString(w, "xyz")
			_, err2 := io.WriteString(w, "xy")
			_, err3 := w.Write([]byte("x"))
			note(w, err, err2, err3)
		}},
		{"a file", get + get, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }},
		{"ranges of a file", "GET / HTTP/1.1\r\nHost: test\r\nRange: bytes=5-9\r\n\r\n", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }},
		{"a reader", get + get, func(w http.ResponseWriter, _ *http.Request) {
			n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader(strings.Repeat("read ", 1000)))
			note(w, n, err)
		}},
		{"a handler that aborts", get, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x")
			panic(http.ErrAbortHandler)
		}},
		{"a handler that panics", get, func(http.ResponseWriter, *http.Request) { panic("boom") }},
		{"hijacked", get + "rest", func(w http.ResponseWriter, _ *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			rest, _ := io.ReadAll(rw)
			_, err = w.Write([]byte("x"))
			_, _, err2 := w.(http.Hijacker).Hijack()
			fmt.Fprintf(c, "rest %q, %v, %v, %T", rest, err, err2, rw)
		}},
		{"interfaces", get, func(w http.ResponseWriter, r *http.Request) {
			note(w, interfaces(w)...)
			note(w, r.ProtoMajor, r.TLS == nil, r.Context().Value(http.LocalAddrContextKey) != nil)
		}},
		{"deadlines", get, func(w http.ResponseWriter, _ *http.Request) {
			rc := http.NewResponseController(w)
			note(w, rc.SetReadDeadline(time.Now().Add(time.Hour)), rc.SetWriteDeadline(time.Now().Add(time.Hour)),
				rc.EnableFullDuplex(), rc.Flush())
		}},
		{"a write deadline that has passed", get, func(w http.ResponseWriter, _ *http.Request) {
			rc := http.NewResponseController(w)
			_ = rc.SetWriteDeadline(time.Now().Add(-time.Hour))
			_, _ = w.Write([]byte("x"))
			if err := rc.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
				panic(err)
			}
		}},
		{"timeout handler", get, func(w http.ResponseWriter, r *http.Request) {
			// Without WithoutCancel, the client's half-close would end the request's context as well.
			returned := make(chan struct{})
			defer close(returned)
			http.TimeoutHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-returned }),
				time.Millisecond, "too late").ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
		}},
		{"Connection: close by the handler", get + get, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, "x")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain := plainServer(t, serverFor(tt.handler))
			drained := start(t, serverFor(tt.handler))
			want, got := exchange(t, plain, tt.send), exchange(t, drained.addr, tt.send)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("bytes that the client reads (-net/http +httpdrain):\n%s", diff)
			}
		})
	}
}

// The one difference: http.MaxBytesReader does not recognize the wrapped ResponseWriter, and so
// does not close the connection. net/http closes it anyway if much of the body is unread.
func TestMaxBytesReader(t *testing.T) {
	s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	})})
	for _, tt := range []struct {
		size  int
		close bool
	}{{100, false}, {1 << 20, true}} {
		c := s.dial()
		c.send("POST / HTTP/1.1", "Host: test", fmt.Sprintf("Content-Length: %d", tt.size), "", strings.Repeat("x", tt.size))
		if res, body := c.answer(); res.StatusCode != 413 || res.Close != tt.close {
			t.Errorf("%d bytes: %v %q, close = %v, want 413, %v", tt.size, res.Status, body, res.Close, tt.close)
		}
		c.conn.Close()
	}
}

func serverFor(h http.HandlerFunc) *http.Server {
	srv := &http.Server{MaxHeaderBytes: 1, ErrorLog: log.New(io.Discard, "", 0)}
	if h != nil {
		srv.Handler = h
	}
	return srv
}

func plainServer(t *testing.T, srv *http.Server) (addr string) {
	t.Helper()
	l := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().String()
}

// note writes the values to the body.
func note(w io.Writer, seen ...any) {
	for _, s := range seen {
		fmt.Fprintf(w, "%v\n", s)
	}
}

var date = regexp.MustCompile(`(?m)^(Date|Last-Modified): .*$`)

// exchange sends bytes, and returns all bytes that the server sends until it closes the connection. The
// client closes its side, but not in a case with Expect: there the last request makes the server close.
func exchange(t *testing.T, addr, send string) string {
	t.Helper()
	c := dial(t, "tcp", addr)
	_, _ = io.WriteString(c.conn, send) // the server may close the connection before all is sent
	if !strings.Contains(send, "Expect") {
		_ = c.conn.(*net.TCPConn).CloseWrite()
	}
	b, err := io.ReadAll(c.r)
	if isTimeout(err) {
		t.Errorf("the server did not close the connection; it has sent %q", b)
	}
	return date.ReplaceAllString(string(b), "$1: -")
}

// interfaces reports which optional interfaces w has.
func interfaces(w http.ResponseWriter) []any {
	_, flusher := w.(http.Flusher)
	_, flushError := w.(interface{ FlushError() error })
	_, hijacker := w.(http.Hijacker)
	_, pusher := w.(http.Pusher)
	_, readerFrom := w.(io.ReaderFrom)
	_, stringWriter := w.(io.StringWriter)
	_, closeNotifier := w.(interface{ CloseNotify() <-chan bool })
	_, readDeadline := w.(interface{ SetReadDeadline(time.Time) error })
	_, writeDeadline := w.(interface{ SetWriteDeadline(time.Time) error })
	_, fullDuplex := w.(interface{ EnableFullDuplex() error })
	return []any{
		flusher, flushError, hijacker, pusher, readerFrom, stringWriter, closeNotifier,
		readDeadline, writeDeadline, fullDuplex,
	}
}

// With TLS and HTTP/2, too, httpdrain changes neither the response nor what the hooks see.
func TestSameAsNetHTTPOverTLS(t *testing.T) {
	for _, p := range []*http.Protocols{protocols(http1), protocols(http2)} {
		t.Run(p.String(), func(t *testing.T) {
			var seen [2]string
			for i := range seen {
				var mu sync.Mutex
				var hooks []string
				hook := func(format string, args ...any) {
					mu.Lock()
					defer mu.Unlock()
					hooks = append(hooks, fmt.Sprintf(format, args...))
				}
				srv := &http.Server{
					TLSConfig: serverTLS(),
					ErrorLog:  log.New(io.Discard, "", 0),
					ConnState: func(c net.Conn, at http.ConnState) { hook("%T %v", c, at) },
					ConnContext: func(ctx context.Context, c net.Conn) context.Context {
						hook("ConnContext %T", c)
						return ctx
					},
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						note(w, interfaces(w)...)
						note(w, r.Proto, r.TLS.NegotiatedProtocol, r.TLS.HandshakeComplete)
						err := http.NewResponseController(w).Flush()
						note(w, err)
					}),
				}
				var addr string
				var stop func()
				if i == 0 {
					l := listen(t)
					done := make(chan struct{})
					go func() { defer close(done); _ = srv.ServeTLS(l, "", "") }()
					addr = l.Addr().String()
					stop = func() { srv.Close(); <-done }
				} else {
					s := start(t, srv)
					addr = s.addr
					stop = func() { s.drained() }
				}
				c := newClient(t, p)
				var body []byte
				for range 2 {
					res, err := c.Get("https://" + addr)
					if err != nil {
						t.Fatal(err)
					}
					body, _ = io.ReadAll(res.Body)
					res.Body.Close()
				}
				c.CloseIdleConnections()
				for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
					mu.Lock()
					closed := strings.Contains(strings.Join(hooks, "\n"), "closed")
					mu.Unlock()
					if closed {
						break
					}
				}
				mu.Lock()
				seen[i] = strings.Join(append(hooks, string(body)), "\n")
				mu.Unlock()
				stop()
			}
			if diff := cmp.Diff(seen[0], seen[1]); diff != "" {
				t.Errorf("(-net/http +httpdrain):\n%s", diff)
			}
		})
	}
}

// A handler may use one slice for the headers of all its requests. httpdrain does not change it.
func TestConnectionHeaderOfTheHandler(t *testing.T) {
	shared := []string{"Keep-Alive", "X-Own"}
	g := newGate(t)
	s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Connection"] = shared
		g.ServeHTTP(w, r)
	})})
	clients := []*client{s.dial(), s.dial()}
	for _, c := range clients {
		c.get("/")
		g.wait(t)
	}
	g.releaseAfter(s.stop)
	for _, c := range clients {
		if res, _ := c.answer(); !res.Close {
			t.Error("no Connection: close in a response after the stop")
		}
	}
	s.drained()
	if diff := cmp.Diff([]string{"Keep-Alive", "X-Own"}, shared); diff != "" {
		t.Errorf("the handler's slice (-before +after):\n%s", diff)
	}
}
