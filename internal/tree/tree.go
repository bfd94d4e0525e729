// Package tree stops a tree of nodes: in order, on time, whatever the functions in it do.
//
// A [Node] is a step (main, a task, a hold, a handler) or a list of nodes (a scope, a group, the
// program itself). Stopping a list means stopping its members, newest first or all at once.
// Stopping a step means telling it, if it runs already, or else calling it. The step's context ends
// at its deadline, and at its end the step is abandoned. Tree.begin starts the stop of every node,
// and Tree.end records every outcome.
//
// All nodes of a program share a [Tree]: one lock and one timer. A stop goes through these
// functions:
//
//	Stop(list)   plan fixes the minimum of each step in the list
//	begin(list)  advance takes the newest member and begins to stop it
//	begin(step)  limit asks the lists around the step for its time; the step is told or called
//	returned     is called when the step's function has returned: end records the outcome
//	proceed      calls advance of the list around, which begins to stop the next member
//	fire         is called by the timer: it ends contexts and abandons steps, with end and proceed
//
// A step that has a warm-up starts before that: it, too, has a deadline, and is named if it hangs. The
// file start.go says how.
//
// Packages group, shutdown and httpdrain use it. They differ only in the nodes that they put into
// the tree.
//
// Code of the user, and code of a package above, is not called with the lock held: it could block,
// and the timer and the signals would wait for it. Such calls are put on a list, and Unlock makes
// them. The methods of [Host] and [Owner] are this library's own and may be called with the lock
// held.
package tree

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Never is an instant that is never reached.
const Never = time.Duration(math.MaxInt64)

// Sum adds durations that are not negative. It returns Never if the sum overflows.
func Sum(a, b time.Duration) time.Duration {
	if s := a + b; s >= 0 {
		return s
	}
	return Never
}

// A Host is the program that a tree belongs to: a Coordinator, or a group without one. Its methods
// are called with the lock held.
type Host interface {
	// Grace returns the time for a node that stops by itself: a group, or a scope that is closed
	// early.
	Grace() time.Duration
	// Stopping reports whether the stop of the program was requested or announced.
	Stopping() bool
	// Requested reports whether the stop of the program was requested.
	Requested() bool
	// StartBegan is called when the function of n, which has a warm-up, is about to be called. If n is
	// to be called after a failure, StartBegan is also called at the failure, and n is Starting since
	// then. StartEnded is called when n has called Started, which ok says, or has its outcome, or has
	// failed and will be called again. StartsChanged is called when the steps that waited for n have
	// begun. StartFailed is called when n has exceeded the limit of its start.
	StartBegan(n *Node)
	StartEnded(n *Node, now time.Duration, ok bool)
	StartsChanged()
	StartFailed(n *Node, now time.Duration, err error)
	// Notice is called when the stop of n has begun, and when n has its outcome.
	Notice(n *Node)
	// GroupStops is called when a group begins to stop because of cause, and when a task of it
	// fails. outer is the step that runs the group.
	GroupStops(outer *Node, now time.Duration, cause error, failed bool)
	// Scaled is called when minimums did not fit into the time left, and were reduced.
	Scaled()
	// Returned is called when an abandoned step has ended with a panic or a Goexit.
	Returned(n *Node, err error)
	// Restarts is called when a step has failed, and will be called again as n after this time.
	Restarts(n *Node, in time.Duration)
}

