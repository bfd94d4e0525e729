package httpdrain

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// How long the drain waits for connections that are in no handler. Each wait is at most a
// fifth of the drain's time.
const (
	// firstByte is for a connection that has sent nothing: a round trip around the world.
	// Browsers and load balancers open such connections in advance.
	firstByte = 250 * time.Millisecond
	// restOfHeader is for a connection that has sent part of a header or of a handshake:
	// a TLS handshake takes two round trips. It is also for the rest of a body that the handler has
	// not read: net/http reads up to 256 KiB of it, without a limit of time.
	restOfHeader = 500 * time.Millisecond
	// afterGoaway is from HTTP/2's GOAWAY, or from the end of the last stream after it, to
	// the close. A client that obeys GOAWAY closes earlier. net/http waits for 1 s.
	afterGoaway = 250 * time.Millisecond
	// unreadPause is how soon the drain checks a connection again that has sent bytes which
	// net/http has not read yet.
	unreadPause = 10 * time.Millisecond
)

// afterFailure is how long the task waits for requests in flight after its listener has failed.
// The program learns of the failure only when the task returns.
const afterFailure = 5 * time.Second

// A drain stops a server, on a goroutine of its own: that of the task calls Accept until all
// connections of the accept queue have been passed on. It scans all connections when one of them
// has changed, and when the time of one has passed.
type drain struct {
	s      *server
	ctx    context.Context        // the task's
	work   func() context.Context // ends at the deadline
	once   sync.Once
	closed atomic.Bool   // the user called the server's own Shutdown or Close
	limit  time.Duration // how long the drain may take; 0: as long as the task
	result chan error    // of run

	began          time.Time
	maxWait        time.Duration // for a connection that is in no handler
	shutdownCalled bool          // callbacks run, and HTTP/2 connections get GOAWAY
	callbacksDone  atomic.Bool
	returned       chan struct{}
	leaving        bool      // an HTTP/1 connection was open at the last scan
	moved          time.Time // when an HTTP/1 connection, or none, was open last

	buf []*link // for scan
}

func newDrain(s *server, ctx context.Context, work func() context.Context) *drain {
	return &drain{s: s, ctx: ctx, work: work, result: make(chan error, 1)}
}

// begin tells the server to stop, and starts the drain. Only the first call has an effect.
func (d *drain) begin(limit time.Duration) {
	d.once.Do(func() {
		d.limit = limit
		d.s.tell()
		go func() {
			known.Begin()
			defer known.End()
			d.result <- d.run()
		}()
	})
}

func (d *drain) run() error {
	d.began, d.returned = time.Now(), make(chan struct{})
	defer close(d.returned)
	d.checkDeadline()
	d.s.listeners.stop(min(defaultLinger, d.maxWait))
	work := d.work()
	if d.limit > 0 {
		var cancel context.CancelFunc
		work, cancel = context.WithTimeout(work, d.limit)
		defer cancel()
	}
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		next := d.checkDeadline()
		if d.scan(&next); d.done() {
			return d.failure()
		}
		timer.Reset(time.Until(next))
		select {
		case <-d.s.woken:
		case <-timer.C:
		case <-work.Done():
			return d.atDeadline(context.Cause(work))
		}
	}
}

// done reports whether there is nothing more to wait for.
func (d *drain) done() bool {
	return d.s.listeners.areServed() && d.s.listeners.areClosed() && d.callbacksDone.Load() && d.s.isEmpty()
}

// deadline is the deadline of the drain, if it is known. It makes a new work context each time:
// one that was made before the stop never has a deadline.
func (d *drain) deadline() (at time.Time, ok bool) {
	at, ok = d.work().Deadline()
	if d.limit == 0 {
		return at, ok
	}
	if own := d.began.Add(d.limit); !ok || own.Before(at) {
		at = own
	}
	return at, true
}

// checkDeadline ends the contexts of the requests a little before the deadline, so that streams
// can finish their responses. It returns when it has to be called again.
func (d *drain) checkDeadline() time.Time {
	now := time.Now()
	later := now.Add(time.Hour)
	d.maxWait = never
	deadline, ok := d.deadline()
	if !ok {
		return later
	}
	all := max(0, deadline.Sub(d.began))
	d.maxWait = all / 5
	if at := deadline.Add(-margin(all)); now.Before(at) {
		d.s.endAt.Store(int64(at.Sub(d.s.base)))
		return at
	}
	d.s.endRequests(nil)
	return later
}

// endRequests ends the contexts of the requests, once. why is the cause of the end of the task's
// work context, nil if that has not ended.
func (s *server) endRequests(why error) {
	cause := error(shutdown.ErrGrace)
	var second *signals.Error
	if errors.As(why, &second) {
		cause = why
	}
	if s.ended.CompareAndSwap(nil, &cause) {
		s.endAt.Store(int64(time.Since(s.base)))
		s.cancel(cause)
	}
}

// scan closes the connections whose time has passed, and calls the server's Shutdown when that
// is safe. It moves next forward to the time of the next scan, in case no connection changes.
func (d *drain) scan(next *time.Time) {
	now := time.Now()
	d.s.listeners.settle(now, next)
	safe, leaving := true, false
	d.buf = d.s.connections(d.buf[:0])
	for _, l := range d.buf {
		if d.claimExpired(l, now) {
			l.end()
		}
		if !l.due.IsZero() && l.due.Before(*next) {
			*next = l.due
		}
		safe = safe && d.safe(l.seen, now, next)
		leaving = leaving || l.seen.isHTTP1()
	}
	if !d.s.listeners.areServed() {
		// Shutdown waits until Accept has failed, and what Accept returns meanwhile is lost. The Accept
		// of Wrap's listener may wait for the end of a connection. But if only HTTP/2 and hijacked ones
		// have been open for a while, they may need Shutdown to end.
		if leaving || d.leaving || len(d.buf) == 0 {
			d.moved = now
		}
		d.leaving = leaving
		safe = safe && reached(d.moved.Add(min(defaultLinger, d.maxWait)), now, next)
	}
	if safe && !d.shutdownCalled {
		d.shutdownCalled = true
		d.s.shutDown.Store(true)
		d.callShutdown()
		*next = now // afterGoaway begins here
	}
}

