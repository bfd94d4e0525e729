package step

import (
	"context"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Host is what a Run is part of, a Coordinator; a group on its own has none.
type Host interface {
	// Grace bounds the stop of a group that stops by itself. It is called with the
	// lock held.
	Grace() time.Duration
	// Failed tells that a task of a group that s runs has failed. If s is main,
	// the program stops. It is called without the lock.
	Failed(s *Step, cause error)
	// Began and Ended tell of each step. They are called with the lock held.
	Began(*Step)
	Ended(*Step)
	// Scaled tells that more was promised than there is time for, and that all
	// promises were scaled down. It is called with the lock held.
	Scaled()
	// Zombie tells of an abandoned step that came back after all, by a panic or
	// a Goexit. It is called without the lock.
	Zombie(*Step, Result)
}

// A Run is what the steps of one program run share: a lock, a clock, the values
// of their contexts, and the host.
type Run struct {
	Host Host

	mu      sync.Mutex
	after   []func()
	looking []func([]Stack, map[string]string) // who waits for a look at the stacks
	base    time.Time
	id      string
	values  context.Context
	seq     atomic.Int64
	clocks  *Clock // those that are in no step
}

// labelKey is the profiler label that every goroutine of a step carries.
const labelKey = "lastcall"

var runs atomic.Int64

// NewRun makes a Run whose steps carry the values of ctx.
func NewRun(ctx context.Context, host Host) *Run {
	return &Run{
		Host:   host,
		base:   time.Now().Add(-1), // so that no reading is 0, which means unknown
		id:     strconv.FormatInt(runs.Add(1), 10),
		values: context.WithoutCancel(ctx),
	}
}

// Lock locks all the steps and clocks of the run.
func (r *Run) Lock() { r.mu.Lock() }

// Unlock unlocks, and then does what had to wait for that.
func (r *Run) Unlock() {
	after := r.after
	r.after = nil
	r.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// After has f called when the lock is released: ending a context calls into
// package context, and from there perhaps into the user's.
func (r *Run) After(f func()) { r.after = append(r.after, f) }

// Now reads the clock.
func (r *Run) Now() time.Duration { return time.Since(r.base) }

// Time is the instant of a reading.
func (r *Run) Time(reading time.Duration) time.Time { return r.base.Add(reading) }

// ID is unique in the process.
func (r *Run) ID() string { return r.id }

// Label returns values with a profiler label that no other step has, in this run or
// another: equal ones would mix their stacks. It is name#number#run, with a letter
// before the number where the step's goroutines may outlive it. For what runs within a
// task, that task's number and a dot come first.
func (r *Run) Label(outer *Step, values context.Context, name, letter string) context.Context {
	number := letter + strconv.FormatInt(r.seq.Add(1), 10)
	if outer != nil && outer.Kind == Task {
		number = outer.number() + "." + number
	}
	return pprof.WithLabels(values, pprof.Labels(labelKey, name+"#"+number+"#"+r.id))
}

// SetValues replaces the values, before the first step is made.
func (r *Run) SetValues(ctx context.Context) { r.values = context.WithoutCancel(ctx) }

// Values are those of the context that the run was started with.
func (r *Run) Values() context.Context { return r.values }
