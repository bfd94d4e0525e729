package shutdowntest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Load sends requests to a server while it stops, and counts the requests that are lost:
//
//	load := shutdowntest.Load{URL: "http://127.0.0.1:8080/orders"}
//	load.Run(t, func() { p.Signal(syscall.SIGTERM); p.Wait() })
//
// Each client sends POST requests, one after the other, on a connection that it keeps alive. It
// never repeats a request. These are the requests that a stop is most likely to lose: net/http's
// Transport silently repeats a GET that was lost, but not a POST. Requests are HTTP/1.1, over TLS if
// the scheme is https. A Load does not use HTTP/2: its clients repeat requests that the server has
// not processed, and share connections, so that a Load could not tell whether a request was sent.
//
// A request is lost if at least one byte of it was sent, and it had no complete response with a
// status below 500. A request whose connection was refused is lost, too, if that was between the
// first response and the stop.
//
// The zero value needs a URL. A Load runs once.
type Load struct {
	URL     string
	Clients int           // number of clients; 0 means 8
	Pause   time.Duration // average pause of a client between a response and its next request, ±50 %; 0 means 1 ms
	Before  int           // number of responses before the stop; 0 means 100
	// Dial connects to the server. Nil means TCP. Listener.DialContext is for a server in memory.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the configuration for https. Nil means the defaults of crypto/tls. A failed
	// handshake counts as a refused connection.
	TLS *tls.Config
	// Executed reports whether the server has executed the request with this id. Run calls it
	// for each lost request after the clients have ended. If it is nil, Handler records which
	// requests were executed.
	Executed func(id string) bool

	handled  map[string]bool // ids of the requests that Handler has executed
	mu       sync.Mutex
	tally    Tally
	lost     []loss
	down     error // the last error of Dial before the first response
	answers  atomic.Int64
	enough   chan struct{}
	stopping atomic.Bool
	quit     atomic.Bool // no client sends another request
	ran      atomic.Bool
	ids      atomic.Int64
}

// A Tally counts the requests of a Load by their result.
type Tally struct {
	Sent         int // requests of which at least one byte was written
	Answered     int // requests with a complete response and a status below 500
	Lost         int // requests that were lost, as defined at Load
	LostExecuted int // lost requests that the server has executed: known from Executed or Handler
	Refused      int // connections that were refused after the stop had begun; they are not lost
}

type loss struct {
	id  string
	err error
}

// IDHeader is the header with the id of each request of a Load. The body of the request is the id,
// too.
const IDHeader = "X-Request-Id"

// Handler returns a handler that calls h and records the requests that h has executed. Handler may
// be called several times, before Run.
func (l *Load) Handler(h http.Handler) http.Handler {
	if l.handled == nil {
		l.handled = make(map[string]bool)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.handled[r.Header.Get(IDHeader)] = true
	})
}

// Run sends requests as soon as the server listens. After Before responses it calls stop, which
// stops the server and returns when the server has ended. Each client ends when its connection is
// refused, or 30 s after stop has returned if another server accepts it.
//
// Run fails the test if a request is lost, as defined at Load. It also fails the test if there were
// fewer than Before responses after 30 s. It then calls stop all the same.
func (l *Load) Run(t TB, stop func()) Tally {
	t.Helper()
	switch {
	case l.Clients < 0 || l.Pause < 0 || l.Before < 0:
		t.Errorf("shutdowntest: a value of the Load is negative: Clients %d, Pause %v, Before %d", l.Clients, l.Pause, l.Before)
		return Tally{}
	case l.ran.Swap(true):
		t.Errorf("shutdowntest: this Load has run before; a Load runs once")
		return Tally{}
	}
	defer l.quit.Store(true) // deferred: stop may end the test, as Process.Expect does
	l.enough = make(chan struct{})
	l.Before = orElse(l.Before, 100)
	var clients sync.WaitGroup
	for range orElse(l.Clients, 8) {
		clients.Go(func() { l.client() })
	}
	ended := make(chan struct{})
	go func() { clients.Wait(); close(ended) }()
	select {
	case <-l.enough:
	case <-ended:
	case <-time.After(maxWarmUp):
	}
	answered := l.answers.Load()
	l.stopping.Store(true)
	stop()
	select {
	case <-ended:
	case <-time.After(maxRequest):
		l.quit.Store(true) // another server listens; requests in flight are still awaited
		<-ended
	}
	if answered < int64(l.Before) {
		l.mu.Lock()
		down := l.down
		l.mu.Unlock()
		t.Errorf("%d responses before the stop, want %d%s", answered, l.Before, because(down))
	}
	return l.result(t)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func orElse[T comparable](v, or T) T {
	var zero T
	if v == zero {
		return or
	}
	return v
}

const (
	dialPause  = 10 * time.Millisecond // between two attempts to connect to a server that does not listen yet
	maxWarmUp  = 30 * time.Second      // until there are Before responses
	maxRequest = 30 * time.Second
)

func (l *Load) result(t TB) Tally {
	t.Helper()
	l.mu.Lock()
	tally, losses := l.tally, l.lost // all clients have ended
	l.mu.Unlock()
	var text strings.Builder
	for i, lost := range losses {
		what := ""
		if l.executed(lost.id) {
			tally.LostExecuted++
			what = ", and was executed"
		}
		if i < 10 {
			fmt.Fprintf(&text, "\n    request %s: %v%s", lost.id, lost.err, what)
		}
	}
	if len(losses) > 0 {
		t.Errorf("%d of %d requests were lost, of which the server had executed %d:%s",
			len(losses), tally.Answered+len(losses), tally.LostExecuted, text.String())
	}
	return tally
}

func (l *Load) executed(id string) bool {
	if l.Executed != nil {
		return l.Executed(id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handled[id]
}

func (l *Load) answer() {
	l.mu.Lock()
	l.down = nil
	l.tally.Sent++
	l.tally.Answered++
	l.mu.Unlock()
	if l.answers.Add(1) == int64(l.Before) {
		close(l.enough)
	}
}

// notYet records that the server does not listen yet.
func (l *Load) notYet(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = err
}

func (l *Load) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.Refused++
}

func (l *Load) lose(id string, err error, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sent {
		l.tally.Sent++
	}
	l.tally.Lost++
	l.lost = append(l.lost, loss{id, err})
}
