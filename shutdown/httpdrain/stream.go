package httpdrain

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lastcall-go/lastcall/internal/unsent"
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
	if l.current().isHTTP1() {
		return w.Write(b)
	}
	l.writes.Add(1)
	defer l.writes.Add(-1)
	return w.Write(b)
}

// isWriting reports whether a response over HTTP/2 waits for its client, although no handler is running.
// Before the first request a write has no response. The link is locked.
func (l *link) isWriting() bool {
	return l.streams != nil && len(l.streams) == 0 && (l.current() == h2active || l.writes.Load() > 0)
}

// isSending reports whether the end of the last response of an HTTP/2 connection is still to be sent. The
// connection is idle before net/http and the kernel have sent it.
func (d *drain) isSending(l *link, now time.Time) bool {
	if l.seen != h2idle {
		return false
	}
	l.mu.Lock()
	writing := l.isWriting()
	l.mu.Unlock()
	if writing || d.leftToSend == 0 {
		return writing // as with HTTP/1, the drain waits for a write until its deadline
	}
	return l.unsent.Sends(l.raw, now, d.maxWait)
}

// lingers reports whether c stays open although net/http closes it, because the kernel has a part of the
// last response over HTTP/2. Then the drain closes it. A client answers what it reads with frames. They
// are read, since a socket is reset if frames are unread when it is closed, or come later.
func (l *link) lingers(c net.Conn) bool {
	if l.lingering.Load() {
		return true
	}
	if !l.s.isTold() || l.current() != h2idle || unsent.Bytes(l.raw) == 0 {
		return false
	}
	if l.lingering.Swap(true) {
		return true
	}
	l.goaway.Store(true) // net/http has sent it, or the connection has failed
	l.handlers.Add(1)    // the drain waits for it
	go func() {
		defer l.leave()
		defer c.Close()
		_ = c.SetReadDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, c)
	}()
	l.s.wake()
	return true
}
