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
)

// A listener passes the connections of the inner listener to net/http. When the server is told to
// stop, it accepts all connections in the kernel's accept queue before it closes: the kernel resets
// those in the queue of a closed listener, which may be hundreds.
type listener struct {
	net.Listener
	s       *server
	ctx     context.Context // the task's
	queued  []net.Conn      // taken from the accept queue, not passed on yet
	until   time.Time       // when to stop waiting for descriptors; zero: not waiting yet
	emptied bool            // nothing follows the connections in queued
	pause   time.Duration   // after the last error

	served          chan struct{} // closed when net/http does not call Accept any more
	closing, closed atomic.Bool
}

// errStopped is the error of Accept once the server was told to stop.
var errStopped = errors.New("httpdrain: told to stop")

// errBothTLS is found when the task starts or, if a wrapper hides the TLS listener, with the first
// connection.
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
		if !l.retry(err) {
			return nil, err
		}
	}
}

func (l *listener) next() (net.Conn, error) {
	for !l.emptied && len(l.queued) == 0 && l.s.isTold() {
		l.takeQueue()
	}
	switch {
	case len(l.queued) > 0:
		c := l.queued[0]
		l.queued = l.queued[1:]
		return c, nil
	case l.emptied:
		return nil, errStopped
	}
	return l.Listener.Accept()
}

// takeQueue takes the connections in the accept queue, and closes the listener when the queue is
// empty. If the process runs out of descriptors before that, it waits a moment: each response now
// closes its connection, which frees a descriptor.
func (l *listener) takeQueue() {
	fds, more := takeReady(l.Listener)
	if l.emptied = !more || l.waitedEnough(); l.emptied {
		_ = l.Close() // before anything else: connections that come in between are reset
	}
	l.queued = connsOf(fds)
	if !l.emptied && len(l.queued) == 0 {
		time.Sleep(minPause)
	}
}

// waitedEnough reports whether the wait for descriptors has lasted as long as idle connections,
// which hold descriptors, stay open.
func (l *listener) waitedEnough() bool {
	if l.until.IsZero() {
		wait := defaultLinger
		if deadline, ok := group.WorkContext(l.ctx).Deadline(); ok {
			wait = min(wait, time.Until(deadline)/5)
		}
		l.until = time.Now().Add(wait)
	}
	return !time.Now().Before(l.until)
}

// The pause after a temporary error, such as too many open files, as in net/http. net/http itself
// would not end its pause when the server is told to stop.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// retry reports whether to call Accept again after an error. It waits before.
func (l *listener) retry(err error) bool {
	if l.emptied {
		return false
	}
	if l.s.isTold() {
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

// wake makes a blocked Accept return. A listener of the user's type has to be closed for that.
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

// Close closes the listener, once. It does not wait for a listener of the user's type, since
// net/http calls it with a lock held, and before Serve returns. The drain waits, until its
// deadline.
func (l *listener) Close() error {
	if l.closing.Swap(true) {
		return nil
	}
	if l.isSocket() {
		l.close()
	} else {
		go l.s.try(l.close)
	}
	return nil
}

// isSocket reports whether the listener is from package net: its Close does not block.
func (l *listener) isSocket() bool {
	switch l.Listener.(type) {
	case *net.TCPListener, *net.UnixListener:
		return true
	}
	return false
}

// acceptPause is less than half of the smallest margin between a step's deadline and its end.
const acceptPause = 10 * time.Millisecond

// endRequests ends the requests if the Accept of a listener of the user's type does not return. The
// drain, which else ends them, begins only after Accept has returned. endRequests is called at the
// task's deadline. After a second signal that may be when the task is told to stop.
func (l *listener) endRequests() {
	select {
	case <-l.served:
		return
	case <-time.After(acceptPause):
	}
	l.s.endRequests(context.Cause(group.WorkContext(l.ctx)))
	l.s.closeAll()
}

func (l *listener) close() {
	defer l.s.wake()
	defer l.closed.Store(true)
	_ = l.Listener.Close()
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
