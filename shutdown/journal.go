package shutdown

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
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

// A journal is where events go: to the log, and to Observe.
type journal struct {
	c     *Coordinator
	once  sync.Once // for w, when something is logged: the fields are set by then
	w     writer
	terse atomic.Bool // the log does not want to know of steps that are OK

	toLog, toObserve queue
}

// ask is the first item of the log: a slog.Handler is the user's code, and may block, or
// call the Coordinator, when it is asked for its level.
type ask struct{}

// begin is for the start of a Run, when the fields are set: it finds out what the log wants.
func (j *journal) begin() {
	if j.c.Slog != nil {
		j.log(ask{})
		return
	}
	j.once.Do(func() { j.w = newWriter(j.c) })
	j.terse.Store(!j.w.enabled(zerolog.DebugLevel))
}

// setup makes the queues ready.
func (j *journal) setup() {
	j.toObserve.handle = func(item any) { j.c.Observe(item.(Event)) }
	j.toLog.handle = func(item any) {
		j.once.Do(func() { j.w = newWriter(j.c) })
		j.write(item)
	}
}

// observing reports whether anybody wants to know of each step's beginning.
func (j *journal) observing() bool { return j.c.Observe != nil }

// wantsAll reports whether anybody wants to know of steps that are OK.
func (j *journal) wantsAll() bool { return j.observing() || !j.terse.Load() }

// emit hands an event to the log and to Observe. It never blocks.
func (j *journal) emit(e Event) {
	j.log(e)
	if j.observing() {
		j.toObserve.put(e, queueLimit)
	}
}

// log is emit for what is not an Event.
func (j *journal) log(item any) {
	j.toLog.put(item, queueLimit)
}

// conclude emits the last event, for which there is always room, and what was dropped.
func (j *journal) conclude(e Drained) {
	if n := j.toLog.lost(); n > 0 {
		j.toLog.put(dropped{n, "log"}, queueLimit+1)
	}
	if n := j.toObserve.lost(); n > 0 {
		j.toLog.put(dropped{n, "observe"}, queueLimit+2)
	}
	j.toLog.put(e, queueLimit+3)
	if j.c.byMain && isTerminal(os.Stderr) {
		j.toLog.put(timeline{e.Report}, queueLimit+4)
	}
	if j.observing() {
		j.toObserve.put(e, queueLimit+1)
	}
}

// flush waits until everything has been written and observed, at most for the time
// given. It reports whether it was.
func (j *journal) flush(atMost time.Duration) bool {
	timeout := time.NewTimer(atMost)
	defer timeout.Stop()
	for _, q := range []*queue{&j.toLog, &j.toObserve} {
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
	handle func(any)

	mu      sync.Mutex
	items   []any
	busy    bool
	dropped int
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

func (q *queue) lost() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
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
	unlabel()
	done := false
	defer func() {
		if !done {
			_ = recover()
			q.mu.Lock()
			q.dropped++
			q.mu.Unlock()
			go q.work()
		}
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
