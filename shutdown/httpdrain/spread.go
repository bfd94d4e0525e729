package httpdrain

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
)

// A window is the time over which Spread tells the connections to leave. Each connection has one
// moment in it. One goroutine tells them, in the order of their moments. The window of a server
// without Spread is nil: its connections are told when the server is.
type window struct {
	s *server

	mu        sync.Mutex
	began     time.Time // zero: the server was not told to stop
	length    time.Duration
	idleAfter time.Duration // idle connections have no moment before that
	reduced   string        // for the status: Spread is longer than the window
	moments   int           // how many connections have got one
	waiting   []*link       // to be told, the next one first

	changed chan struct{} // the first of waiting has changed
	over    chan struct{} // closed when all connections are told, also those to come
	running sync.WaitGroup
}

func newWindow(s *server) *window {
	if s.spread == 0 {
		return nil
	}
	return &window{s: s, changed: make(chan struct{}, 1), over: make(chan struct{})}
}

// lastPart is the time from the end of the window to the end of the requests' contexts. It is at most
// a quarter of the budget.
const lastPart = time.Second

// open gives each connection its moment, and starts to tell them. The window ends before work does.
// If stops is false, the server was not told to stop, but has failed for example: then all are told
// at once.
func (w *window) open(work context.Context, stops bool) {
	if w == nil {
		return
	}
	left := never
	if at, ok := work.Deadline(); ok { // with Attach, work is of the user's type: without the lock
		left = max(0, time.Until(at))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = time.Now()
	if stops {
		w.measure(left)
	}
	// Each kind is spread evenly by itself. So a kind whose connections leave before their moments
	// leaves no gaps between the others.
	var kinds [3][]*link
	for _, l := range w.s.connections(nil) {
		switch {
		case l.asks.Load():
			kinds[0] = append(kinds[0], l)
		case l.leavesWhenTold():
			kinds[1] = append(kinds[1], l)
		default:
			kinds[2] = append(kinds[2], l)
		}
	}
	w.waiting = slices.Concat(kinds[:]...)
	for _, l := range w.waiting {
		from := w.began
		if l.current() == idle { // it would stay open until then
			from = from.Add(w.idleAfter)
		}
		w.place(l, from)
	}
	slices.SortFunc(w.waiting, byMoment)
	w.running.Go(func() {
		known.Begin()
		defer known.End()
		w.run()
	})
}

// measure sets the length of the window. The server has left until its deadline.
func (w *window) measure(left time.Duration) {
	s, have := w.s, requestTime(left)
	w.length = min(s.spread, max(0, have-min(lastPart, budget(left)/4)))
	sinceT0 := time.Since(s.base) - time.Duration(s.t0.Load())
	w.idleAfter = min(max(0, s.linger-sinceT0), left/5, w.length) // as in due
	if w.length == s.spread {
		return
	}
	reduced := fmt.Sprintf("Spread reduced from %v to %v", s.spread, w.length.Round(time.Millisecond))
	w.reduced = reduced
	// The writer of the log may block.
	go s.try(func() { s.logf("httpdrain: %s: requests have %v", reduced, have.Round(time.Millisecond)) })
}

// place gives l its moment, at or after from. The multiples of the golden ratio, without their whole
// part, are spread evenly, however many there are. So a connection that comes later does not change
// the moments of the others.
func (w *window) place(l *link, from time.Time) {
	w.moments++
	_, part := math.Modf(float64(w.moments) * math.Phi)
	l.moment = from.Add(time.Duration(part * float64(w.end().Sub(from))))
}

func (w *window) end() time.Time { return w.began.Add(w.length) }

func byMoment(a, b *link) int { return a.moment.Compare(b.moment) }

// add adds a connection, if it was accepted after the server was told to stop.
func (w *window) add(l *link) {
	if w == nil || !w.s.isTold() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.began.IsZero() || !l.moment.IsZero(): // open gives it a moment, or has done so
	case w.isOver():
		close(l.told)
	default:
		w.place(l, time.Now())
		i, _ := slices.BinarySearchFunc(w.waiting, l, byMoment)
		if w.waiting = slices.Insert(w.waiting, i, l); i == 0 {
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}
}

// run tells each connection at its moment. When the window ends, it tells those that are left.
func (w *window) run() {
	defer w.close()
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		now := time.Now()
		next := w.tell(now)
		if !now.Before(next) {
			return
		}
		timer.Reset(next.Sub(now))
		select {
		case <-timer.C:
		case <-w.changed:
		case <-w.over:
			return
		}
	}
}

// tell tells the connections whose moment has come. It returns the next moment, or the end of the
// window if no connection waits.
func (w *window) tell(now time.Time) (next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for ; n < len(w.waiting) && !w.waiting[n].moment.After(now); n++ {
		l := w.waiting[n]
		close(l.told)
		if l.current() == idle {
			w.s.wake() // the drain closes it
		}
	}
	if w.waiting = w.waiting[n:]; len(w.waiting) > 0 {
		return w.waiting[0].moment
	}
	return w.end()
}

// close ends the window: all connections are told now, and each later one when it is accepted.
func (w *window) close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isOver() {
		return
	}
	close(w.over)
	for _, l := range w.waiting {
		close(l.told)
	}
	w.waiting = nil
	w.s.wake()
}

// wait closes the window and waits for its goroutine.
func (w *window) wait() {
	if w == nil {
		return
	}
	w.close()
	w.running.Wait()
}

// isOpen reports whether connections will still be told. A window that is nil is never open.
func (w *window) isOpen() bool { return w != nil && !w.isOver() }

func (w *window) isOver() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

// status says if the window had to be shorter than Spread.
func (w *window) status() string {
	if w == nil {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reduced
}

// isTold reports whether the connection was told to leave.
func (l *link) isTold() bool {
	select {
	case <-l.told:
		return true
	default:
		return false
	}
}

// leavesWhenTold reports whether the connection may stay open until it is told to leave.
func (l *link) leavesWhenTold() bool {
	switch l.current() {
	case idle, h2idle, h2active:
		return true
	}
	return l.asks.Load()
}
