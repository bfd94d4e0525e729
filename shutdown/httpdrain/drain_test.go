package httpdrain_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func TestRequestInFlightIsAnswered(t *testing.T) {
	for _, tt := range []struct {
		name      string
		tls       bool
		protocols *http.Protocols
		proto     string
	}{
		{"HTTP/1.1", false, protocols(http1), "HTTP/1.1"},
		{"HTTP/1.1 over TLS", true, protocols(http1), "HTTP/1.1"},
		{"HTTP/2 over TLS", true, protocols(http1, http2), "HTTP/2.0"},
		{"h2c", false, protocols(http1, h2c), "HTTP/2.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			srv := &http.Server{Handler: g, Protocols: tt.protocols}
			if tt.tls {
				srv.TLSConfig = serverTLS()
			}
			s := start(t, srv)
			clientProtocols := tt.protocols
			if tt.proto == "HTTP/2.0" {
				clientProtocols = protocols(http2, h2c)
			}
			results := s.request(newClient(t, clientProtocols), tt.tls, 3)
			for range 3 {
				g.wait(t)
			}
			g.releaseAfter(s.stop)
			for range 3 {
				r := <-results
				if r.err != nil || r.body != "held" || r.proto != tt.proto {
					t.Errorf("got %+v, want held by %s", r, tt.proto)
				}
				if tt.proto == "HTTP/1.1" && !r.close {
					t.Error("no Connection: close in a response after the stop")
				}
			}
			s.drained()
			if st := s.mon.Stats(); st != (httpdrain.Stats{Finished: 3}) {
				t.Errorf("Stats() = %+v, want only 3 finished requests", st)
			}
		})
	}
}

// refuses reports whether the server refuses new connections.
func (s *served) refuses() bool {
	c, err := net.Dial("tcp", s.addr)
	if err == nil {
		c.Close()
	}
	return err != nil
}

type result struct {
	proto, body string
	close       bool
	err         error
}

// request sends n requests concurrently.
func (s *served) request(c *http.Client, overTLS bool, n int) <-chan result {
	results := make(chan result, n)
	url := s.url("/")
	if overTLS {
		url = strings.Replace(url, "http:", "https:", 1)
	}
	for range n {
		go func() {
			res, err := c.Post(url, "text/plain", strings.NewReader("body"))
			if err != nil {
				results <- result{err: err}
				return
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			results <- result{res.Proto, string(b), res.Close, err}
		}()
	}
	return results
}

// A connection that has had only OPTIONS * requests is drained like any HTTP/1 connection.
func TestOptionsStar(t *testing.T) {
	s := start(t, &http.Server{Handler: hello}, httpdrain.Linger(patience))
	c := s.dial()
	for range 2 {
		c.send("OPTIONS * HTTP/1.1", "Host: test", "", "")
		if res, _ := c.answer(); res.StatusCode != 200 || res.Close {
			t.Fatalf("before the stop: %v, close = %v", res.Status, res.Close)
		}
		s.until("idle", func(st httpdrain.Stats) bool { return st.Idle == 1 })
	}
	s.stop()
	s.until("the stop", func(httpdrain.Stats) bool { return s.refuses() })
	c.send("OPTIONS * HTTP/1.1", "Host: test", "", "")
	if res, body := c.answer(); res.StatusCode != 200 || !res.Close || body != "" {
		t.Errorf("after the stop: %v, close = %v, body = %q", res.Status, res.Close, body)
	}
	c.closed()
	s.drained()
}

// A net/http server without HTTP/2 passes the HTTP/2 preface to its handler as a request with
// Proto HTTP/2.0. It is drained like any HTTP/1 request.
func TestHTTP2PrefaceToHTTP1Server(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		p := shutdowntest.Start(t, &shutdown.Coordinator{}, httpdrain.Serve(&http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(5 * time.Second)
				_, _ = io.WriteString(w, "late")
			}),
		}, httpdrain.Listener(l)))
		conn, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		c := talk(t, conn)
		c.send("PRI * HTTP/2.0", "", "")
		synctest.Wait()
		p.Stop(nil)
		if res, body := c.answer(); !res.Close || body != "late" {
			t.Errorf("close = %v, body = %q", res.Close, body)
		}
		if err := p.Wait().Err(); err != nil {
			t.Errorf("report: %v", err)
		}
	})
}

