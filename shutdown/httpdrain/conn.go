package httpdrain

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"
)

// A state is what a connection is doing. The drain closes a connection only after it has
// moved it to reaped, by compare-and-swap from a state in which no request has begun;
// from then on no byte of it reaches net/http, and no handler is called for it. So no
// request is executed and then cut off.
type state uint32

const (
	fresh    state = iota // accepted; it has not sent a byte
	reading               // some bytes of a request, or of a handshake
	serving               // in the handler, and the header of the response is not written
	written               // it is, and does not say that the connection will be closed
	marked                // it is, and does
	idle                  // between two requests
	h2idle                // HTTP/2 without a stream
	h2active              // HTTP/2 with streams
	hijacked              // the application's
	reaped                // closed by the drain
)

// A link is what is known of a connection.
type link struct {
	s     *server
	raw   net.Conn // as it was accepted: to close it ends everything
	top   net.Conn // as net/http has it: raw, or TLS around it
	mine  bool     // raw is a socket of package net
	other bool     // raw is of a type that is not wrapped

	state    atomic.Uint32
	handlers atomic.Int32 // that run, for HTTP/2 and where hijacked; else the state tells
	since    atomic.Int64 // when the oldest request began, in nanoseconds from the server's base; 0: before the stop
	closed   atomic.Bool

	free []response // for the requests to come

	cut atomic.Bool // it was closed at the cut: what ends on it after that is not finished

	// The drain's own.
	seen  state
	due   time.Time // when it is closed in the state it was seen in; zero: not
	asked chan bool // the answer of a connection that was asked for unread bytes
}

func (l *link) is() state { return state(l.state.Load()) }

func (l *link) swap(from, to state) bool {
	return l.state.CompareAndSwap(uint32(from), uint32(to))
}

