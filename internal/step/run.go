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
	first   Deferred // what waits for the lock's release; most often there are at most two:
	second  Deferred // the contexts of a step to close, and the next step to tell
	after   []Deferred
	looking []func(map[string][]Stack, map[string]string) // who waits for a look at the stacks
	base    time.Time
	id      string
	values  Values
	seq     atomic.Int64
	clocks  *Clock
	limit   time.Duration // of all clocks
	forced  error         // why all clocks are forced, nil if they are not
}

// labelKey is the profiler label that every goroutine of a step carries.
const labelKey = "lastcall"

const hostless = "g"

var runs atomic.Int64

// NewRun makes a Run whose steps carry these values. The ID of one without a host begins
// with a letter.
func NewRun(values Values, host Host) *Run {
	id := strconv.FormatInt(runs.Add(1), 10)
	if host == nil {
		id = hostless + id
	}
	return &Run{
		Host:   host,
		base:   time.Now().Add(-1), // so that no reading is 0, which means unknown
		id:     id,
		values: values,
		limit:  Never,
	}
}

// Idle reports whether nothing is ending: there is no clock. The lock is held.
func (r *Run) Idle() bool { return r.clocks == nil }

// Lock locks all the steps and clocks of the run.
func (r *Run) Lock() { r.mu.Lock() }

// Unlock unlocks, and then does what had to wait for that.
func (r *Run) Unlock() {
	first, second, after := r.first, r.second, r.after
	r.first, r.second, r.after = nil, nil, nil
	r.mu.Unlock()
	if first != nil {
		first.Unlocked()
	}
	if second != nil {
		second.Unlocked()
	}
	for _, d := range after {
		d.Unlocked()
	}
}

// Deferred is something to do when the lock is released: ending a context calls into
// package context, and from there perhaps into the user's.
type Deferred interface{ Unlocked() }

// Defer has d.Unlocked called when the lock is released.
func (r *Run) Defer(d Deferred) {
	switch {
	case r.first == nil:
		r.first = d
	case r.second == nil:
		r.second = d
	default:
		r.after = append(r.after, d)
	}
}

// After is Defer for a function.
func (r *Run) After(f func()) { r.Defer(deferredFunc(f)) }

type deferredFunc func()

func (f deferredFunc) Unlocked() { f() }

// Now reads the clock.
func (r *Run) Now() time.Duration { return time.Since(r.base) }

// Time is the instant of a reading.
func (r *Run) Time(reading time.Duration) time.Time { return r.base.Add(reading) }

// Values are those of a context, without its end.
type Values struct {
	ctx    context.Context
	labels context.Context // has nothing but the profiler labels among them, without ours
}

// ValuesOf are the values of ctx. It calls methods of ctx, which may be the user's: no
// lock must be held.
func ValuesOf(ctx context.Context) Values {
	var labels []string
	pprof.ForLabels(ctx, func(key, value string) bool {
		if key != labelKey {
			labels = append(labels, key, value)
		}
		return true
	})
	v := Values{withoutEnd(ctx), context.Background()}
	if labels != nil {
		v.labels = pprof.WithLabels(v.labels, pprof.Labels(labels...))
	}
	return v
}

// withoutEnd is a context with the values of ctx alone. Those of a step's context are of
// another one, which serves: work that begins more of its kind, which does so in turn, would
// make a chain of contexts that grows for ever.
func withoutEnd(ctx context.Context) context.Context {
	if c, ok := ctx.(*Context); ok {
		return c.step.place.values
	}
	return context.WithoutCancel(ctx)
}

// A Place is where a step runs. Those that run one after the other may share it.
type Place struct {
	run    *Run
	outer  *Step // the step within which it runs, if any
	name   string
	values context.Context // of its contexts
	labels context.Context
	clock  *Clock // once a step has begun there; guarded by the run's lock
}

// value finds the profiler labels among the values. Package pprof would have to look for them
// to add its own, perhaps with the lock held.
func (p *Place) value(key any) any {
	if v := p.labels.Value(key); v != nil {
		return v
	}
	return p.values.Value(key)
}

// ID is unique in the process.
func (r *Run) ID() string { return r.id }

// Place makes a place within outer, with values and a profiler label that no other has, in
// this run or another: equal ones would mix their stacks. It is name#number#run, with a letter
// before the number where the step's goroutines may outlive it. For what runs within a
// task, that task's number and a dot come first.
func (r *Run) Place(outer *Step, values Values, name, letter string) *Place {
	var buf [96]byte
	b := append(append(buf[:0], name...), '#')
	if outer != nil && outer.Kind == Task {
		b = append(append(b, outer.number()...), '.')
	}
	b = strconv.AppendInt(append(b, letter...), r.seq.Add(1), 10)
	b = append(append(b, '#'), r.id...)
	labels := pprof.WithLabels(values.labels, pprof.Labels(labelKey, string(b)))
	return &Place{run: r, outer: outer, name: name, values: values.ctx, labels: labels}
}

// Within puts p within outer, without a label that says so.
func (p *Place) Within(outer *Step) *Place {
	p.outer = outer
	return p
}

// SetValues replaces the values that the steps to come carry.
func (r *Run) SetValues(v Values) { r.values = v }

// Values are those of the context that the run was started with.
func (r *Run) Values() Values { return r.values }
