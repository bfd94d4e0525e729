package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// The defaults of a Policy.
const (
	defaultInitial = 100 * time.Millisecond
	defaultMax     = 30 * time.Second // a backend that is away for long is asked twice a minute
	defaultLimit   = 10
	defaultWithin  = 5 * time.Minute
)

// A Policy says how soon, and how often, Restart calls a task again. A field that is zero has its
// default.
type Policy struct {
	// Initial is the longest wait before the first restart. The default is 100 ms, or Max if that
	// is shorter.
	Initial time.Duration
	// Max is the longest wait before any restart. The default is 30 s, or Initial if that is longer.
	Max time.Duration
	// Limit is how often the task may fail Within. At the next failure it is not called again. The
	// default is 10. If Limit is negative, there is no limit.
	Limit int
	// Within is the time in which failures count for Limit. The default is 5 minutes.
	Within time.Duration
}

// Restart calls the task again after it has failed: by an error, a panic or runtime.Goexit. Before
// each call there is a wait, the backoff. It is at most Initial at first, then twice as long each
// time, up to Max. A random part of it, at most half, is left out, so that tasks which have failed
// together do not come back together. After a run that has lasted Max, the next wait is at most
// Initial again.
//
// If the task has failed more than Limit times Within, its last failure has the effect that it has
// without Restart: it stops the group, unless the task also has MayFail.
//
// Restart never runs a task twice at the same time. The task is called again only when its function
// has returned. So it must not return before the goroutines that it has started have ended.
//
// Each call has new contexts, and those of the call before have ended. The channel of Done stays
// open until the task is not called again.
//
// With Warmup, each call has that time to call Started. Started with the context of an earlier call
// does nothing. Tasks that wait for the task wait during the backoff as well. The program is not
// Ready from the failure until the task has started again. A task that has exceeded its Warmup is
// told to stop, and called again when it has returned. If it does not return within the group's
// Grace, it is abandoned and stops the group.
//
// When the group begins to stop, a wait ends at once and the task is over, without a failure. A task
// that fails later, or that was told to stop, is not called again, and its failure counts. During
// the Delay of a Coordinator the group still runs, and its tasks are called again. Task.Shutdown
// ends a wait, too, and returns nil.
//
// A failure after which the task was called again, or was about to be, is no failure of the program.
// The Coordinator logs it, and the line of the task in the report has the number of restarts and the
// last of these errors.
//
// A server can be served once, and a Group can be run once. Make them in the task's function:
//
//	g.Go("api", func(ctx context.Context) error {
//		return httpdrain.Serve(&http.Server{Addr: addr, Handler: h})(ctx)
//	}, group.Restart(group.Policy{}))
//
// An error that is or wraps ErrStopped says that this was not done. After it, the task is not called
// again. Neither is a task that returns a *StuckError, for example that of a group within it: the
// abandoned function still runs.
//
// Restart panics if a field of p other than Limit is negative, or if Initial exceeds Max. Add and
// AddActor panic if they are given a Restart: the interrupt of a pair is called once.
func Restart(p Policy) Option {
	site.MustNotBeNegative("group: Restart with Initial", p.Initial)
	site.MustNotBeNegative("group: Restart with Max", p.Max)
	site.MustNotBeNegative("group: Restart with Within", p.Within)
	switch {
	case p.Max == 0:
		p.Max = max(defaultMax, p.Initial)
	case p.Initial > p.Max:
		panic(fmt.Sprintf("group: Restart with Initial %v, which exceeds Max %v, at %s", p.Initial, p.Max, site.Caller(2)))
	}
	if p.Initial == 0 {
		p.Initial = min(defaultInitial, p.Max)
	}
	if p.Limit == 0 {
		p.Limit = defaultLimit
	}
	if p.Within == 0 {
		p.Within = defaultWithin
	}
	return option(func(t *Task) { t.policy().restarts = &restarts{Policy: p, wait: p.Initial} })
}

// A restarts holds what Restart remembers of a task. The lock of the tree guards it.
type restarts struct {
	Policy
	task     *Task
	called   time.Duration   // when the function was called last
	wait     time.Duration   // the longest wait before the next call
	failures []time.Duration // those that count for the limit
	useless  bool            // the task has returned an error after which it is not called again
	timer    *time.Timer     // ends the wait
}

// failed records a failure, and returns how long to wait before the task is called again. It
// returns false if the task is not to be called again.
func (r *restarts) failed(now time.Duration) (wait time.Duration, again bool) {
	if r.exhausted(now) {
		return 0, false
	}
	if r.Limit >= 0 {
		r.failures = append(r.failures, now)
	}
	if now-r.called >= r.Max {
		r.wait = r.Initial
	}
	wait = r.wait
	if r.wait = r.Max; wait < r.Max/2 {
		r.wait = 2 * wait
	}
	return wait - rand.N(wait/2+1), true
}

// exhausted reports whether the task is not called again if it fails now.
func (r *restarts) exhausted(now time.Duration) bool {
	r.failures = slices.DeleteFunc(r.failures, func(at time.Duration) bool { return now-at > r.Within })
	return r.useless || r.Limit >= 0 && len(r.failures) >= r.Limit
}

// restartsLeft reports whether the task of n is called again if it fails now.
func restartsLeft(n *tree.Node, now time.Duration) bool {
	r := policyOf(n).restarts
	return r != nil && !r.exhausted(now)
}

// isFinal reports whether a task that returns err, or an error that has it in its tree, is not called
// again. After a StuckError a function within the task still runs.
func isFinal(err error) bool {
	_, stuck := err.(*StuckError)
	return stuck || err == ErrStopped
}

// stopAfter records that the task has returned such an error. The lock must not be held.
func (r *restarts) stopAfter(tr *tree.Tree) {
	tr.Lock()
	defer tr.Unlock()
	r.useless = true
}

// restart has the task of n, which has failed with err, called again, if it has Restart and the
// group goes on. It reports whether it did.
func (g *Group) restart(n *tree.Node, now time.Duration, err error) bool {
	r := policyOf(n).restarts
	if r == nil || g.begun || n.AskedToStop() {
		return false
	}
	wait, again := r.failed(now)
	if !again {
		return false
	}
	tr := n.Tree()
	next := tr.Again(n, now, err)
	r.task.again = next
	if g.starting == n {
		g.starting = next
	}
	g.waiting++
	r.timer = tr.AfterFunc(wait, func(now time.Duration) {
		if !next.Over() {
			g.waiting--
			r.called = now
			tr.Enter(next, g.values)
			tr.Call(next)
		}
	})
	tr.Host.Restarts(next, wait)
	return true
}

// dropWaiting ends a task that waits to be called again.
func (g *Group) dropWaiting(n *tree.Node, now time.Duration) {
	g.waiting--
	policyOf(n).restarts.timer.Stop()
	n.Tree().Drop(n, now)
	if g.node.Members() == 0 && len(g.pending) == 0 {
		g.begin(now, nil, nil)
	}
}
