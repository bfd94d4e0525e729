package httpdrain

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// stream serves an HTTP/2 request. Without Spread, its response says nothing of the connection:
// GOAWAY does.
func (l *link) stream(w http.ResponseWriter, r *http.Request) {
	if l.current() == reaped {
		panic(http.ErrAbortHandler)
	}
	var rec request
	rec.begin(l.s, r)
	l.handlers.Add(1)
	l.mu.Lock()
	if l.streams == nil {
		l.streams = make(map[*request]struct{})
	}
	l.streams[&rec] = struct{}{}
	l.mu.Unlock()
	how := notAnswered
	defer func() {
		if l.s.isTold() {
			l.returned(&rec, r, how)
			l.finish(&rec)
		}
		l.mu.Lock()
		delete(l.streams, &rec)
		l.last = rec
		l.mu.Unlock()
		l.leave()
	}()
	if inner, ok := w.(streamWriter); ok && l.s.window != nil {
		s := &stream{streamWriter: inner, link: l}
		l.s.serve(s, r)
		s.decide()
	} else {
		l.s.serve(w, r)
	}
	how = answered
}

// A streamWriter has the methods of net/http's ResponseWriter for HTTP/2.
type streamWriter interface {
	http.ResponseWriter
	http.Pusher
	io.StringWriter
	Flush()
	FlushError() error
	CloseNotify() <-chan bool
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
}

// A stream wraps net/http's ResponseWriter for HTTP/2, with Spread. If the connection was told to
// leave when the header is written, the response says "Connection: close". net/http does not send
// that over HTTP/2, but sends GOAWAY.
type stream struct {
	streamWriter
	link    *link
	decided atomic.Bool
}

// decide decides once, before the header is written.
func (w *stream) decide() {
	if !w.decided.Swap(true) && w.link.isTold() {
		sayClose(w.Header())
		w.link.goaway.Store(true)
	}
}

func (w *stream) WriteHeader(code int) {
	if code >= 200 {
		w.decide()
	}
	w.streamWriter.WriteHeader(code)
}

func (w *stream) Write(b []byte) (int, error) {
	w.decide()
	return w.streamWriter.Write(b)
}

func (w *stream) WriteString(s string) (int, error) {
	w.decide()
	return w.streamWriter.WriteString(s)
}

func (w *stream) Flush() { _ = w.FlushError() }

func (w *stream) FlushError() error {
	w.decide()
	return w.streamWriter.FlushError()
}
