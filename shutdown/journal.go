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

// The time that the end of the drain waits for the log and for Observe. It waits for at most
// maxFlush, and not beyond afterGrace after the grace period. If the grace period is over already,
// as in a process that was suspended, it waits for afterGrace. A log that cannot be written must
// not delay the exit.
const (
	maxFlush   = 500 * time.Millisecond
	afterGrace = 25 * time.Millisecond
)

// queueLimit is the number of items that may wait to be logged or observed. A drain of some hundred
// steps needs a fraction of it.
const queueLimit = 8192

// lastItems is the number of further items that may wait at the end.
const lastItems = 8

// A journal passes events to the log and to Observe.
type journal struct {
	c            *Coordinator
	once         sync.Once // makes w with the first item: the Coordinator's fields are set by then
	w            writer
	failuresOnly atomic.Bool // the log does not want to know of steps that are OK

	began      time.Time // when Run, or a drain without one, began
	withoutRun bool      // it was a drain without a Run, of a program that had done its work

	failures []error // that lines at error have told; only the log's queue uses it

	toLog, toObserve queue
}

// readLevel is the first item of the log. It makes the queue's goroutine ask the slog.Handler for
// its level: that is the user's code, which may block or call the Coordinator.
type readLevel struct{}

// begin is called at the start of a Run or of a drain without one. It finds out the level of the
// log.
func (j *journal) begin() {
	j.began, j.withoutRun = time.Now(), j.c.withoutRun && j.c.code == 0 && !j.c.panicking
	if j.c.Slog != nil {
		j.note(readLevel{})
		return
	}
	j.once.Do(func() { j.w = newWriter(j.c) })
	j.failuresOnly.Store(!j.w.enabled(zerolog.DebugLevel))
}

// setup sets the functions of the queues.
func (j *journal) setup() {
	j.toObserve.handle = func(item any) { j.c.Observe(j.settled(item).(Event)) }
	j.toLog.handle = func(item any) {
		j.once.Do(func() { j.w = newWriter(j.c) })
		j.write(j.settled(item))
	}
	j.toObserve.panicked = func(value any, stack []byte) { j.note(panicked{"observe", value, stack}) }
	j.toLog.panicked = func(value any, stack []byte) { j.note(panicked{"log", value, stack}) }
}

// settled returns the item. If a part of it is not known yet, it waits for that.
func (j *journal) settled(item any) any {
	switch u := item.(type) {
	case *pendingCause:
		<-u.decided
		return u.StopRequested
	case *pendingStep:
		return u.settle(j.c)
	}
	return item
}

// observing reports whether there is an observer, which gets all events.
func (j *journal) observing() bool { return j.c.Observe != nil }

// wantsAll reports whether steps that are OK are logged or observed.
func (j *journal) wantsAll() bool { return j.observing() || !j.failuresOnly.Load() }

// emit passes an event to the log and to Observe. It never blocks.
func (j *journal) emit(e Event) {
	j.note(e)
	if j.observing() {
		j.toObserve.put(e, queueLimit)
	}
}

// note passes an item to the log that is not an Event. It never blocks.
func (j *journal) note(item any) {
	j.toLog.put(item, queueLimit)
}

// conclude logs how many events were lost, and emits the last event, for which there is always
// room.
func (j *journal) conclude(e Drained) {
	for _, q := range []struct {
		name string
		*queue
	}{{"log", &j.toLog}, {"observe", &j.toObserve}} {
		full, panicked := q.lost()
		if full > 0 {
			j.toLog.put(dropped{q.name, full}, queueLimit+lastItems)
		}
		if panicked > 1 { // the first panic has a line of its own
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

// quiet reports whether the stop is the normal end of a command, of which nothing is logged.
func (j *journal) quiet(r *Report) bool { return r.clean() && j.brief(r.Cause, r.Began.Add(r.Took)) }

// timeline reports whether the report is printed on the terminal. It is not if the program has its
// own log, or if the stop is the normal end of a command.
func (j *journal) timeline(r *Report) bool {
	return j.c.byMain && j.c.Logger == nil && j.c.Slog == nil && isTerminal(os.Stderr) && !j.quiet(r)
}

// flush waits, for at most the given time, until all items have been written and observed. It
// reports whether they have.
func (j *journal) flush(atMost time.Duration) bool {
	timeout := time.NewTimer(atMost)
	defer timeout.Stop()
	for _, q := range []*queue{&j.toObserve, &j.toLog} { // in this order: a panic of Observe is logged
		select {
		case <-q.idle():
		case <-timeout.C:
			return false
		}
	}
	return true
}

// A queue passes items to one function, one after the other, on a goroutine that runs only while
// there are items.
type queue struct {
	handle   func(any)
	panicked func(value any, stack []byte) // called for the first panic of handle

	mu      sync.Mutex
	items   []any
	busy    bool
	dropped int             // the number of items for which there was no room
	panics  int             // the number of panics of handle
	waiting []chan struct{} // closed when the queue is idle
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

// lost returns the numbers of items that were not handled because there was no room, and because
// handle panicked.
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

// work handles items until there are none. If handle panics or calls Goexit, only that item is
// lost.
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
