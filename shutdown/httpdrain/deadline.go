package httpdrain

import (
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

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

// requestTime is how long requests have if the drain has this much time until its deadline. Their
// contexts end before the deadline, so that handlers can still answer.
func requestTime(left time.Duration) time.Duration { return left - margin(left) }

// checkDeadline ends the contexts of the requests when their time is over. It returns when it has to
// be called again.
func (d *drain) checkDeadline() time.Time {
	now := time.Now()
	later := now.Add(time.Hour)
	d.maxWait, d.left, d.leftToSend = never, never, never
	deadline, ok := d.deadline()
	if !ok {
		return later
	}
	all := max(0, deadline.Sub(d.began))
	at := d.began.Add(requestTime(all))
	d.maxWait, d.left = all/5, max(0, at.Sub(now))
	d.leftToSend = max(0, at.Add(margin(all)/2).Sub(now))
	if now.Before(at) {
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

// atDeadline closes all connections. It is called at the deadline, or earlier after a second
// signal. If that cuts off no request, the callbacks have the rest of the time.
func (d *drain) atDeadline(why error) error {
	all := time.Since(d.began)
	if at, ok := d.deadline(); ok {
		all = max(all, at.Sub(d.began))
	}
	rest := margin(all)
	if d.s.window.isOpen() { // a second signal ends it; handlers say goodbye before their contexts end
		d.s.window.close()
		d.goOn(untilEnd(d.ctx) / 4)
	}
	if d.s.ended.Load() == nil { // after a second signal
		d.s.endRequests(why)
		d.goOn(rest / 4)
	}
	d.s.unserved.Add(int64(d.s.listeners.abort()))
	d.s.closeAll()
	go d.s.try(func() { _ = d.s.srv.Close() }) // it closes the connections again, one after the other
	if !d.shutdownCalled {
		d.callShutdown()
	}
	limit := rest / 2
	if d.s.cutShort() == "" {
		limit = max(limit, all-time.Since(d.began))
	}
	running, listening, accepting := "", "", ""
	if !d.goOn(limit) {
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
	return d.s.failure(running, listening, accepting)
}

// goOn goes on with the drain, for at most limit. It reports whether the drain is done.
func (d *drain) goOn(limit time.Duration) bool {
	timer := time.NewTimer(never)
	defer timer.Stop()
	for end := time.Now().Add(limit); ; {
		next := end
		if d.scan(&next); d.done() || !time.Now().Before(end) {
			return d.done()
		}
		timer.Reset(time.Until(next))
		select {
		case <-d.s.woken:
		case <-timer.C:
		}
	}
}
