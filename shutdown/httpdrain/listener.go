package httpdrain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A listener passes connections to net/http, and records them in the server. The connections come
// from a socket, from the listener that Wrap has put around it, or from one of the user's.
type listener struct {
	net.Listener
	s      *server
	socket *socket       // the innermost listener; nil if that is not from package net
	pause  time.Duration // after the last error

	requests        context.Context // the parent of the contexts of requests; with Attach only
	served          chan struct{}   // closed when net/http does not call Accept any more
	closing, closed atomic.Bool
}

// errStopped is the error of Accept once the server was told to stop.
var errStopped = errors.New("httpdrain: told to stop")

// errBothTLS is found when the task starts or, if a wrapper hides the TLS listener, with the first
// connection.
var errBothTLS = errors.New("both the listener and the server do TLS")

// listen makes the listener, and sets s.tls.
func (s *server) listen() (*listener, error) {
	conf := s.srv.TLSConfig
	files := s.cert != "" || s.key != ""
	s.tls = files || conf != nil &&
		(len(conf.Certificates) > 0 || conf.GetCertificate != nil || conf.GetConfigForClient != nil)
	if files {
		if _, err := tls.LoadX509KeyPair(s.cert, s.key); err != nil && !doesTLS(s.options.listener) {
			return nil, fmt.Errorf("certificate: %w", err)
		}
	}
	inner := s.options.listener
	if inner == nil {
		addr := s.srv.Addr
		switch {
		case addr == "" && s.tls:
			addr = ":https"
		case addr == "":
			addr = ":http"
		}
		var err error
		if inner, err = net.Listen("tcp", addr); err != nil {
			return nil, err
		}
	}
	l, err := s.newListener(inner)
	if err == nil && s.tls && doesTLS(l.Listener) {
		s.tls = false // the listener does it; http.Server.Serve accepts a TLSConfig there, too
		if files {
			err = errBothTLS
		}
	}
	if err != nil {
		_ = inner.Close()
		return nil, err
	}
	return l, nil
}

// undrainedQueue says that the accept queue of a listener of the user's is lost, if it has one.
func (s *server) undrainedQueue(l net.Listener) string {
	if isSocket(l) {
		return ""
	}
	switch l.Addr().(type) {
	case *net.TCPAddr, *net.UnixAddr:
		return fmt.Sprintf("accept queue not drained: %T; %s", l, s.advice)
	}
	return ""
}

// newListener returns the listener for net/http. inner is the innermost listener.
func (s *server) newListener(inner net.Listener) (*listener, error) {
	l := &listener{Listener: inner, s: s, served: make(chan struct{})}
	if lost := s.undrainedQueue(inner); lost != "" {
		s.undrained.Store(&lost)
	}
	if isSocket(inner) {
		l.socket = newSocket(inner, s)
		l.Listener = l.socket
	}
	for _, f := range s.wrap {
		if l.Listener = f(l.Listener); l.Listener == nil {
			return nil, errors.New("the function given to Wrap has returned nil")
		}
	}
	return l, nil
}

// Accept is called by one goroutine, that of the task.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			l.pause = 0
			if _, ok := c.(*tls.Conn); ok && l.s.tls {
				_ = c.Close()
				return nil, fmt.Errorf("httpdrain: %w", errBothTLS)
			}
			if l.s.shutDown.Load() { // net/http would not answer on it
				l.s.unserved.Add(1)
				go l.s.try(func() { _ = c.Close() })
				continue
			}
			return l.s.track(c, l.socket != nil), nil
		}
		switch {
		case l.retry(err):
		case l.s.isTold():
			return nil, errStopped // net/http would call Accept again after a temporary error
		default:
			return nil, err
		}
	}
}

// The pause after a temporary error, such as too many open files, as in net/http. net/http itself
// would not end its pause when the server is told to stop.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// retry reports whether to call Accept again after an error. It waits before.
func (l *listener) retry(err error) bool {
	if l.s.isTold() { // the listener of Wrap may fail for one connection, and others may follow
		if l.socket == nil || l.socket.settled(time.Now(), new(time.Time)) {
			return false
		}
		time.Sleep(minPause)
		return true
	}
	if temporary, ok := err.(interface{ Temporary() bool }); !ok || !temporary.Temporary() {
		return false
	}
	l.pause = min(max(2*l.pause, minPause), maxPause)
	l.s.logf("http: Accept error: %v; retrying in %v", err, l.pause)
	select {
	case <-time.After(l.pause):
	case <-l.s.told:
	}
	return true
}

// stop ends Accept. A socket's accept queue is taken before; see socket. A listener of the user's
// type has to be closed to end its Accept. wait is how long to wait for descriptors.
func (l *listener) stop(wait time.Duration) {
	if l.socket == nil {
		_ = l.Close()
		return
	}
	l.socket.takeQueue(wait)
}

// settle closes the listener when the server has got all connections of the socket. With Wrap, this
// may be necessary to end Accept: that of netutil.LimitListener may wait for the end of a connection.
func (l *listener) settle(now time.Time, next *time.Time) {
	if l.socket != nil && l.socket.settled(now, next) {
		_ = l.Close()
	}
}

// abort ends Accept at once. It returns the number of connections that this has cut off.
func (l *listener) abort() (n int) {
	if l.socket != nil {
		n = l.socket.abort()
	}
	_ = l.Close()
	return n
}

// Close closes the listener, once. It waits only for the Close of a socket: net/http calls it with a
// lock held, and before Serve returns. The drain waits for other listeners, until its deadline.
func (l *listener) Close() error {
	if l.closing.Swap(true) {
		return nil
	}
	if l.Listener == l.socket {
		l.close()
	} else {
		go l.s.try(l.close)
	}
	return nil
}

func (l *listener) close() {
	defer l.s.wake()
	defer l.closed.Store(true)
	if l.socket != nil {
		l.socket.shut()
	}
	_ = l.Listener.Close()
}

// isServed reports whether net/http does not call Accept any more.
func (l *listener) isServed() bool {
	select {
	case <-l.served:
		return true
	default:
		return false
	}
}

// try calls f, which calls methods of the user's types on a goroutine of this package. It logs a
// panic, which would otherwise end the process in the middle of the drain.
func (s *server) try(f func()) {
	defer func() {
		if v := recover(); v != nil {
			s.logf("httpdrain: panic: %v\n%s", v, debug.Stack())
		}
	}()
	f()
}

func (s *server) logf(format string, args ...any) {
	if s.srv.ErrorLog != nil {
		s.srv.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}
