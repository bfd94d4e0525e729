package httpdrain

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
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

// write writes b to w, which is the socket. Over HTTP/2 the connection is idle when the last stream has
// ended. Its response may then be in a write that waits for a slow client.
func (l *link) write(w net.Conn, b []byte) (int, error) {
	if !l.current().isHTTP2() {
		return w.Write(b)
	}
	l.writes.Add(1)
	defer l.writes.Add(-1)
	return w.Write(b)
}

// sends reports whether the kernel still has bytes for a client that takes them: it has acknowledged some
// since the last call, which left its result in last. A client that has vanished acknowledges nothing.
func (l *link) sends(last *int) bool {
	if !l.isSocket {
		return false
	}
	n := unsent(l.raw)
	sends := n > 0 && n != *last
	*last = n
	return sends
}

// lingers reports whether c is closed later, because the kernel has a part of the last response over
// HTTP/2. A client answers what it reads with frames, and these reset a socket that is closed.
func (l *link) lingers(c net.Conn) bool {
	if l.lingering.Load() {
		return true
	}
	last := 0
	if !l.s.isTold() || !l.current().isHTTP2() || !l.sends(&last) {
		return false
	}
	if l.lingering.Swap(true) {
		return true
	}
	l.handlers.Add(1) // the drain waits for it
	go func() {
		defer l.leave()
		defer c.Close()
		for {
			_ = c.SetReadDeadline(time.Now().Add(afterSent))
			if _, err := io.Copy(io.Discard, c); !errors.Is(err, os.ErrDeadlineExceeded) || !l.sends(&last) {
				return
			}
		}
	}()
	return true
}

// lastResponse is how long to wait for the end of the last response of an HTTP/2 connection, which is idle
// before net/http and the kernel have sent that: 0 if it is sent, or if the client does not take it.
func (d *drain) lastResponse(l *link) time.Duration {
	switch {
	case l.seen != h2idle:
		return 0
	case l.writes.Load() > 0: // as with HTTP/1, the drain waits for a write until its deadline
		return unreadPause
	case l.sends(&l.left):
		return min(afterSent, d.maxWait, d.leftToSend)
	}
	return 0
}
