package httpdrain_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// Clients send POST requests, which are not retried, while the server drains. Each request that
// was written is answered, and each that was executed is answered. Clients whose connection is
// refused have sent nothing.
func TestNoRequestIsLost(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pause time.Duration // the longest pause of a client between two requests
		keep  bool          // keep connections alive
	}{
		{"without a pause", 0, true},
		{"with pauses", 5 * time.Millisecond, true},
		{"a connection for each request", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var executed, answered, lost, first, refused atomic.Int64
			s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				executed.Add(1)
				_, _ = io.WriteString(w, "done")
			})}, httpdrain.Linger(5*time.Second)) // on a busy machine a client may pause for more than 1 s
			var clients sync.WaitGroup
			const n = 64
			for i := range n {
				clients.Go(func() {
					for {
						conn, err := net.Dial("tcp", s.addr)
						if err != nil {
							refused.Add(1)
							return
						}
						c := talk(t, conn)
						// The first request of a connection may be lost: the connection may arrive
						// after the accept queue was emptied and before the listener is closed.
						// On Windows all connections that wait in the queue then are lost.
						failed := &first
						for again := true; again; {
							again = post(c, tt.keep, &answered, failed)
							failed = &lost
							if tt.pause > 0 {
								time.Sleep(tt.pause * time.Duration(i) / n)
							}
						}
						conn.Close()
					}
				})
			}
			for answered.Load() < 3000 {
				time.Sleep(time.Millisecond)
			}
			s.drained()
			clients.Wait()
			e, a, l, r := executed.Load(), answered.Load(), lost.Load(), refused.Load()
			t.Logf("%d executed, %d answered, %d lost, %d lost as the first of a connection, %d clients refused", e, a, l, first.Load(), r)
			if l > 0 || e != a || r != n {
				t.Errorf("%d executed, %d answered, %d lost, %d clients refused; want executed = answered, 0 lost, %d refused", e, a, l, r, n)
			}
		})
	}
}

// post sends a request, and reports whether the connection can be used for another.
func post(c *client, keep bool, answered, lost *atomic.Int64) (again bool) {
	header := ""
	if !keep {
		header = "Connection: close\r\n"
	}
	_, err := io.WriteString(c.conn, "POST / HTTP/1.1\r\nHost: test\r\n"+header+"Content-Length: 4\r\n\r\nbody")
	var res *http.Response
	if err == nil {
		res, err = http.ReadResponse(c.r, nil)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
	}
	if err != nil {
		lost.Add(1)
		return false
	}
	answered.Add(1)
	return !res.Close
}

// The task returns right after the last response. http.Server.Shutdown polls, and may return half
// a second later, or 1.5 s with HTTP/2.
func TestReturnsWithTheLastResponse(t *testing.T) {
	for _, tt := range []struct {
		name      string
		tls       bool
		protocols *http.Protocols
	}{
		{"HTTP/1.1", false, protocols(http1)},
		{"HTTP/2 over TLS", true, protocols(http2)},
		{"h2c", false, protocols(h2c)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The bound allows for a busy machine; the benchmark has the real figure.
			const most = 20 * time.Millisecond
			var lags []time.Duration
			for len(lags) < 7 || len(lags) < 50 && lags[0] > most {
				lags = append(lags, lag(t, tt.tls, tt.protocols))
				slices.Sort(lags)
			}
			t.Logf("lags: %v", lags)
			if lags[0] > most {
				t.Errorf("the task returned at least %v after the last response, want at most %v", lags[0], most)
			}
		})
	}
}

func lag(t *testing.T, overTLS bool, p *http.Protocols) time.Duration {
	g := newGate(t)
	srv := &http.Server{Handler: g, Protocols: p}
	if overTLS {
		srv.TLSConfig = serverTLS()
	}
	s := start(t, srv)
	results := s.request(newClient(t, p), overTLS, 1)
	g.wait(t)
	g.releaseAfter(func() {
		s.stop()
		time.Sleep(100 * time.Millisecond) // by now Shutdown would poll every 64 ms
	})
	if r := <-results; r.err != nil {
		t.Error(r.err)
	}
	began := time.Now()
	if err := s.result(); err != nil {
		t.Error(err)
	}
	return time.Since(began)
}

// A connection that is in no handler is closed when its time has passed, and not before. One run has to
// close it in time: in the others the machine may be busy. There are five runs, and more if none of these
// does.
func TestConnectionsInNoHandlerAreClosedInTime(t *testing.T) {
	const linger = 150 * time.Millisecond
	for _, tt := range []struct {
		name     string
		requests int
		from, to time.Duration
	}{
		{"no connection", -1, 0, 50 * time.Millisecond},
		{"a connection that has sent nothing", 0, 250 * time.Millisecond, 300 * time.Millisecond},
		{"an idle connection", 1, linger, linger + 50*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			best := patience
			for n := 0; n < 5 || n < 50 && best > tt.to; n++ {
				s := start(t, &http.Server{Handler: hello}, httpdrain.Linger(linger))
				awaitClose(t, s, false) // it has begun
				s.until("no connection", func(st httpdrain.Stats) bool { return st == httpdrain.Stats{} })
				if tt.requests >= 0 {
					c := s.dial()
					for range tt.requests {
						c.get("/")
						c.answer()
					}
					s.until("the connection", func(st httpdrain.Stats) bool { return st.New+st.Idle == 1 })
				}
				best = min(best, s.drained())
			}
			if best < tt.from || best > tt.to {
				t.Errorf("fastest drain took %v, want %v to %v", best, tt.from, tt.to)
			}
		})
	}
}

// Files are sent with sendfile(2). The client does not read, so the server's goroutine blocks in
// sendfile, where the test finds it.
func TestSendfile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not on this platform")
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<20); err != nil { // more than the buffers of the sockets
		t.Fatal(err)
	}
	s := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, path)
	})})
	c := s.dial()
	c.get("/")
	for end := time.Now().Add(patience); !anyIsIn("internal/poll.SendFile", "httpdrain.(*response).ReadFrom"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no goroutine is in sendfile")
		}
	}
	c.conn.Close()
}

// anyIsIn reports whether one goroutine has all these functions on its stack.
func anyIsIn(functions ...string) bool {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if !slices.ContainsFunc(functions, func(f string) bool { return !strings.Contains(stack, f) }) {
			return true
		}
	}
	return false
}
