package httpdrain

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
)

// &linkKey is the context key under which a request's connection is found. Each request looks it
// up, below the contexts that net/http adds. A pointer takes less time to compare than a struct{}.
var linkKey byte

// ServeHTTP is what stands between net/http and the user's handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l, _ := r.Context().Value(&linkKey).(*link)
	own, ok := w.(responseWriter)
	switch {
	case l == nil: // not one of ours: the server has other listeners
		s.serve(w, r)
	case !ok: // and not what the request says: PRI * HTTP/2.0 comes as one of HTTP/1
		l.stream(w, r)
	default:
		l.request(own, r)
	}
}

// serve calls the user's handler.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if s.general && r.RequestURI == "*" && r.Method == http.MethodOptions {
		general(w, r)
		return
	}
	s.handler.ServeHTTP(w, r)
}

// general answers OPTIONS * as net/http does where it is not told otherwise. net/http would
// not call a handler for it: its response would not be marked, and a connection that has
// had no other request be taken for one of HTTP/2.
func general(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "0")
	if r.ContentLength == 0 {
		return
	}
	if drained, ok := w.(*response); ok {
		w = drained.own // which MaxBytesReader tells to close the connection
	}
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 4<<10))
}

// stream serves a request that needs no mark: HTTP/2 says goodbye for the connection.
func (l *link) stream(w http.ResponseWriter, r *http.Request) {
	l.handlers.Add(1)
	defer func() {
		if l.s.isTold() && !l.cut.Load() {
			l.s.finished.Add(1)
		}
		l.leave()
	}()
	if l.is() == reaped {
		panic(http.ErrAbortHandler)
	}
	l.s.serve(w, r)
}

func (l *link) request(own responseWriter, r *http.Request) {
	if !l.enter() {
		panic(http.ErrAbortHandler) // closed by the drain: nothing is executed for it
	}
	w := l.response(own)
	defer w.leave()
	l.s.serve(w, r)
}

// A responseWriter has the methods that net/http's own has for HTTP/1.
type responseWriter interface {
	http.ResponseWriter
	http.Hijacker
	io.ReaderFrom
	io.StringWriter
	Flush()
	FlushError() error
	CloseNotify() <-chan bool
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
}

// A response is net/http's own, which says that the connection will be closed if the stop
// has been announced by the time its header is written. It is never used again: a handler
// may keep it.
type response struct {
	own  responseWriter // nil when the handler has returned
	link *link
}

// How many responses a connection has ready. Each is used once; what is saved is an
// allocation for each request.
const batch = 16

// response returns one for a new request. It is called on the goroutine that serves the
// connection. A connection with a single request has no more made than that.
func (l *link) response(own responseWriter) *response {
	if len(l.free) == 0 {
		n := batch
		if l.free == nil {
			n = 1
		}
		l.free = make([]response, n)
	}
	w := &l.free[0]
	l.free = l.free[1:]
	w.own, w.link = own, l
	return w
}

// leave is the end of the handler. What is kept of the response keeps net/http's from
// being freed, with all that the request has held.
func (w *response) leave() {
	w.decide()
	w.own = nil
	if l := w.link; l.is() == hijacked {
		l.leave()
	}
}

// decide says, once, and before the header is written, whether the connection will be
// closed. To be seen as written comes first: then either this sees the stop, or the
// stop sees that this has not.
func (w *response) decide() {
	l := w.link
	if l.is() != serving {
		return
	}
	l.state.Store(uint32(written))
	if l.s.phase.Load() == open || l.s.resumed() {
		return
	}
	sayClose(w.own.Header())
	l.state.Store(uint32(marked))
	l.s.wake()
}

// sayClose adds "close" to the Connection header. net/http looks at the first value. The
// values that are there may be the handler's own, for all its requests, and stay as they are.
func sayClose(h http.Header) {
	said := []string{"close"}
	for _, v := range h["Connection"] {
		if !strings.EqualFold(v, "keep-alive") {
			said = append(said, v)
		}
	}
	h["Connection"] = said
}

var errReturned = errors.New("httpdrain: the handler has returned")

func (w *response) Header() http.Header {
	if own := w.own; own != nil {
		return own.Header()
	}
	return make(http.Header)
}

func (w *response) WriteHeader(code int) {
	own := w.own
	if own == nil {
		return
	}
	switch {
	case code == http.StatusSwitchingProtocols:
		// Its Connection header says something else, and what comes after it is no HTTP/1.
		w.link.swap(serving, marked)
	case code >= 200:
		w.decide()
	}
	own.WriteHeader(code)
}

func (w *response) Write(b []byte) (int, error) {
	own := w.own
	if own == nil {
		return 0, errReturned
	}
	w.decide()
	return own.Write(b)
}

func (w *response) WriteString(s string) (int, error) {
	own := w.own
	if own == nil {
		return 0, errReturned
	}
	w.decide()
	return own.WriteString(s)
}

func (w *response) ReadFrom(r io.Reader) (int64, error) {
	own := w.own
	if own == nil {
		return 0, errReturned
	}
	w.decide()
	return own.ReadFrom(r)
}

func (w *response) Flush() { _ = w.FlushError() }

func (w *response) FlushError() error {
	own := w.own
	if own == nil {
		return errReturned
	}
	w.decide()
	return own.FlushError()
}

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	own := w.own
	if own == nil {
		return nil, nil, errReturned
	}
	c, rw, err := own.Hijack()
	if err != nil {
		return nil, nil, err
	}
	if l := w.link; l.other {
		c = &otherConn{c, l}
	}
	return c, rw, nil
}

func (w *response) CloseNotify() <-chan bool {
	if own := w.own; own != nil {
		return own.CloseNotify()
	}
	return make(chan bool)
}

func (w *response) SetReadDeadline(t time.Time) error {
	if own := w.own; own != nil {
		return own.SetReadDeadline(t)
	}
	return errReturned
}

func (w *response) SetWriteDeadline(t time.Time) error {
	if own := w.own; own != nil {
		return own.SetWriteDeadline(t)
	}
	return errReturned
}

func (w *response) EnableFullDuplex() error {
	if own := w.own; own != nil {
		return own.EnableFullDuplex()
	}
	return errReturned
}

// Readiness answers 200 while c is ready, and 503 when it is not: a stop has been
// announced, and load balancers should send no more requests. Most often c is a
// *shutdown.Coordinator.
//
// A nil c panics.
func Readiness(c interface{ Ready() bool }) http.Handler {
	if c == nil {
		panic("httpdrain: Readiness was given nil, at " + site.Caller(2))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !c.Ready() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
}

// Draining returns a channel that is closed when the server that serves the request with
// this context is told to stop: after the delay, in which all is served as before. It is for
// streams and long polls, which can then end by themselves, and have their clients ask
// again elsewhere. For any other context it is nil, which is never ready.
func Draining(ctx context.Context) <-chan struct{} {
	l, ok := ctx.Value(&linkKey).(*link)
	if !ok {
		return nil
	}
	return l.s.told
}
