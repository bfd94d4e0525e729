package httpdrain

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// BenchmarkOverhead measures what this package adds to a request of net/http: the wrapped handler
// and response, two hooks, and the check of each read. Over a socket the difference is within the
// noise; see the module bench.
func BenchmarkOverhead(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(nil)
	})
	s := &server{handler: handler, links: make(map[*link]struct{})}
	l := &link{s: s}
	c := &tcpConn{&net.TCPConn{}, l}
	// The contexts that net/http puts around it.
	ctx := context.WithValue(context.Background(), &linkKey, l)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, &net.TCPAddr{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, cancelRequest := context.WithCancel(ctx)
	defer cancelRequest()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	var w null
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			handler.ServeHTTP(w, r)
		}
	})
	b.Run("drained", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.read(1, nil)
			s.linkOf(c).hook(http.StateActive)
			s.ServeHTTP(w, r)
			s.linkOf(c).hook(http.StateIdle)
		}
	})
}

// null is a responseWriter that does nothing.
type null struct{}

func (null) Header() http.Header                          { return nil }
func (null) WriteHeader(int)                              {}
func (null) Write([]byte) (int, error)                    { return 0, nil }
func (null) WriteString(string) (int, error)              { return 0, nil }
func (null) ReadFrom(io.Reader) (int64, error)            { return 0, nil }
func (null) Flush()                                       {}
func (null) FlushError() error                            { return nil }
func (null) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }
func (null) CloseNotify() <-chan bool                     { return nil }
func (null) SetReadDeadline(time.Time) error              { return nil }
func (null) SetWriteDeadline(time.Time) error             { return nil }
func (null) EnableFullDuplex() error                      { return nil }
