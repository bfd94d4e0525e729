package httpdrain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"sync"
	"time"
)

// A listener gives net/http the connections of another one, until the server is told to
// stop. Then it takes what the kernel has ready, closes, and only then ends: a connection
// that is established when its listener is closed is reset, and that may be hundreds.
type listener struct {
	net.Listener
	s     *server
	work  context.Context // whose deadline is the cut, once it is known
	rest  []net.Conn      // what the kernel had ready
	until time.Time       // how long to wait for descriptors; zero: not yet
	over  bool
	pause time.Duration // after the last error
	once  sync.Once
	err   error // of Close
}

// errTold is what net/http gets from Accept when all have been accepted.
var errTold = errors.New("httpdrain: told to stop")

// errBothTLS is only found with the first connection where a listener hides another one.
var errBothTLS = errors.New("both the listener and the server do TLS")

// Accept is called by one goroutine, that of the task.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.next()
		if err == nil {
			l.pause = 0
			if _, ok := c.(*tls.Conn); ok && l.s.tls {
				_ = c.Close()
				return nil, fmt.Errorf("httpdrain: %w", errBothTLS)
			}
			return l.s.track(c), nil
		}
		if !l.again(err) {
			return nil, err
		}
	}
}

func (l *listener) next() (net.Conn, error) {
	for !l.over && len(l.rest) == 0 && l.s.isTold() {
		l.take()
	}
	switch {
	case len(l.rest) > 0:
		c := l.rest[0]
		l.rest = l.rest[1:]
		return c, nil
	case l.over:
		return nil, errTold
	}
	return l.Listener.Accept()
}

// take takes what the kernel has ready, and closes the listener if that was all. It was not
// where the program has run out of descriptors. Each response closes a connection by now, so
// that there will be some: for a moment that is waited for.
func (l *listener) take() {
	fds, more := takeReady(l.Listener)
	if l.over = !more || l.late(); l.over {
		_ = l.Close() // at once: what comes in between is reset
	}
	l.rest = connsOf(fds)
	if !l.over && len(l.rest) == 0 {
		time.Sleep(minPause)
	}
}

// late reports whether descriptors were waited for long enough: as long as an idle connection
// may stay, since it is those that have them.
func (l *listener) late() bool {
	if l.until.IsZero() {
		wait := defaultLinger
		if cut, ok := l.work.Deadline(); ok {
			wait = min(wait, time.Until(cut)/5)
		}
		l.until = time.Now().Add(wait)
	}
	return !time.Now().Before(l.until)
}

// How long to wait after an error that passes, such as too many open files, as net/http
// does. It would sleep through the stop.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// again reports whether to go on after an error.
func (l *listener) again(err error) bool {
	if l.over {
		return false
	}
	if l.s.isTold() {
		return true
	}
	if passing, ok := err.(interface{ Temporary() bool }); !ok || !passing.Temporary() {
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

// wake has Accept return.
func (l *listener) wake() {
	switch inner := l.Listener.(type) {
	case *net.TCPListener:
		_ = inner.SetDeadline(past)
	case *net.UnixListener:
		_ = inner.SetDeadline(past)
	default:
		_ = l.Close()
	}
}

var past = time.Unix(1, 0)

// Close is called by net/http as well.
func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

func (s *server) logf(format string, args ...any) {
	if s.srv.ErrorLog != nil {
		s.srv.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}
