package httpdrain

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// &linkKey is the context key of a request's connection. Each request looks it up through the
// contexts that net/http adds. A pointer takes less time to compare than a struct{}.
var linkKey byte

// ServeHTTP is what net/http calls instead of the user's handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l, _ := r.Context().Value(&linkKey).(*link)
	inner, ok := w.(responseWriter)
	switch {
	case l == nil: // from another listener of the same server
		s.serve(w, r)
	case !ok: // HTTP/2. Not by r.Proto: an HTTP/1 server gets the preface PRI * HTTP/2.0 as a request
		l.stream(w, r)
	default:
		l.request(inner, r)
	}
}

// serve calls the user's handler.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if s.generalOptions && r.RequestURI == "*" && r.Method == http.MethodOptions {
		answerOptions(w, r)
		return
	}
	s.handler.ServeHTTP(w, r)
}

// answerOptions answers OPTIONS * as net/http does by default. net/http itself would not call a
// handler for it. Then its response would not say "Connection: close", and a connection without
// any other request would look like HTTP/2.
func answerOptions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "0")
	if r.ContentLength == 0 {
		return
	}
	if drained, ok := w.(*response); ok {
		w = drained.inner // MaxBytesReader needs it to close the connection
	}
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 4<<10))
}

func (l *link) request(inner responseWriter, r *http.Request) {
	if !l.enter(r) {
		panic(http.ErrAbortHandler) // the drain has closed the connection
	}
	withBody := r.ContentLength != 0 // the user's code may change r
	if withBody && r.TLS == nil {
		l.body.Store(bodyUnread)
	}
	w := l.response(inner)
	how := inResponse
	defer func() { w.leave(r, how, withBody) }()
	l.s.serve(w, r)
	how = answered
}

// A responseWriter has the methods of net/http's ResponseWriter for HTTP/1.
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

// A response wraps net/http's ResponseWriter. It says "Connection: close" if the stop has been
// announced when its header is written. It is not reused for another request, since a handler
// may keep it.
type response struct {
	inner responseWriter // nil once the handler has returned
	link  *link
}

// batch is how many responses a connection allocates at once, to save an allocation per request.
// Each is used once.
const batch = 32

// response returns a response for a new request. It is called on the goroutine that serves the
// connection. The first request of a connection allocates just one.
func (l *link) response(inner responseWriter) *response {
	if len(l.free) == 0 {
		n := batch
		if l.free == nil {
			n = 1
		}
		l.free = make([]response, n)
	}
	w := &l.free[0]
	l.free = l.free[1:]
	w.inner, w.link = inner, l
	return w
}

// leave is called when the handler has returned. It drops net/http's ResponseWriter, so that the
// other responses of the batch do not keep it in memory.
func (w *response) leave(r *http.Request, how string, withBody bool) {
	l := w.link
	if how != answered && l.current() == serving {
		how = notAnswered
	}
	w.decide()
	w.inner = nil
	if l.s.isTold() {
		l.returned(&l.last, r, how)
	}
	switch at := l.current(); {
	case at == hijacked:
		l.leave()
	case withBody && (l.body.Load() != noBody || r.TLS != nil):
		if l.swap(at, ended) {
			l.s.wake()
		}
	}
	if withBody {
		l.body.Store(noBody)
	}
}

// decide adds "Connection: close" to the header if the stop has been announced. It does so once,
// before the header is written. It stores the state before it reads the phase: so either it sees
// the announcement, or the drain sees the state written.
func (w *response) decide() {
	l := w.link
	if l.wrote {
		return
	}
	l.wrote = true
	if l.current() != serving {
		return
	}
	l.state.Store(uint32(written))
	if l.s.phase.Load() == open || l.s.resumed() {
		return
	}
	sayClose(w.inner.Header())
	l.state.Store(uint32(marked))
	l.s.wake()
}

// sayClose puts "close" first into the Connection header: net/http reads only the first value. It
// makes a new slice, since the handler may use the present one for other requests.
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
	if inner := w.inner; inner != nil {
		return inner.Header()
	}
	return make(http.Header)
}

func (w *response) WriteHeader(code int) {
	inner := w.inner
	switch {
	case inner == nil:
		return
	case w.link.current() == hijacked:
		w.link.s.misused("response.WriteHeader on hijacked connection")
		return
	case w.link.wrote:
		w.link.s.misused("superfluous response.WriteHeader call")
		return
	case code == http.StatusSwitchingProtocols:
		// Its Connection header says "Upgrade", and HTTP/1 ends there.
		w.link.wrote = true
		w.link.swap(serving, marked)
	case code >= 200 && code <= 999: // net/http panics for another
		w.decide()
	}
	inner.WriteHeader(code)
}

func (w *response) Write(b []byte) (int, error) {
	inner := w.inner
	if inner == nil {
		return 0, errReturned
	}
	if w.link.current() == hijacked {
		return w.writeHijacked(len(b))
	}
	w.decide()
	return inner.Write(b)
}

func (w *response) WriteString(s string) (int, error) {
	inner := w.inner
	if inner == nil {
		return 0, errReturned
	}
	if w.link.current() == hijacked {
		return w.writeHijacked(len(s))
	}
	w.decide()
	return inner.WriteString(s)
}

func (w *response) ReadFrom(r io.Reader) (int64, error) {
	inner := w.inner
	if inner == nil {
		return 0, errReturned
	}
	w.decide()
	return inner.ReadFrom(r)
}

func (w *response) Flush() { _ = w.FlushError() }

func (w *response) FlushError() error {
	inner := w.inner
	if inner == nil {
		return errReturned
	}
	w.decide()
	return inner.FlushError()
}

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	inner := w.inner
	if inner == nil {
		return nil, nil, errReturned
	}
	c, rw, err := inner.Hijack()
	if err != nil {
		return nil, nil, err
	}
	if l := w.link; l.unwrapped {
		c = &otherConn{c, l}
	}
	return c, rw, nil
}

func (w *response) CloseNotify() <-chan bool {
	if inner := w.inner; inner != nil {
		return inner.CloseNotify()
	}
	return make(chan bool)
}

func (w *response) SetReadDeadline(t time.Time) error {
	if inner := w.inner; inner != nil {
		return inner.SetReadDeadline(t)
	}
	return errReturned
}

func (w *response) SetWriteDeadline(t time.Time) error {
	if inner := w.inner; inner != nil {
		return inner.SetWriteDeadline(t)
	}
	return errReturned
}

func (w *response) EnableFullDuplex() error {
	if inner := w.inner; inner != nil {
		return inner.EnableFullDuplex()
	}
	return errReturned
}
