package tree

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
)

// A Kind says what a node is.
type Kind int8

// The kinds. The first four are steps, in the order of shutdown's StepKind; the others are
// lists.
const (
	Main Kind = iota
	Task
	Hold
	Handler
	Scope
	Group
)

// Func is the one signature of main, tasks, holds and handlers.
type Func = func(context.Context) error

// Limits are what a node asks for. Zero means no wish.
type Limits struct {
	Timeout time.Duration // the most that its stop may take
	Reserve time.Duration // the least that is kept back for it
}

type state int8

const (
	waiting  state = iota // for the request to stop
	stopping              // its time runs
	over                  // it has an outcome
)

// A Node is a step or a list of nodes. The fields that are set before it is added to a tree do
// not change; the rest is guarded by the tree's lock.
type Node struct {
	site.Origin
	Limits
	Kind       Kind
	Run        Func     // of a step; nil for a hold that somebody else ends
	RunContext *Context // what Run is given by a step that runs before its stop, and whose end is the request to; nil for others
	List       *List    // of a scope or a group
	More       *More    // what few steps have

	Outcome Outcome
	flags
	Record int32 // for the host's use
	Err    error
	Start  time.Duration // when its time began to run
	End    time.Duration // when it is abandoned; once it is over, when it ended

	tree     *Tree
	env      *env
	work     Context       // ends at the deadline
	deadline time.Duration // 0: not known yet

	parent       *Node // the list that it is in
	older, newer *Node // there, in the queue or among the live
	direct       *directStop
	taskStop     *taskStop
	details      *details
	at           int32 // in tree.running
}

type flags struct {
	state          state
	linked         bool // it is in the queue of its list
	taken          bool // it has its turn: its list waits for it
	started        bool // its function was called, or is about to be
	told           bool // it was told to stop
	deadlinePassed bool // its deadline has, and its work context has ended
	waited         bool // at its deadline it was waiting for something that it stops
	ended          bool // all its functions have returned
}

// More is what few steps have. But for the last three, it does not change once the step is added.
type More struct {
	Interrupt Func    // what makes Run return, instead of the end of a context: the step is a pair
	Expect    []error // what Run may return once it was told to stop, or at all if it is a handler
	Policy    any     // what the owner of its list wants to know of it

	Cause  error  // why it was told to stop; Interrupt may read it
	back   int8   // how many functions of a pair have come back
	result Result // of the first
}

// seen is what was seen of a step. Most end without.
type details struct {
	done            chan struct{} // closed when all functions of the step have returned
	excused         string        // what an error said that is no failure
	progress        func() string // what the step says of itself
	asking          bool          // progress has been called and has not returned
	said            string        // what it said last
	stacksRequested bool          // its stacks are being taken, or have been
	stack           string
	waitsFor        string
	ended           string // the task because of which the last group that it ran has stopped, if that task just ended
}

func (n *Node) ensureDetails() *details {
	if n.details == nil {
		n.details = new(details)
	}
	return n.details
}

// pair reports whether n has two functions.
func (n *Node) pair() bool { return n.More != nil && n.More.Interrupt != nil }

// called reports whether n is a step that runs only when it stops.
func (n *Node) called() bool { return n.Kind == Handler }

// Tree is the tree that n is in.
func (n *Node) Tree() *Tree { return n.tree }

// Name is what n is called.
func (n *Node) Name() string {
	if n.env != nil {
		return n.env.name
	}
	return n.Origin.Name()
}

// Over reports whether n has an outcome.
func (n *Node) Over() bool { return n.state == over }

// Stopping reports whether the time of n runs.
func (n *Node) Stopping() bool { return n.state == stopping }

// Started reports whether the function of n was called.
func (n *Node) Started() bool { return n.started }

// WasTold reports whether n was told to stop.
func (n *Node) WasTold() bool { return n.told }

// Queued reports whether n waits for its turn in its list.
func (n *Node) Queued() bool { return n.linked && n.state == waiting }

// Took is how long a step that is over has taken.
func (n *Node) Took() time.Duration { return n.End - n.Start }

// Stack has the stacks of a step that did not return in time, as far as they are known.
func (n *Node) Stack() string { return n.currentDetails().stack }

// WaitsFor says in a few words what a step that did not return in time waits for, "" if that is
// not known.
func (n *Node) WaitsFor() string { return n.currentDetails().waitsFor }

// Looked reports whether the stacks of n are being taken, or have been.
func (n *Node) StacksRequested() bool { return n.currentDetails().stacksRequested }

// Progress is what n has said last of itself.
func (n *Node) Progress() string { return n.currentDetails().said }

// Excused is what an error of n said that is no failure.
func (n *Node) Excused() string { return n.currentDetails().excused }

// SetEnded notes that a group which n runs stops because a task of it, of this name, has ended.
func (n *Node) SetEnded(task string) { n.ensureDetails().ended = task }

// Ended is the name of n, which has ended, and of the task that SetEnded has noted, if there is one.
func (n *Node) Ended() string {
	if task := n.currentDetails().ended; task != "" {
		return n.Name() + "/" + task
	}
	return n.Name()
}

func (n *Node) currentDetails() details {
	if n.details == nil {
		return details{}
	}
	return *n.details
}

// Done returns a channel that is closed when all functions of n have returned. The lock is held.
func (n *Node) Done() <-chan struct{} {
	s := n.ensureDetails()
	if s.done == nil {
		s.done = make(chan struct{})
		if n.ended {
			close(s.done)
		}
	}
	return s.done
}

// NeverRuns ends n, which was not added to a list.
func (n *Node) NeverRuns() {
	n.state, n.ended = over, true
	if n.List != nil {
		n.List.closed = true
	}
}

// Describe has the step of ctx, if there is one, say more of itself: what progress returns is
// shown while it is waited for. It is called without the lock, on a goroutine that nobody
// waits for.
func Describe(ctx context.Context, progress func() string) {
	describe(ctx, func(s *details) { s.progress = progress })
}

// Say has the step of ctx, if there is one, say this of itself.
func Say(ctx context.Context, text string) {
	describe(ctx, func(s *details) { s.progress, s.said = nil, text })
}

func describe(ctx context.Context, set func(*details)) {
	n := From(ctx)
	if n == nil {
		return
	}
	n.tree.Lock()
	defer n.tree.Unlock()
	if n.state != over {
		set(n.ensureDetails())
	}
}