// An Owner decides what the return of a list's member means.
type Owner interface {
	// Excuses reports whether err, which n has returned, is no failure, and whether its text is
	// left out of the report. excused says whether err answers the request to stop. Excuses is
	// called without the lock, on the goroutine of n, because it may call methods of err.
	Excuses(n *Node, err error, excused bool) (yes, silent bool)
	// Returned is called when a function of n has returned with r. last says whether it was the
	// last function of n. Returned is called with the lock held, before n has its outcome. It returns
	// the result to use, which is r in most cases.
	Returned(n *Node, now time.Duration, r Result, last bool) Result
	// StartFailed is called with the lock held when n was told to stop because it has exceeded the
	// limit of its start. err is a part of the result that n will have.
	StartFailed(n *Node, now time.Duration, err error)
	// Abandoned is called with the lock held when n is about to be abandoned with this error.
	Abandoned(n *Node, now time.Duration, err error)
	// StartEnded is called with the lock held when the start of n is over, however it ended.
	StartEnded(n *Node, now time.Duration)
}

// A Tree has the state that the nodes of a program share.
type Tree struct {
	Host  Host
	Outer *Node // the step of another tree in which the program runs, nil if there is none

	mu          sync.Mutex
	base        time.Time
	id          string // unique in the process
	values      *Values
	steps       int           // the number of steps that have had a label
	limit       time.Duration // the end of the whole program
	forced      *Ending       // the end of contexts after a second signal; nil before it
	running     []*Node       // the steps whose functions run, and holds
	again       []*Node       // the steps with a warm-up that wait to be called again
	directStops []*Node       // the nodes with a direct stop in progress
	last        *Node         // the handler that was called last
	timer       *time.Timer
	armed       time.Duration // when the timer fires; 0 if it is not set

	// The calls that wait for the lock to be released.
	calls []call
	ends  []contextEnd
	after []func()

	stackRequests []*Node // the steps whose stacks have to be taken
}

// A call is a call of a step's function, to be made.
type call struct {
	n         *Node
	interrupt bool // whether the function is the interrupt of a pair
}

type contextEnd struct {
	c *Context
	e *Ending
}

// groupPrefix is the prefix of the ID of a tree without a Coordinator.
const groupPrefix = "g"

var trees atomic.Int64

// New makes a tree whose contexts have these values. alone says whether the tree belongs to a group
// without a Coordinator.
func New(values *Values, host Host, alone bool) *Tree {
	id := strconv.FormatInt(trees.Add(1), 10)
	if alone {
		id = groupPrefix + id
	}
	return &Tree{
		Host:   host,
		base:   time.Now().Add(-1), // so that no reading is 0, which means unknown
		id:     id,
		values: values,
		limit:  Never,
	}
}

// Alone reports whether the tree belongs to a group without a Coordinator.
func (t *Tree) Alone() bool { return strings.HasPrefix(t.id, groupPrefix) }

// ID returns the tree's part of the labels of its steps.
func (t *Tree) ID() string { return t.id }

// Now reads the clock: it returns the time since the tree was made.
func (t *Tree) Now() time.Duration { return time.Since(t.base) }

// Time converts a reading of Now to a time.
func (t *Tree) Time(reading time.Duration) time.Time { return t.base.Add(reading) }

// SetValues replaces the values for the contexts that are made from now on.
func (t *Tree) SetValues(v *Values) { t.values = v }

// Values returns the values given to SetValues or New.
func (t *Tree) Values() *Values { return t.values }

// Lock locks the whole tree.
func (t *Tree) Lock() { t.mu.Lock() }

// Unlock unlocks the tree, and then makes the calls that wait for that. It starts goroutines first,
// because that cannot block.
func (t *Tree) Unlock() {
	var few struct { // room for the usual numbers, without an allocation
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

// move moves the elements of from to to.
func move[T any](to []T, from *[]T) []T {
	to = append(to, *from...)
	clear(*from)
	*from = (*from)[:0]
	return to
}

// After makes Unlock call f after it has released the lock. f must not block.
func (t *Tree) After(f func()) { t.after = append(t.after, f) }

// finish ends c. If c is in use, that happens when the lock is released, because it may call code
// of the user.
func (t *Tree) finish(c *Context, e *Ending) {
	if !c.live.CompareAndSwap(nil, &e.live) {
		t.ends = append(t.ends, contextEnd{c, e})
	}
}
