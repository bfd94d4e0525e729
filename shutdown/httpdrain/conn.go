package httpdrain

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lastcall-go/lastcall/internal/unsent"
)

// A state is what a connection is doing. Before the drain closes a connection, it moves it to
// reaped by compare-and-swap, from a state in which no request has begun. From then on net/http
// gets no byte of it, and no handler is called for it. So no request is executed and then cut
// off.
type state uint32

const (
	fresh    state = iota // accepted; it has not sent a byte
	reading               // it has sent a part of a request or of a handshake
	serving               // in the handler; the header of the response is not written
	written               // the header is written, without "Connection: close"
	marked                // the header is written, with "Connection: close"
	ended                 // the handler has returned, and the body of its request was not read to its end
	idle                  // between two requests
	h2idle                // HTTP/2 without a stream
	h2active              // HTTP/2 with streams
	hijacked              // it belongs to the application
	reaped                // closed by the drain
)

// isHTTP1 reports whether the connection ends by itself.
func (at state) isHTTP1() bool { return at < h2idle }

// A link is the server's record of a connection.
type link struct {
	s         *server
	raw       net.Conn // as it was accepted; its Close ends everything
	top       net.Conn // as net/http has it: raw, what Wrap has put around it, or TLS around that
	isSocket  bool     // raw is from package net
	unwrapped bool     // raw is of a user's type, which is not wrapped
	direct    bool     // the server has got the socket itself, so net/http's reads are seen as they are
	key       net.Conn // its key in the server's unwrapped; may be nil

	heldBy atomic.Pointer[socket] // nil once the server has got the connection

	state     atomic.Uint32
	handlers  atomic.Int32 // running handlers, for HTTP/2 and hijacked connections only
	closed    atomic.Bool
	lingering atomic.Bool   // net/http has closed it, and the drain closes it later
	lateIdle  atomic.Bool   // it has become idle after the announcement
	body      atomic.Uint32 // of the request in progress, with HTTP/1 and without TLS
	writes    atomic.Int32  // to the socket, in progress; not of HTTP/1

	mu      sync.Mutex
	last    request               // of HTTP/1: the request that has begun last; of HTTP/2: the one that has ended last
	streams map[*request]struct{} // of HTTP/2: those in a handler

	told   chan struct{} // closed when the connection is told to leave; without Spread it is the server's
	asks   atomic.Bool   // a handler has called Draining
	goaway atomic.Bool   // a response has told the HTTP/2 client to leave
	moment time.Time     // of Spread; guarded by the window's mutex

	free  []response // for the next requests
	wrote bool       // the handler has written the header, or is about to

	// These fields belong to the drain's goroutine.
	seen   state
	due    time.Time    // when to close the connection if it is still in the state seen; zero: never
	asked  chan bool    // receives the result of unread, if that was called on another goroutine
	unsent unsent.Watch // over HTTP/2, see isSending
}

func (l *link) current() state { return state(l.state.Load()) }

func (l *link) swap(from, to state) bool {
	return l.state.CompareAndSwap(uint32(from), uint32(to))
}

// input records that bytes were read. It returns false if the drain has closed the connection.
func (l *link) input() bool {
	for {
		switch at := l.current(); at {
		case fresh, idle:
			if l.swap(at, reading) {
				return true
			}
		case reaped:
			return false
		default:
			return true
		}
	}
}

// hook records the state that net/http reports.
func (l *link) hook(at http.ConnState) {
	switch at {
	case http.StateActive:
		l.active()
	case http.StateIdle:
		l.idle()
	case http.StateHijacked:
		l.handlers.Store(1) // the handler that hijacks it is running
		l.state.Store(uint32(hijacked))
	case http.StateClosed:
		l.close()
	}
}

// active records that a request has begun.
func (l *link) active() {
	if l.current() == h2idle && l.swap(h2idle, h2active) {
		return
	}
	if l.s.phase.Load() != open {
		l.input()
	}
}

// idle records that no request is in progress.
func (l *link) idle() {
	switch at := l.current(); at {
	case serving, written, marked, ended:
		if l.s.isTold() {
			l.finish(&l.last)
		}
		l.lateIdle.Store(l.s.phase.Load() != open)
		l.state.Store(uint32(idle))
	case fresh, reading, h2active:
		// Only HTTP/2 is idle before its first handler: net/http reports it after the preface.
		// With HTTP/1, OPTIONS * would do so as well; see answerOptions.
		l.swap(at, h2idle)
	default:
		return
	}
	l.s.wake()
}

