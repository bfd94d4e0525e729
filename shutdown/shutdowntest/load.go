package shutdowntest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Load is clients that send requests to a server while it is stopped, and count what
// becomes of them:
//
//	load := shutdowntest.Load{URL: "http://127.0.0.1:8080/orders"}
//	load.Run(t, func() { p.Signal(syscall.SIGTERM); p.Wait() })
//
// Each client sends one POST after the other on a connection that it keeps alive, and
// never sends one again. That is what a stop is most likely to lose: net/http's Transport
// repeats a GET without a word, and nobody repeats a POST. It is HTTP/1.1, in TLS where the
// URL is of https: over HTTP/2 clients repeat by themselves what a server that goes has not
// looked at, and share their connections, so that no write tells whether a request was sent.
//
// The zero value needs a URL. A Load runs once.
type Load struct {
	URL     string
	Clients int           // 0 means 8
	Pause   time.Duration // of a client between an answer and its next request, give or take a half; 0 means 1 ms
	Before  int           // how many answers there are to be before the stop; 0 means 100
	// Dial connects. Nil means TCP; Listener.DialContext is for a server in memory.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for a URL of https. Nil means that the system's authorities are trusted. A
	// handshake that fails is a connection that was refused.
	TLS *tls.Config
	// Executed reports whether the server has executed a request, for one that was lost. It
	// is called after the end. Nil means that Handler tells, or that nobody knows.
	Executed func(id string) bool

	counts   map[string]bool // what Handler has executed
	mu       sync.Mutex
	tally    Tally
	lost     []loss
	down     error // why there was no connection, before there was any answer
	answers  atomic.Int64
	enough   chan struct{}
	stopping atomic.Bool
	leaving  atomic.Bool // no client begins another request
	ran      atomic.Bool
	ids      atomic.Int64
}

// A Tally is what has become of the requests of a Load.
type Tally struct {
	Sent         int // of which at least one byte was written
	Answered     int // with a status below 500
	Lost         int // Sent and not Answered, or refused a connection between the first answer and the stop
	LostExecuted int // of those, which the server had executed, as far as is known
	Refused      int // connections, once the stop had begun: not sent, so not lost
}

type loss struct {
	id  string
	err error
}

// IDHeader is the header in which each request of a Load has an id of its own. It is the
// request's body as well.
const IDHeader = "X-Request-Id"

// Handler is h, with a count of the requests that it has executed. It may be called for
// several, before Run.
func (l *Load) Handler(h http.Handler) http.Handler {
	if l.counts == nil {
		l.counts = make(map[string]bool)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.counts[r.Header.Get(IDHeader)] = true
	})
}

// Run has the clients send, as soon as the server listens, calls stop when there are answers
// enough, and expects that no request is lost: each that was sent is answered, with a status
// below 500. stop stops the server and returns when that has ended. The clients leave when
// their connections are refused; where somebody else takes them, half a minute later.
func (l *Load) Run(t TB, stop func()) Tally {
	t.Helper()
	switch {
	case l.Clients < 0 || l.Pause < 0 || l.Before < 0:
		t.Errorf("shutdowntest: a Load cannot have %d clients, a pause of %v, or %d answers before the stop", l.Clients, l.Pause, l.Before)
		return Tally{}
	case l.ran.Swap(true):
		t.Errorf("shutdowntest: this Load has run before; a Load runs once")
		return Tally{}
	}
	defer l.leaving.Store(true) // also where stop ends the test, as Process.Expect may
	l.enough = make(chan struct{})
	l.Before = orElse(l.Before, 100)
	var clients sync.WaitGroup
	for range orElse(l.Clients, 8) {
		clients.Go(func() { l.client() })
	}
	left := make(chan struct{})
	go func() { clients.Wait(); close(left) }()
	select {
	case <-l.enough:
	case <-left:
	case <-time.After(maxWarmUp):
	}
	answered := l.answers.Load()
	l.stopping.Store(true)
	stop()
	select {
	case <-left:
	case <-time.After(maxRequest):
		l.leaving.Store(true) // somebody else listens there; what is sent is answered first
		<-left
	}
	if answered < int64(l.Before) {
		l.mu.Lock()
		down := l.down
		l.mu.Unlock()
		t.Errorf("there were %d answers before the stop, want %d%s", answered, l.Before, because(down))
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

// How long it may take until there are answers enough, and a request; and how long a client
// waits for a server that does not listen yet.
const (
	untilUp    = 10 * time.Millisecond
	maxWarmUp  = 30 * time.Second
	maxRequest = 30 * time.Second
)

func (l *Load) result(t TB) Tally {
	t.Helper()
	l.mu.Lock()
	tally, losses := l.tally, l.lost // no client is left
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
		t.Errorf("%d of %d requests were lost, %d of which had been executed:%s",
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
	return l.counts[id]
}

// client sends requests until it is refused.
func (l *Load) client() {
	c := &client{load: l}
	tr := &http.Transport{DialContext: c.dial, DialTLSContext: c.dialTLS, DisableCompression: true}
	defer tr.CloseIdleConnections()
	// To follow a redirect would be to send a request again, as a GET.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &http.Client{Transport: tr, Timeout: maxRequest, CheckRedirect: stay}
	for pause := orElse(l.Pause, time.Millisecond); !l.leaving.Load() && c.send(); {
		time.Sleep(pause/2 + rand.N(pause))
	}
}

// A client is one connection at a time.
type client struct {
	load    *Load
	http    *http.Client
	written atomic.Int64 // on all connections
}

func (c *client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.load.connect(ctx, network, address)
	return c.counted(conn, err)
}

func (c *client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.load.connect(ctx, network, address)
	if err != nil {
		return c.counted(nil, err)
	}
	cfg := new(tls.Config)
	if c.load.TLS != nil {
		cfg = c.load.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(address)
	}
	cfg.NextProtos = []string{"http/1.1"}
	secure := tls.Client(conn, cfg)
	if err = secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
	}
	return c.counted(secure, err)
}

func (l *Load) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if l.Dial != nil {
		return l.Dial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// counted counts what is written to conn: in TLS what is in it, since a handshake sends
// no request.
func (c *client) counted(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, &refusedError{err}
	}
	return &countedConn{conn, &c.written}, nil
}

type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// send makes one request, and returns false if the server takes no more.
func (c *client) send() bool {
	l := c.load
	id := fmt.Sprint(l.ids.Add(1))
	before := c.written.Load()
	// The reader is of a type of its own, so that net/http cannot read it a second time.
	req, err := http.NewRequest(http.MethodPost, l.URL, struct{ io.Reader }{strings.NewReader(id)})
	if err == nil && (req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https") {
		err = fmt.Errorf("%q is not the URL of a server", l.URL)
	}
	if err != nil {
		l.lose(id, err, false)
		return false
	}
	req.ContentLength = int64(len(id))
	req.Header.Set(IDHeader, id)
	err = c.do(req)
	sent := c.written.Load() > before
	var refused *refusedError
	switch {
	case err == nil:
		l.answer()
	case errors.As(err, &refused) && l.stopping.Load():
		l.refuse()
		return false
	case errors.As(err, &refused) && l.answers.Load() == 0:
		l.notYet(err)
		time.Sleep(untilUp)
	case errors.As(err, &refused):
		l.lose(id, err, false)
	case sent:
		l.lose(id, err, true)
	}
	return true // else it was closed before anything was sent, and nothing is lost
}

func (c *client) do(req *http.Request) error {
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return errors.New(res.Status)
	}
	return nil
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

// notYet is for a server that does not listen yet.
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