// claimExpired reports whether the time of a connection has passed. If so, it has moved the
// connection to reaped, and the caller closes it.
func (d *drain) claimExpired(l *link, now time.Time) (expired bool) {
	if at := l.current(); at != l.seen || l.due.IsZero() {
		l.seen, l.asked = at, nil
		l.due = d.due(l, now)
	}
	if l.due.IsZero() || now.Before(l.due) && len(l.asked) == 0 {
		return false
	}
	if l.seen == ended {
		l.stopReading()
		l.due = time.Time{}
		return false
	}
	if d.unread(l) { // the client has sent a request; this process is slow
		l.due = now.Add(unreadPause)
		return false
	}
	if !l.swap(l.seen, reaped) {
		l.due = now // it has just changed: check it again
		return false
	}
	l.seen, l.due = reaped, time.Time{}
	return true
}

// unread reports whether the kernel holds, or may hold, unread bytes of l. Methods of a
// connection of the user's type are called on a goroutine of their own: they may wait for its
// Read, which waits for the client. If they do not return within unreadPause, unread assumes
// that there are no bytes.
func (d *drain) unread(l *link) (yes bool) {
	if _, ok := l.raw.(syscall.Conn); l.isSocket || !ok {
		return unread(l.raw)
	}
	if l.asked == nil {
		asked := make(chan bool, 1)
		go d.s.try(func() {
			asked <- unread(l.raw)
			d.s.wake()
		})
		l.asked = asked
		return true
	}
	select {
	case yes = <-l.asked:
	default:
	}
	l.asked = nil
	return yes
}

// due is when the drain closes a connection that has just entered the state l.seen; zero means
// that it does not.
func (d *drain) due(l *link, now time.Time) time.Time {
	var wait time.Duration
	switch l.seen {
	case fresh:
		wait = firstByte
		if l.unwrapped { // it may have sent bytes: its reads are not seen
			wait += restOfHeader
		}
	case reading:
		wait = restOfHeader
	case ended:
		wait = restOfHeader
	case idle:
		wait = d.s.linger
		if !l.lateIdle.Load() { // it has been idle since the announcement at least
			wait -= time.Since(d.s.base) - time.Duration(d.s.t0.Load())
		}
	case h2idle:
		if !d.shutdownCalled {
			return time.Time{}
		}
		wait = afterGoaway
	default:
		return time.Time{}
	}
	return now.Add(min(wait, d.maxWait))
}

// safe reports whether a connection in this state allows calling the server's Shutdown.
// After that call net/http drops each HTTP/1 request whose handler has not begun, without a
// response. So Shutdown waits for every connection that can still deliver a request. A
// connection in a handler cannot if its response says "Connection: close" or has no header yet.
func (d *drain) safe(at state, now time.Time, next *time.Time) bool {
	switch at {
	case fresh, reading, idle:
		return false
	case written, ended:
		// It can deliver one after the response, which is worth a wait. But a stream may last
		// until the deadline; HTTP/2 and the callbacks cannot wait that long.
		return reached(d.began.Add(min(d.s.linger, d.maxWait)), now, next)
	}
	return true
}

// atDeadline closes all connections. It is called at the deadline, or earlier after a second
// signal. If that cuts off no request, the callbacks have the rest of the time.
func (d *drain) atDeadline(why error) error {
	all := time.Since(d.began)
	if at, ok := d.deadline(); ok {
		all = max(all, at.Sub(d.began))
	}
	rest := margin(all)
	if d.s.ended.Load() == nil { // after a second signal
		d.s.endRequests(why)
		d.wait(rest / 4)
	}
	d.s.unserved.Add(int64(d.s.listeners.abort()))
	d.s.closeAll()
	go d.s.try(func() { _ = d.s.srv.Close() }) // it closes the connections again, one after the other
	if !d.shutdownCalled {
		d.s.shutDown.Store(true)
		d.callShutdown()
	}
	limit := rest / 2
	if d.s.cutShort() == "" {
		limit = max(limit, all-time.Since(d.began))
	}
	running, listening, accepting := "", "", ""
	if !d.wait(limit) {
		if !d.callbacksDone.Load() || !d.s.isEmpty() {
			running = "handlers or callbacks still running"
		}
		if !d.s.listeners.areClosed() {
			listening = "the listener's Close has not returned"
		}
		if !d.s.listeners.areServed() {
			accepting = "the listener's Accept has not returned"
		}
	}
	return d.failure(running, listening, accepting)
}

// failure is the error of the task, or nil if nothing was cut short and more is empty.
func (d *drain) failure(more ...string) error {
	unserved := counted(int(d.s.unserved.Load()), unservedOne, unservedMany)
	return d.s.failure(append([]string{unserved}, more...)...)
}

// wait waits until the drain is done, for at most limit. It reports whether it is done.
func (d *drain) wait(limit time.Duration) bool {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for !d.done() {
		select {
		case <-d.s.woken:
		case <-timeout.C:
			return d.done()
		}
	}
	return true
}

// wake makes the drain scan again.
func (s *server) wake() {
	if s.phase.Load() != told {
		return
	}
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