// enter begins a request. It returns false if the drain has closed the connection.
func (l *link) enter(r *http.Request) bool {
	l.mu.Lock()
	l.last.begin(l.s, r)
	l.mu.Unlock()
	l.wrote = false
	for {
		at := l.current()
		if at == reaped {
			return false
		}
		if l.swap(at, serving) {
			return true
		}
	}
}

// close records that the connection is closed, leave that a handler has returned.
func (l *link) close() {
	l.closed.Store(true)
	l.forgetIfDone()
}

func (l *link) leave() {
	l.handlers.Add(-1)
	l.forgetIfDone()
}

// forgetIfDone forgets a connection that is closed and in no handler.
func (l *link) forgetIfDone() {
	if l.closed.Load() && l.handlers.Load() <= 0 {
		l.s.forget(l)
	}
}

// end closes a connection in state reaped. The Close of TLS sends an alert, and may block.
func (l *link) end() {
	_, isTLS := l.top.(*tls.Conn)
	switch {
	case isTLS && !l.lingering.Load(): // otherwise net/http has closed it
		go l.s.try(func() { _ = l.top.Close() })
	case l.isSocket:
		_ = l.raw.Close()
	default:
		l.drop()
	}
}

// drop closes a connection of the user's type, below TLS. The Close may block, and must not
// delay the others.
func (l *link) drop() { go l.s.try(func() { _ = l.raw.Close() }) }

// read records the first read of a connection, and each read once a stop has been announced.
// Before that, each request would pay for it without a benefit.
func (l *link) read(n int, err error) (int, error) {
	if n > 0 && (l.current() == fresh || l.s.phase.Load() != open) && !l.input() {
		return 0, io.EOF // net/http would respond to any other error
	}
	if l.body.Load() == bodyAwaited {
		l.body.Store(bodyUnread)
	}
	return n, err
}

// closing closes c. It is the only notice of the end of a hijacked connection.
func (l *link) closing(c net.Conn) error {
	if l.lingers(c) {
		return nil
	}
	err := c.Close()
	l.passed() // if the server has not got it: the listener of Wrap has refused it
	if l.current() == hijacked {
		l.close()
	}
	return err
}

// linkOf returns the link of a connection that net/http passes to a hook, or nil. The connection may
// have the link of another server, whose Wrap has passed it on.
func (s *server) linkOf(c net.Conn) *link {
	switch c := c.(type) {
	case *tcpConn:
		if c.link.s == s {
			return c.link
		}
	case *unixConn:
		if c.link.s == s {
			return c.link
		}
	case *otherConn:
		if c.link.s == s {
			return c.link
		}
	case *tls.Conn:
		if l := s.linkOf(c.NetConn()); l != nil {
			return l
		}
	}
	if !isComparable(c) {
		return nil
	}
	l, _ := s.unwrapped.Load(c)
	found, _ := l.(*link)
	return found
}

// isComparable reports whether c can be a key of a map. The first check does not allocate.
func isComparable(c net.Conn) bool {
	return reflect.TypeOf(c).Kind() == reflect.Pointer || reflect.ValueOf(c).Comparable()
}

// userConn is the connection that the user's hooks get.
func userConn(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *tcpConn:
		return c.TCPConn
	case *unixConn:
		return c.UnixConn
	case *otherConn:
		return c.Conn
	}
	return c
}

// connections appends all links to buf, to call methods of the user's types without the lock.
func (s *server) connections(buf []*link) []*link {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		buf = append(buf, l)
	}
	return buf
}

func (s *server) isEmpty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links) == 0
}

func (s *server) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.links[l]; !ok {
		return
	}
	delete(s.links, l)
	if l.key != nil {
		s.unwrapped.Delete(l.key)
	}
	if s.isTold() {
		s.count(l)
		s.wake()
	}
}

// count adds a connection that is closed and done to the counts of the drain.
func (s *server) count(l *link) {
	if s.window != nil && !l.wasCut() {
		s.gone.Add(1)
	}
	switch l.current() {
	case serving, written, marked, ended:
		l.finish(&l.last)
	case hijacked:
		l.finishHijacked()
	}
}
