package httpdrain

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// How long connections are waited for that are in no handler. Each is at most a fifth of
// the time that the stop may take.
const (
	// firstByte is for a connection that has not sent anything: a round trip around the
	// world. Silent ones are those that browsers and load balancers open in advance.
	firstByte = 250 * time.Millisecond
	// restOfHeader is for one that has begun to: a TLS handshake takes two round trips.
	restOfHeader = 500 * time.Millisecond
	// h2Goodbye is from HTTP/2's GOAWAY, or the end of the last stream after it, to the
	// close. A client that closes by itself is faster. net/http waits for 1 s.
	h2Goodbye = 250 * time.Millisecond
	// unreadPause is how soon a connection is looked at again that has sent something
	// which net/http has not read yet.
	unreadPause = 10 * time.Millisecond
)

// A drain is the stop of a server, on the goroutine of its task. It looks at all
// connections when something has happened that it may wait for, and when the time of one
// is over.
type drain struct {
	s      *server
	l      *listener
	ctx    context.Context // the task's
	closed bool            // the server was shut down by somebody else
	most   time.Duration   // how long it may take; 0: as long as the task

	began    time.Time
	longest  time.Duration // that a connection in no handler is waited for
	goodbye  bool          // Shutdown was called: callbacks run, and HTTP/2 has its GOAWAY
	answered atomic.Bool   // the callbacks have returned
	over     chan struct{}
	ended    bool // the contexts of the requests have

	open []*link // for look
}

func (d *drain) run() error {
	d.began, d.over = time.Now(), make(chan struct{})
	defer close(d.over)
	work := group.WorkContext(d.ctx)
	if d.most > 0 {
		var cancel context.CancelFunc
		work, cancel = context.WithTimeout(work, d.most)
		defer cancel()
	}
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		next := d.endRequests()
		if d.look(&next); d.done() {
			return nil
		}
		timer.Reset(time.Until(next))
		select {
		case <-d.s.woken:
		case <-timer.C:
		case <-work.Done():
			return d.cut()
		}
	}
}

// done reports whether nothing is left that has to be waited for.
func (d *drain) done() bool { return d.l.closed.Load() && d.answered.Load() && d.s.isEmpty() }

// deadline is when the time of the drain is over, if that is known. The step is asked each
// time: a work context that was made before the stop never learns of a deadline.
func (d *drain) deadline() (at time.Time, ok bool) {
	at, ok = group.WorkContext(d.ctx).Deadline()
	if d.most == 0 {
		return at, ok
	}
	if own := d.began.Add(d.most); !ok || own.Before(at) {
		at = own
	}
	return at, true
}

// endRequests ends the contexts of the requests, a little before the cut, so that streams
// can end as they should. It returns when it wants to be called again.
func (d *drain) endRequests() time.Time {
	now := time.Now()
	later := now.Add(time.Hour)
	d.longest = never
	cut, ok := d.deadline()
	if !ok {
		return later
	}
	all := max(0, cut.Sub(d.began))
	d.longest = all / 5
	if at := cut.Add(-margin(all)); now.Before(at) {
		return at
	}
	d.endNow()
	return later
}

func (d *drain) endNow() {
	d.ended = true
	d.s.cancel(shutdown.ErrGrace)
}

// look closes the connections whose time is over, and says goodbye to all when that is
// safe. It brings next forward to when it has to look again, if nothing happens.
func (d *drain) look(next *time.Time) {
	now := time.Now()
	safe := true
	d.open = d.s.connections(d.open[:0])
	for _, l := range d.open {
		if d.see(l, now) {
			l.end()
		}
		if !l.due.IsZero() && l.due.Before(*next) {
			*next = l.due
		}
		safe = safe && d.safe(l.seen, now, next)
	}
	if safe && !d.goodbye {
		d.goodbye = true
		d.sayGoodbye()
		*next = now // the time of HTTP/2 connections begins here
	}
}

// see looks at a connection, and reports whether its time is over. If so, it is claimed.
func (d *drain) see(l *link, now time.Time) (over bool) {
	if at := l.is(); at != l.seen || l.due.IsZero() {
		l.seen, l.asked = at, nil
		l.due = d.due(l, now)
	}
	if l.due.IsZero() || now.Before(l.due) && len(l.asked) == 0 {
		return false
	}
	if d.unread(l) { // this machine is slow, not the client
		l.due = now.Add(unreadPause)
		return false
	}
	if !l.swap(l.seen, reaped) {
		l.due = now // it has just changed: look again
		return false
	}
	l.seen, l.due = reaped, time.Time{}
	return true
}

// unread reports whether the kernel has bytes of l that nobody has read, or may have. A
// connection of the user's type is asked on a goroutine of its own: its methods may wait for
// its Read, which waits for the client. One that has not answered within unreadPause is closed
// as it is where nobody can tell.
func (d *drain) unread(l *link) (yes bool) {
	if _, ok := l.raw.(syscall.Conn); l.mine || !ok {
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

// due is when a connection is closed that was just seen in a state; zero if it is not.
func (d *drain) due(l *link, now time.Time) time.Time {
	var wait time.Duration
	switch l.seen {
	case fresh:
		wait = firstByte
		if l.other { // nobody sees its bytes
			wait += restOfHeader
		}
	case reading:
		wait = restOfHeader
	case idle:
		wait = d.s.linger
	case h2idle:
		if !d.goodbye {
			return time.Time{}
		}
		wait = h2Goodbye
	default:
		return time.Time{}
	}
	return now.Add(min(wait, d.longest))
}

// safe reports whether the server may be shut down as far as a connection in this state is
// concerned. From then on net/http drops each HTTP/1 request whose handler has not begun,
// without an answer; so no connection may be left that can have one. One that is in the
// handler cannot, if its response says that it will be closed, or still will.
func (d *drain) safe(at state, now time.Time, next *time.Time) bool {
	switch at {
	case fresh, reading, idle:
		return false
	case written:
		// It can when the response is over, which is worth waiting for. But a stream may
		// last to the end, and HTTP/2 and the callbacks cannot wait for that.
		enough := d.began.Add(min(d.s.linger, d.longest))
		if now.Before(enough) {
			if enough.Before(*next) {
				*next = enough
			}
			return false
		}
	}
	return true
}

// cut closes what is left at the cut of the task, or before, after a second signal. If
// nothing is cut off by that, the callbacks have the time that was left.
func (d *drain) cut() error {
	all := time.Since(d.began)
	if at, ok := d.deadline(); ok {
		all = max(all, at.Sub(d.began))
	}
	rest := margin(all)
	if !d.ended { // it has come before its time
		d.endNow()
		d.wait(rest / 4)
	}
	left := d.s.cutAll()
	go d.s.try(func() { _ = d.s.srv.Close() }) // which closes the connections once more, one after the other
	if !d.goodbye {
		d.sayGoodbye()
	}
	most := rest / 2
	if left == (leftovers{}) {
		most = max(most, all-time.Since(d.began))
	}
	if !d.wait(most) {
		left.listening = !d.l.closed.Load()
		left.deaf = !d.answered.Load() || !d.s.isEmpty()
	}
	if left == (leftovers{}) {
		return nil
	}
	return errors.New("httpdrain: " + left.String())
}

// wait waits until no connection is left. It reports whether that is so.
func (d *drain) wait(most time.Duration) bool {
	timeout := time.NewTimer(most)
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
