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

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A listener gives net/http the connections of another one, until the server is told to
// stop. Then it takes what the kernel has ready, closes, and only then ends: a connection
// that is established when its listener is closed is reset, and that may be hundreds.
type listener struct {
	net.Listener
	s     *server
	ctx   context.Context // the task's
	rest  []net.Conn      // what the kernel had ready
	until time.Time       // how long to wait for descriptors; zero: not yet
	last  bool            // those in rest are
	pause time.Duration   // after the last error

	over            chan struct{} // closed when net/http does not call Accept any more
	closing, closed atomic.Bool
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
	for !l.last && len(l.rest) == 0 && l.s.isTold() {
		l.take()
	}
	switch {
	case len(l.rest) > 0:
		c := l.rest[0]
		l.rest = l.rest[1:]
		return c, nil
	case l.last:
		return nil, errTold
	}
	return l.Listener.Accept()
}

// take takes what the kernel has ready, and closes the listener if that was all. It was not
// where the program has run out of descriptors. Each response closes a connection by now, so
// that there will be some: for a moment that is waited for.
func (l *listener) take() {
	fds, more := takeReady(l.Listener)
	if l.last = !more || l.late(); l.last {
		_ = l.Close() // at once: what comes in between is reset
	}
	l.rest = connsOf(fds)
	if !l.last && len(l.rest) == 0 {
		time.Sleep(minPause)
	}
}

// late reports whether descriptors were waited for long enough: as long as an idle connection
// may stay, since it is those that have them.
func (l *listener) late() bool {
	if l.until.IsZero() {
		wait := defaultLinger
		if cut, ok := group.WorkContext(l.ctx).Deadline(); ok {
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
	if l.last {
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

// wake has Accept return, as far as that is up to this package.
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

// Close closes the listener, once. net/http calls it with its own lock held, and before it
// returns from Serve: so it does not wait for a listener of the user's type. The drain does,
// until the cut.
func (l *listener) Close() error {
	if l.closing.Swap(true) {
		return nil
	}
	if l.ours() {
		l.close()
	} else {
		go l.s.try(l.close)
	}
	return nil
}

// ours reports whether the listener is one of package net, whose methods do not block.
func (l *listener) ours() bool {
	switch l.Listener.(type) {
	case *net.TCPListener, *net.UnixListener:
		return true
	}
	return false
}

// acceptPause is less than half of the least margin between the end of a step's context and
// the step's end.
const acceptPause = 10 * time.Millisecond

// abandon ends the requests where the Accept of a listener of the user's type does not return:
// the drain has not begun then, and never will. It is called when the task's time is over,
// which after a second signal may be when it is told to stop.
func (l *listener) abandon() {
	select {
	case <-l.over:
		return
	case <-time.After(acceptPause):
	}
	l.s.cancel(shutdown.ErrGrace)
	l.s.cutAll()
}

func (l *listener) close() {
	defer l.s.wake()
	defer l.closed.Store(true)
	_ = l.Listener.Close()
}

// try calls f, which calls methods of the user's types, on a goroutine that is nobody's. There,
// a panic would end the process in the middle of the drain.
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
