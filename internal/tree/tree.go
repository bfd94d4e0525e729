// Package tree stops a tree of nodes: in order, on time, whatever they do.
//
// A [Node] is a step (main, a task, a hold, a handler) or a list of nodes (a scope, a group,
// the program itself). Stopping a list means stopping its members, newest first or side by
// side. Stopping a step means to tell it, if it runs already, or else to call it; its context
// ends at its deadline, and at its end it is abandoned. One function, Tree.begin, starts all
// of that, and one, Tree.end, records how it went.
//
// All nodes of a program share a [Tree]: one lock and one timer. How a stop goes through it:
//
//	Stop(list)   plan: fixes what each step of the list has at least
//	begin(list)  advance: takes the newest member and begins it
//	begin(step)  limit: asks the lists around how long it may take; tells or calls it
//	returned     the step's goroutine comes back: end records the outcome, and
//	proceed      has the list around advance, which begins the next member
//	fire         the timer ends contexts, and abandons: end and proceed, as above
//
// Packages group, shutdown and httpdrain are made of this and differ only in the nodes that
// they put into the tree.
//
// Nothing of a user, and nothing of a package above, is called with the lock held: it could
// block, and the timer and the signals would wait for it. The methods of [Host] and [Owner] are
// this library's own. What is to be called when the lock is released is put on a list.
package tree

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Never is an instant that does not come.
const Never = time.Duration(math.MaxInt64)

// Sum adds durations that are not negative. A sum that would overflow is Never.
func Sum(a, b time.Duration) time.Duration {
	if s := a + b; s >= 0 {
		return s
	}
	return Never
}

// A Host is the program that a tree belongs to: a Coordinator, or a group on its own. Its
// methods are called with the lock held.
type Host interface {
	// Grace bounds what stops by itself: a group, a scope that is closed early.
	Grace() time.Duration
	// Stopping reports whether the program was asked to stop.
	Stopping() bool
	// Notice tells that the stop of n has begun, or that n has its outcome.
	Notice(n *Node)
	// GroupStops tells that a group that outer runs begins to stop because of cause, or that a task
	// of it failed.
	GroupStops(outer *Node, now time.Duration, cause error, failed bool)
	// Scaled tells that minimums did not fit into the time left, and were reduced.
	Scaled()
	// Returned tells that an abandoned step has come back, with a panic or a Goexit.
	Returned(n *Node, err error)
}

// An Owner is what a list belongs to, if that has a say in what the return of a member means.
type Owner interface {
	// Excuses reports whether the error that n has returned is no failure, and whether it says
	// nothing beyond that; excused says that it answers the request to stop. It is called without
	// the lock, on the goroutine of n, since it may call methods of err.
	Excuses(n *Node, err error, excused bool) (yes, silent bool)
	// Returned tells that a function of n has come back with r, and whether it was the last that
	// n waits for. It is called with the lock held, and before n has its outcome.
	Returned(n *Node, now time.Duration, r Result, last bool)
}

// A Tree is what the nodes of a program share.
type Tree struct {
	Host  Host
	Outer *Node // the step of another tree in which the program runs, nil if there is none

	mu          sync.Mutex
	base        time.Time
	id          string // unique in the process
	values      *Values
	steps       int           // so many have had a label
	limit       time.Duration // of everything
	forced      *Ending       // of the contexts that a second signal has ended, nil before
	running     []*Node       // the steps of which something runs
	directStops []*Node       // what is stopped from outside its list; see outside
	last        *Node         // the handler that was called last
	timer       *time.Timer
	armed       time.Duration // when the timer fires, 0 if it is not set

	// What waits for the lock to be released.
	calls []call
	ends  []contextEnd
	after []func()

	stackRequests []*Node // those whose stacks are to be taken
}

// A call is a function of a step that is to be called.
type call struct {
	n         *Node
	interrupt bool // it is the interrupt of a pair
}

type contextEnd struct {
	c *Context
	e *Ending
}

// groupPrefix begins the ID of a tree that has no Coordinator.
const groupPrefix = "g"

var trees atomic.Int64

// New makes a tree whose contexts have these values. alone says that it belongs to a group,
// and not to a Coordinator.
func New(values *Values, host Host, alone bool) *Tree {
	id := strconv.FormatInt(trees.Add(1), 10)
	if alone {
		id = groupPrefix + id
	}
	return &Tree{
		Host:   host,
		base:   time.Now().Add(-1), // no reading is 0, which means unknown
		id:     id,
		values: values,
		limit:  Never,
	}
}

// Alone reports whether the tree belongs to a group, and not to a Coordinator.
func (t *Tree) Alone() bool { return strings.HasPrefix(t.id, groupPrefix) }

// ID is part of the labels of the tree's steps.
func (t *Tree) ID() string { return t.id }

// Now reads the clock.
func (t *Tree) Now() time.Duration { return time.Since(t.base) }

// Time is the instant of a reading.
func (t *Tree) Time(reading time.Duration) time.Time { return t.base.Add(reading) }

// SetValues replaces the values of the contexts to come.
func (t *Tree) SetValues(v *Values) { t.values = v }

// Values are those that SetValues or New was given.
func (t *Tree) Values() *Values { return t.values }

// Lock locks the whole tree.
func (t *Tree) Lock() { t.mu.Lock() }

// Unlock unlocks it, and then does what had to wait for that: goroutines first, since
// starting one cannot block.
func (t *Tree) Unlock() {
	var few struct { // most often there is at most one of each, and no allocation
		calls [1]call
		ends  [2]contextEnd
		after [1]func()
	}
	pending, ends, after := move(few.calls[:0], &t.calls), move(few.ends[:0], &t.ends), move(few.after[:0], &t.after)
	t.mu.Unlock()
	for _, c := range pending {
		go runStep(t, c)
	}
	for _, e := range ends {
		e.c.finish(e.e)
	}
	for _, f := range after {
		f()
	}
}

// take moves what is in from to to.
func move[T any](to []T, from *[]T) []T {
	to = append(to, *from...)
	clear(*from)
	*from = (*from)[:0]
	return to
}

// After has f called when the lock is released, on the goroutine that does that. It must not
// block.
func (t *Tree) After(f func()) { t.after = append(t.after, f) }

// finish ends c: at once where nobody has made use of it, so that no code of others runs, else
// when the lock is released.
func (t *Tree) finish(c *Context, e *Ending) {
	if !c.live.CompareAndSwap(nil, &e.live) {
		t.ends = append(t.ends, contextEnd{c, e})
	}
}