// An HTTP/2 connection that is established during the drain is closed. http.Server.Shutdown
// never returns in this case.
//
// The drain waits a quarter of a second for the first byte of a handshake, and half a second for its end.
// On a busy machine a client may be slower than that, so there are several attempts.
func TestHTTP2ConnectionDuringTheDrain(t *testing.T) {
	var err error
	for range 10 {
		s := start(t, &http.Server{Handler: hello, TLSConfig: serverTLS()})
		raw := s.dial()
		s.until("the connection", func(st httpdrain.Stats) bool { return st.New == 1 })
		s.stop()
		s.until("the stop", func(httpdrain.Stats) bool { return s.refuses() })
		c := tls.Client(raw.conn, clientTLS("h2"))
		if err = c.Handshake(); err == nil {
			// The preface, with empty SETTINGS.
			_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
		s.drained()
		if err == nil {
			return
		}
	}
	t.Errorf("no connection was established during a drain: %v", err)
}

// An HTTP/2 client that does not close its connection after GOAWAY does not hold up the drain.
func TestHTTP2PeerThatStays(t *testing.T) {
	s := start(t, &http.Server{Handler: hello, Protocols: protocols(http1, h2c)})
	c := s.dial()
	c.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	s.until("idle", func(st httpdrain.Stats) bool { return st.Idle == 1 })
	s.stop()
	b, _ := io.ReadAll(c.r)
	if goaway := "\x07\x00\x00\x00\x00\x00"; !strings.Contains(string(b), goaway) {
		t.Errorf("no GOAWAY in %q", b)
	}
	s.drained()
}

// A stream that waits for Draining ends when the server is told to stop, one that waits for its
// context shortly before the deadline.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, overTLS := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", overTLS), func(t *testing.T) {
			t.Parallel()
			begun := make(chan struct{}, 2)
			mux := http.NewServeMux()
			mux.HandleFunc("/polite", func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				begun <- struct{}{}
				<-httpdrain.Draining(r.Context())
				_, _ = io.WriteString(w, "bye")
			})
			mux.HandleFunc("/context", func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				begun <- struct{}{}
				<-r.Context().Done()
				_, _ = io.WriteString(w, "ended: "+context.Cause(r.Context()).Error())
			})
			srv := &http.Server{Handler: mux, Protocols: protocols(http1, http2)}
			scheme := "http://"
			if overTLS {
				srv.TLSConfig, scheme = serverTLS(), "https://"
			}
			// The contexts end 400 ms before the deadline.
			s := startIn(t, &group.Group{Grace: 8 * time.Second}, listen(t), srv)
			c := newClient(t, protocols(http1, http2))
			bodies := make(map[string]io.Reader)
			for _, path := range []string{"/polite", "/context"} {
				res, err := c.Get(scheme + s.addr + path)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				bodies[path] = res.Body
				<-begun
			}
			s.stop()
			if err, want := s.result(), "1 request cut short: GET /context, answered, "; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the task's error = %v, want %q in it", err, want)
			}
			for path, want := range map[string]string{"/polite": "bye", "/context": "ended: shutdown: the step's deadline has passed"} {
				if b, err := io.ReadAll(bodies[path]); string(b) != want || err != nil {
					t.Errorf("%s: %q, %v, want %q", path, b, err, want)
				}
			}
		})
	}
}

// A panic of a handler closes its connection, as in net/http.
func TestPanickingHandler(t *testing.T) {
	g := newGate(t)
	s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.ServeHTTP(noWriter{w}, r)
		panic("boom")
	})})
	c := s.dial()
	c.get("/")
	g.wait(t)
	g.releaseAfter(s.stop)
	c.closed()
	s.drained()
}

type noWriter struct{ http.ResponseWriter }

func (noWriter) Write(b []byte) (int, error) { return len(b), nil }

// A client that has half-closed its connection gets its response, as with net/http.
func TestHalfClose(t *testing.T) {
	g := newGate(t)
	s := start(t, &http.Server{Handler: g})
	c := s.dial()
	c.get("/")
	_ = c.conn.(*net.TCPConn).CloseWrite()
	g.wait(t)
	g.releaseAfter(s.stop)
	if _, body := c.answer(); body != "held" {
		t.Errorf("body = %q", body)
	}
	s.drained()
}

// A pipelined request is either executed and answered, or not executed.
func TestPipelining(t *testing.T) {
	var executed atomic.Int64
	s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		executed.Add(1)
		_, _ = io.WriteString(w, "x")
	})})
	var answered atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		c := s.dial()
		all.Go(func() {
			for {
				if _, err := io.WriteString(c.conn, strings.Repeat("GET / HTTP/1.1\r\nHost: test\r\n\r\n", 20)); err != nil {
					break
				}
				for range 20 {
					res, err := http.ReadResponse(c.r, nil)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					answered.Add(1)
				}
			}
		})
	}
	for executed.Load() < 1000 {
		time.Sleep(time.Millisecond)
	}
	s.drained()
	all.Wait()
	if e, a := executed.Load(), answered.Load(); e != a {
		t.Errorf("%d executed, %d answered", e, a)
	}
}
