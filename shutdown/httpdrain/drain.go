package httpdrain

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
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
	// net/http has not read yet, or to which the last response is not sent yet.
	unreadPause = 10 * time.Millisecond
)

// afterFailure is how long the task waits for requests in flight after its listener has failed.
// The program learns of the failure only when the task returns.
const afterFailure = 5 * time.Second

// The pause after a scan, in multiples of the time that the scan took. So scans take at most a
// twentieth of a processor, however many connections there are and however often they change. A scan
// that was interrupted took longer; the interval is at most maxScanInterval.
const (
	scanPause       = 19
	maxScanInterval = 50 * time.Millisecond
)

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
	left           time.Duration // until the contexts of the requests end
	leftToSend     time.Duration // until the last responses have to be sent
	shutdownCalled bool          // callbacks run, and HTTP/2 connections get GOAWAY
	callbacksDone  atomic.Bool
	returned       chan struct{}
	leaving        bool      // an HTTP/1 connection was open at the last scan
	moved          time.Time // when a scan has last found an HTTP/1 connection, or no connection at all

	buf      []*link   // for scan
	nextScan time.Time // not before that, unless no connection is left
}

func newDrain(s *server, ctx context.Context, work func() context.Context) *drain {
	return &drain{s: s, ctx: ctx, work: work, result: make(chan error, 1)}
}

// begin tells the server to stop, and starts the drain. Only the first call has an effect.
func (d *drain) begin(limit time.Duration) {
	d.once.Do(func() {
		d.limit = limit
		d.s.tell()
		d.s.window.open(d.work(), limit == 0 && !d.closed.Load())
		go func() {
			known.Begin()
			defer known.End()
			d.result <- d.run()
		}()
	})
}

func (d *drain) run() error {
	d.began, d.returned = time.Now(), make(chan struct{})
	d.moved = d.began
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
			return d.s.failure()
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

// scan closes the connections whose time has passed, and calls the server's Shutdown when that
// is safe. It moves next forward to the time of the next scan, in case no connection changes. If the
// last scan was too short a time ago, it only does that.
func (d *drain) scan(next *time.Time) {
	now := time.Now()
	d.s.listeners.settle(now, next)
	if now.Before(d.nextScan) && !d.s.isEmpty() {
		if d.nextScan.Before(*next) {
			*next = d.nextScan
		}
		return
	}
	safe, leaving := true, false
	// In this order: no connection follows those in d.buf if net/http does not call Accept any more.
	served := d.s.listeners.areServed()
	d.buf = d.s.connections(d.buf[:0])
	for _, l := range d.buf {
		if d.claimExpired(l, now) {
			l.end()
		}
		if !l.due.IsZero() && l.due.Before(*next) && !l.waitsForMoment(now) {
			*next = l.due
		}
		safe = safe && d.safe(l, now, next)
		leaving = leaving || l.seen.isHTTP1()
	}
	if !served {
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
		d.callShutdown()
		*next = now // afterGoaway begins here
	}
	d.nextScan = now.Add(min(time.Since(now)*(1+scanPause), maxScanInterval))
}

// claimExpired reports whether the time of a connection has passed. If so, it has moved the
// connection to reaped, and the caller closes it.
func (d *drain) claimExpired(l *link, now time.Time) (expired bool) {
	if at := l.current(); at != l.seen || l.due.IsZero() {
		l.seen, l.asked = at, nil
		l.due = d.due(l, now)
	}
	if l.due.IsZero() || now.Before(l.due) && len(l.asked) == 0 || l.waitsForMoment(now) {
		return false
	}
	if l.seen == ended {
		l.stopReading()
		l.due = time.Time{}
		return false
	}
	if d.isSending(l, now) || d.unread(l) { // or the client has sent a request; this process is slow
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

// waitsForMoment reports whether only Spread keeps the connection open, which is idle.
func (l *link) waitsForMoment(now time.Time) bool {
	return l.seen == idle && !now.Before(l.due) && !l.isTold()
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
		if !d.shutdownCalled && !l.goaway.Load() {
			return time.Time{}
		}
		// The end of the last response may still have to be sent, also when no time is left.
		return now.Add(min(afterGoaway, d.maxWait, d.leftToSend))
	default:
		return time.Time{}
	}
	return now.Add(min(wait, d.maxWait, d.left)) // one that stays until the deadline makes the task late
}

// safe reports whether a connection in the state l.seen allows calling the server's Shutdown.
// After that call net/http drops each HTTP/1 request whose handler has not begun, without a
// response. So Shutdown waits for every connection that can still deliver a request. A
// connection in a handler cannot if its response says "Connection: close" or has no header yet.
// It sends GOAWAY to all HTTP/2 connections. So it also waits for the end of the window of Spread,
// if one of them has not got GOAWAY from a response.
func (d *drain) safe(l *link, now time.Time, next *time.Time) bool {
	switch l.seen {
	case fresh, reading, idle:
		return false
	case h2idle, h2active:
		return l.goaway.Load() || !d.s.window.isOpen()
	case written, ended:
		// It can deliver one after the response, which is worth a wait. But a stream may last
		// until the deadline; HTTP/2 and the callbacks cannot wait that long.
		return reached(d.began.Add(min(d.s.linger, d.maxWait)), now, next)
	}
	return true
}
