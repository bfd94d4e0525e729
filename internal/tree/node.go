package tree

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
)

// A Kind is the kind of a node.
type Kind int8

// The kinds. The first four are steps, in the order of shutdown.StepKind; the others are lists.
const (
	Main Kind = iota
	Task
	Hold
	Handler
	Scope
	Group
)

// Func is the signature of main, tasks, holds and handlers.
type Func = func(context.Context) error

// Limits are the options for a node's time. Zero means none.
type Limits struct {
	Timeout time.Duration // the longest time that its stop may take
	Reserve time.Duration // the least time for its stop
}

type state int8

const (
	waiting  state = iota // for the turn to stop
	stopping              // its time runs
	over                  // it has an outcome
)

// A Node is a step or a list of nodes. The fields that are set before it is added to a tree do not
// change. The tree's lock guards the others.
type Node struct {
	site.Origin
	Limits
	Kind       Kind
	Run        Func     // the function of a step; nil for a hold without one
	RunContext *Context // the context of Run if that is called before the stop; it ends with the request to stop; nil for handlers and pairs
	List       *List    // of a scope or a group; nil for a step
	More       *More    // the options that few steps have; may be nil

	Outcome Outcome
	flags
	Record int32 // an index for the host's use
	Err    error
	Start  time.Duration // when its time began to run, or its start
	End    time.Duration // when it will be abandoned, or its start fails; when it ended, once it is over

	tree     *Tree
	env      *env
	work     Context       // the work context, which ends at the deadline
	deadline time.Duration // 0: not known yet

	parent       *Node // the list that it is a member of
	older, newer *Node // the next members in the queue, or among the active members, of that list
	direct       *directStop
	taskStop     *taskStop
	details      *details
	at           int32 // its index in tree.running
}

type flags struct {
	state          state
	linked         bool // it is in the queue of its list
	taken          bool // it has its turn: its list waits for it
	started        bool // its function was called, or is about to be
	starting       bool // it has a warm-up, and has not called Started
	startFailed    bool // it was told to stop only because its start has failed
	neverStarted   bool // it ended before it had started
	told           bool // it was told to stop
	deadlinePassed bool // the deadline has passed, and the work context has ended
	waited         bool // at the deadline, the step waited for something that it stops itself
	ended          bool // all its functions have returned
}

// More has the options that few steps have. The first four fields do not change once the step is
// added.
type More struct {
	Interrupt Func          // makes Run return, instead of the end of a context; the step is then a pair
	Expect    []error       // errors that are no failures: of a handler always, of other steps once they were told to stop
	Warmup    time.Duration // the time in which the step has to call Started; Never: any time; 0: it need not call it
	MayFail   bool          // a failure is that of the step alone: the list around it goes on
	Policy    any           // for the use of the list's owner

	Restarts int   // how often the step was called again after a failure
	LastErr  error // the last of these failures

	Cause  error  // why it was told to stop; Interrupt may read it
	back   int8   // how many functions of the pair have returned
	result Result // of the function that has returned first, and of a start that has failed
}

// details has what most steps do not need: how a stuck step is described, and who waits for its
// end.
type details struct {
	done        chan struct{} // closed when all functions of the step have returned
	excused     string        // the text of an error that is no failure
	progress    func() string // returns the step's status
	asking      bool          // whether a call of progress has not returned yet
	said        string        // the last status
	stacksTaken chan struct{} // closed when the stacks were taken; nil if they were not requested
	stack       string
	waitsFor    string
	ended       string // the task whose end without an error stopped the last group that the step ran
}

func (n *Node) ensureDetails() *details {
	if n.details == nil {
		n.details = new(details)
	}
	return n.details
}

// pair reports whether n has two functions.
func (n *Node) pair() bool { return n.More != nil && n.More.Interrupt != nil }

// called reports whether n is a step whose function is called when it stops.
func (n *Node) called() bool { return n.Kind == Handler }

// Tree returns the tree that n is in.
func (n *Node) Tree() *Tree { return n.tree }

// Name returns the name of n.
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

// Started reports whether the function of n was called, or is about to be.
func (n *Node) Started() bool { return n.started }

// AskedToStop reports whether n was told to stop, and not only because its start has failed.
func (n *Node) AskedToStop() bool { return n.told && !n.startFailed }

// StartFailed reports whether n was told to stop only because its start has failed.
func (n *Node) StartFailed() bool { return n.startFailed }

// NeverStarted reports whether n has a warm-up, and ended before it had started.
func (n *Node) NeverStarted() bool { return n.neverStarted }

// MayFail reports whether a failure of n is its own, and not one of the list.
func (n *Node) MayFail() bool { return n.More != nil && n.More.MayFail }

// WasTold reports whether n was told to stop.
func (n *Node) WasTold() bool { return n.told }

// Queued reports whether n waits for its turn in its list, and is not being closed early.
func (n *Node) Queued() bool { return n.linked && n.state == waiting }

// Took returns the time that a step took to stop, once it is over.
func (n *Node) Took() time.Duration { return n.End - n.Start }

// Stack returns the stacks of a step that did not return in time, "" if they are not known.
func (n *Node) Stack() string { return n.currentDetails().stack }

// WaitsFor returns in a few words what a step that did not return in time waits for, "" if that is
// not known.
func (n *Node) WaitsFor() string { return n.currentDetails().waitsFor }

// StacksRequested reports whether the stacks of n are being taken, or were taken.
func (n *Node) StacksRequested() bool { return n.StacksTaken() != nil }

// StacksTaken returns a channel that is closed when the stacks of n were taken, or nil if they were
// not requested.
func (n *Node) StacksTaken() <-chan struct{} { return n.currentDetails().stacksTaken }

// Progress returns the last status of n.
func (n *Node) Progress() string { return n.currentDetails().said }

// Excused returns the text of an error of n that is no failure.
func (n *Node) Excused() string { return n.currentDetails().excused }

// SetEnded records that a group which n runs stops because its task of this name has ended without
// an error.
func (n *Node) SetEnded(task string) { n.ensureDetails().ended = task }

// Ended returns the name of n, which has ended, and of the task given to SetEnded, if there is one.
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

// NeverRuns ends n, which is in no list.
func (n *Node) NeverRuns() {
	n.state, n.ended = over, true
	if n.details != nil && n.details.done != nil {
		close(n.details.done)
	}
	if n.List != nil {
		n.List.closed = true
	}
}

// Describe sets a function that returns the status of the step of ctx, if there is one. It is
// called when the drain reports that it waits for the step, without the lock, on a goroutine that
// nothing waits for.
func Describe(ctx context.Context, progress func() string) {
	describe(ctx, func(s *details) { s.progress = progress })
}

// Say sets the status of the step of ctx, if there is one.
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