// input is told of bytes that were read. It returns false if they come too late.
func (l *link) input() bool {
	for {
		switch at := l.is(); at {
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

// hook is told what net/http says of the connection.
func (l *link) hook(at http.ConnState) {
	switch at {
	case http.StateActive:
		l.active()
	case http.StateIdle:
		l.idle()
	case http.StateHijacked:
		l.handlers.Store(1) // it is the handler that hijacks
		l.state.Store(uint32(hijacked))
	case http.StateClosed:
		l.close()
	}
}

// active is told that a request has come.
func (l *link) active() {
	if l.is() == h2idle && l.swap(h2idle, h2active) {
		l.stamp()
		return
	}
	if l.s.phase.Load() != open {
		l.input()
	}
}

// idle is told that no request is in hand.
func (l *link) idle() {
	switch at := l.is(); at {
	case serving, written, marked:
		if l.s.isTold() {
			l.s.finished.Add(1)
		}
		l.state.Store(uint32(idle))
	case fresh, reading, h2active:
		// HTTP/2 is the one that is idle before its first handler; it says so after the
		// preface. See general for the other one, which it would be without.
		l.swap(at, h2idle)
	default:
		return
	}
	l.s.wake()
}

// enter begins a request. It returns false if that comes too late.
func (l *link) enter() bool {
	for {
		at := l.is()
		if at == reaped {
			return false
		}
		if l.swap(at, serving) {
			l.stamp()
			return true
		}
	}
}

// stamp notes the time from the stop on. Before, it would cost each request as much as all
// the rest.
func (l *link) stamp() {
	if l.s.phase.Load() != open {
		l.since.Store(int64(time.Since(l.s.base)))
	}
}

// close is told that the connection is closed, and leave that a handler has returned.
func (l *link) close() {
	l.closed.Store(true)
	l.gone()
}

func (l *link) leave() {
	l.handlers.Add(-1)
	l.gone()
}

// gone forgets a connection that is closed and in no handler's hands.
func (l *link) gone() {
	if l.closed.Load() && l.handlers.Load() <= 0 {
		l.s.forget(l)
	}
}

// end closes a connection that has been moved to reaped. TLS says goodbye, and may have to
// wait for that.
func (l *link) end() {
	_, isTLS := l.top.(*tls.Conn)
	switch {
	case isTLS:
		go l.s.try(func() { _ = l.top.Close() })
	case l.mine:
		_ = l.raw.Close()
	default:
		l.drop()
	}
}

// drop closes a connection of the user's type without a goodbye. Nobody knows how long that
// takes, and there are others to close.
func (l *link) drop() { go l.s.try(func() { _ = l.raw.Close() }) }

// A tcpConn has all that a *net.TCPConn has: sendfile, splice, half-close, and the options
// of the socket.
type tcpConn struct {
	*net.TCPConn
	link *link
}

func (c *tcpConn) Read(b []byte) (int, error) { return c.link.read(c.TCPConn.Read(b)) }
func (c *tcpConn) Close() error               { return c.link.closing(c.TCPConn) }

// NetConn returns the connection within, as that of a tls.Conn does.
func (c *tcpConn) NetConn() net.Conn { return c.TCPConn }

type unixConn struct {
	*net.UnixConn
	link *link
}

func (c *unixConn) Read(b []byte) (int, error) { return c.link.read(c.UnixConn.Read(b)) }
func (c *unixConn) Close() error               { return c.link.closing(c.UnixConn) }

// NetConn returns the connection within.
func (c *unixConn) NetConn() net.Conn { return c.UnixConn }

// An otherConn is what the application gets when it hijacks a connection that is not
// wrapped otherwise, and what net/http gets for one that cannot be compared.
type otherConn struct {
	net.Conn
	link *link
}

func (c *otherConn) Read(b []byte) (int, error) { return c.link.read(c.Conn.Read(b)) }
func (c *otherConn) Close() error               { return c.link.closing(c.Conn) }

// NetConn returns the connection within.
func (c *otherConn) NetConn() net.Conn { return c.Conn }

// read takes note of the first bytes, and of all once a stop is announced. Before, each
// request would pay for that, and an idle connection lingers anyway.
func (l *link) read(n int, err error) (int, error) {
	if n > 0 && (l.is() == fresh || l.s.phase.Load() != open) && !l.input() {
		return 0, io.EOF // any other error net/http would answer
	}
	return n, err
}

// closing closes c. Of a connection that was hijacked there is no other notice.
func (l *link) closing(c net.Conn) error {
	err := c.Close()
	if l.is() == hijacked {
		l.close()
	}
	return err
}

// track begins to follow a connection. One of a type of somebody else's stays as it is:
// what is wrapped loses the methods that net/http looks for.
func (s *server) track(c net.Conn) net.Conn {
	l := &link{s: s, raw: c}
	var wrapped net.Conn
	switch c := c.(type) {
	case *net.TCPConn:
		l.mine, wrapped = true, &tcpConn{c, l}
	case *net.UnixConn:
		l.mine, wrapped = true, &unixConn{c, l}
	default:
		if isKey(c) {
			l.other, wrapped = true, c
		} else { // there is no other way to find it again
			wrapped = &otherConn{c, l}
		}
	}
	l.top = wrapped
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[l] = struct{}{}
	if l.other {
		s.others.Store(c, l)
	}
	return wrapped
}

// linkOf finds the link of a connection as net/http shows it, nil if there is none.
func (s *server) linkOf(c net.Conn) *link {
	switch c := c.(type) {
	case *tcpConn:
		return c.link
	case *unixConn:
		return c.link
	case *otherConn:
		return c.link
	case *tls.Conn:
		if l := s.linkOf(c.NetConn()); l != nil {
			return l
		}
	}
	if !isKey(c) {
		return nil
	}
	l, _ := s.others.Load(c)
	found, _ := l.(*link)
	return found
}

// isKey reports whether c can be compared. A connection that is no pointer need not be.
func isKey(c net.Conn) bool {
	return reflect.TypeOf(c).Kind() == reflect.Pointer || // without an allocation
		reflect.ValueOf(c).Comparable()
}

// shown is the connection as the user's hooks know it without this package.
func shown(c net.Conn) net.Conn {
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

// connections appends all to buf, for a caller that calls their methods: those may be the
// user's, and must not be called with the lock held.
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
	if l.other {
		s.others.Delete(l.raw)
	}
	if s.isTold() {
		s.count(l)
		s.wake()
	}
}

// count adds a connection that has gone to the figures of the stop.
func (s *server) count(l *link) {
	if l.cut.Load() {
		return
	}
	switch l.is() {
	case serving, written, marked:
		s.finished.Add(1)
	case hijacked:
		s.hijacked.Add(1)
	}
}
