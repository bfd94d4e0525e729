package shutdown

import (
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/internal/known"
)

// How long the end waits for the log and for Observe, and how far beyond the grace
// period, or beyond the end if that is later still (a process that was suspended), that
// may go: a log that cannot be written must not hold up the exit.
const (
	maxFlush   = 500 * time.Millisecond
	afterGrace = 25 * time.Millisecond
)

// queueLimit bounds what waits to be logged or observed. A drain of some hundred steps
// with progress lines for half a minute fits many times.
const queueLimit = 8192

// lastItems is how many items have room beyond that, at the end.
const lastItems = 8

// A journal is where events go: to the log, and to Observe.
type journal struct {
	c            *Coordinator
	once         sync.Once // for w, when something is logged: the fields are set by then
	w            writer
	failuresOnly atomic.Bool // the log does not want to know of steps that are OK

	began      time.Time // when Run, or a drain without one, began
	withoutRun bool      // it was a drain without a Run, of a program that had done its work

	failures []error // that lines at error have told; only the log's queue uses it

	toLog, toObserve queue
}

// ask is the first item of the log: a slog.Handler is the user's code, and may block, or
// call the Coordinator, when it is asked for its level.
type readLevel struct{}

// begin is for the start of a Run, when the fields are set: it finds out what the log wants.
func (j *journal) begin() {
	j.began, j.withoutRun = time.Now(), j.c.withoutRun && j.c.code == 0 && !j.c.panicking
	if j.c.Slog != nil {
		j.note(readLevel{})
		return
	}
	j.once.Do(func() { j.w = newWriter(j.c) })
	j.failuresOnly.Store(!j.w.enabled(zerolog.DebugLevel))
}

// setup makes the queues ready.
func (j *journal) setup() {
	j.toObserve.handle = func(item any) { j.c.Observe(settled(item).(Event)) }
	j.toLog.handle = func(item any) {
		j.once.Do(func() { j.w = newWriter(j.c) })
		j.write(settled(item))
	}
	j.toObserve.panicked = func(value any, stack []byte) { j.note(panicked{"observe", value, stack}) }
	j.toLog.panicked = func(value any, stack []byte) { j.note(panicked{"log", value, stack}) }
}

// settled waits until all of an item is known.
func settled(item any) any {
	if u, ok := item.(*pendingCause); ok {
		<-u.decided
		return u.StopRequested
	}
	return item
}

// observing reports whether anybody wants to know of each step's beginning.
func (j *journal) observing() bool { return j.c.Observe != nil }

// wantsAll reports whether anybody wants to know of steps that are OK.
func (j *journal) wantsAll() bool { return j.observing() || !j.failuresOnly.Load() }

// emit hands an event to the log and to Observe. It never blocks.
func (j *journal) emit(e Event) {
	j.note(e)
	if j.observing() {
		j.toObserve.put(e, queueLimit)
	}
}

// note is emit for what is not an Event.
func (j *journal) note(item any) {
	j.toLog.put(item, queueLimit)
}

// conclude emits the last event, for which there is always room, and what was lost.
func (j *journal) conclude(e Drained) {
	for _, q := range []struct {
		name string
		*queue
	}{{"log", &j.toLog}, {"observe", &j.toObserve}} {
		full, panicked := q.lost()
		if full > 0 {
			j.toLog.put(dropped{q.name, full}, queueLimit+lastItems)
		}
		if panicked > 1 { // the first has a line of its own
			j.toLog.put(panics{q.name, panicked}, queueLimit+lastItems)
		}
	}
	j.toLog.put(e, queueLimit+lastItems)
	if j.timeline(e.Report) {
		j.toLog.put(timeline{e.Report}, queueLimit+lastItems)
	}
	if j.observing() {
		j.toObserve.put(e, queueLimit+lastItems)
	}
}

// quiet reports whether there is nothing to say of the stop: a command has done its work.
func (j *journal) quiet(r *Report) bool { return r.clean() && j.brief(r.Cause, r.Began.Add(r.Took)) }

// timeline reports whether the report is to be shown to whoever sits before the terminal: one
// who has set up a log reads that, and one whose command has done its work reads its output.
func (j *journal) timeline(r *Report) bool {
	return j.c.byMain && j.c.Logger == nil && j.c.Slog == nil && isTerminal(os.Stderr) && !j.quiet(r)
}

// flush waits until everything has been written and observed, at most for the time
// given. It reports whether it was.
func (j *journal) flush(atMost time.Duration) bool {
	timeout := time.NewTimer(atMost)
	defer timeout.Stop()
	for _, q := range []*queue{&j.toObserve, &j.toLog} { // a panic of the former is told by the latter
		select {
		case <-q.idle():
		case <-timeout.C:
			return false
		}
	}
	return true
}

// A queue hands items to one function, one after the other, on a goroutine that exists
// only while there are any.
type queue struct {
	handle   func(any)
	panicked func(value any, stack []byte) // the first time that handle does

	mu      sync.Mutex
	items   []any
	busy    bool
	dropped int             // there was no room
	panics  int             // of handle
	waiting []chan struct{} // for it to be idle
}

func (q *queue) put(item any, limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) >= limit {
		q.dropped++
		return
	}
	q.items = append(q.items, item)
	if !q.busy {
		q.busy = true
		go q.work()
	}
}

// lost is how many items were not handled: there was no room, or handle panicked.
func (q *queue) lost() (full, panicked int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped, q.panics
}

func (q *queue) idle() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := make(chan struct{})
	if q.busy {
		q.waiting = append(q.waiting, c)
	} else {
		close(c)
	}
	return c
}

// work handles items until there are none. A handler of the user's that panics or ends
// its goroutine loses that item, and no more.
func (q *queue) work() {
	known.Begin()
	defer known.End()
	unlabel()
	done := false
	defer func() {
		if done {
			return
		}
		value := recover()
		q.mu.Lock()
		q.panics++
		first := q.panics == 1
		q.mu.Unlock()
		if first {
			q.panicked(value, debug.Stack())
		}
		go q.work()
	}()
	for {
		item, ok := q.take()
		if !ok {
			done = true
			return
		}
		q.handle(item)
	}
}

func (q *queue) take() (any, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		q.items, q.busy = nil, false
		for _, c := range q.waiting {
			close(c)
		}
		q.waiting = nil
		return nil, false
	}
	item := q.items[0]
	q.items[0] = nil
	q.items = q.items[1:]
	return item, true
}
