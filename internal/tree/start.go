package tree

import (
	"context"
	"slices"
	"strings"
	"time"
)

// This file starts steps that have a warm-up: it is the mirror of stop.go. Such a step has a
// deadline, as a step that stops has one, and fire handles both. If the step does not call Started
// before its deadline, its stacks are taken, and then its context ends. After the end of its context
// the step may return, and its stacks would no longer show what it has waited for.
//
// A step that starts is still waiting for its turn to stop. If the turn comes, the stop replaces the
// times of the start.

// mostForStacks is how long the end of a start that hangs waits for the stacks. The error is to be
// told within 50 ms of the limit; the rest of these is for a timer that fires late.
const mostForStacks = 40 * time.Millisecond

// beginStart begins the start of n, whose function is about to be called, if n has a warm-up.
func (t *Tree) beginStart(n *Node) {
	if n.More == nil || n.More.Warmup == 0 {
		return
	}
	now := t.Now()
	n.Start = now
	n.deadline = Sum(now, n.More.Warmup)
	n.End = n.deadline
	t.arm(now, n.deadline)
	t.Host.StartBegan(n)
	n.starting = true
}

// Starting reports whether n has a warm-up, runs, and has not called Started.
func (n *Node) Starting() bool { return n.starting }

// hasDeadline reports whether the timer has to look after n, because it starts or stops.
func (n *Node) hasDeadline() bool { return n.state == stopping || n.state == waiting && n.starting }

// Started ends the start of the step that ctx belongs to, if there is one that starts. The lock must
// not be held.
func Started(ctx context.Context) {
	n := From(ctx)
	if n == nil {
		return
	}
	n.tree.Lock()
	defer n.tree.Unlock()
	n.tree.Started(n, n.tree.Now())
}

// Started ends the start of n. It does nothing if n does not start, was told to stop, or has exceeded
// its limit: as for a stop, that is so at the deadline, or else it would depend on the resolution of
// the clock.
func (t *Tree) Started(n *Node, now time.Duration) {
	if n.starting && n.state == waiting && !n.told && now < n.deadline {
		t.endStart(n, now, true)
	}
}

// endStart ends the start of n. ok says that n has called Started, or has started and finished.
func (t *Tree) endStart(n *Node, now time.Duration, ok bool) {
	n.starting = false
	t.removeAgain(n)
	t.Host.StartEnded(n, now, ok)
	if n.state == waiting {
		n.deadline, n.End = 0, 0 // they will be those of its stop
	}
	if o := n.parent.List.Owner; o != nil {
		o.StartEnded(n, now)
	}
	t.Host.StartsChanged()
}

// startIsUnlimited reports whether the start of n has no limit, because n, the list around it or the
// program was asked to stop: the limit of that stop applies.
func (t *Tree) startIsUnlimited(n *Node) bool {
	return n.told || n.parent.state == stopping || t.Host.Requested()
}

// startDue handles the deadline of a start.
func (t *Tree) startDue(n *Node, now time.Duration) {
	switch {
	case t.startIsUnlimited(n):
		n.deadline, n.End = Never, Never
	case !n.StacksRequested():
		n.End = now + mostForStacks
		t.requestStacks(n)
	case now >= n.End:
		t.failStart(n, now)
	}
}

// failStart ends the context of n, which has not called Started in time. The error is a part of the
// result of n, whatever n returns.
func (t *Tree) failStart(n *Node, now time.Duration) {
	if !n.starting || n.state != waiting || t.startIsUnlimited(n) {
		return
	}
	n.deadline, n.End = Never, Never
	r := t.NotStarted(n, now, false)
	n.More.result = merge(r, n.More.result)
	t.Tell(n, r.Err, Asked(r.Err))
	n.startFailed = true
	t.Host.StartFailed(n, now, r.Err)
	if o := n.parent.List.Owner; o != nil {
		o.StartFailed(n, now, r.Err)
	}
}

// ForgetStart removes the failure of the start of n from the result that n will have.
func (n *Node) ForgetStart() { n.More.result = Result{} }

// Failure returns the error of n, a function of which has returned with r: with that of its start, if
// that has failed.
func (n *Node) Failure(r Result) error {
	if n.More == nil || n.pair() {
		return r.Err
	}
	return merge(n.More.result, r).Err
}

// NotStarted returns the result of n, which has not called Started. returned says that n has
// returned, and not exceeded its limit.
func (t *Tree) NotStarted(n *Node, now time.Duration, returned bool) Result {
	names := []string{n.Name()}
	for m := t.startsWithin(n); m != nil; m = t.startsWithin(m) {
		names = append(names, m.Name())
	}
	return Result{Err: Errors.NotStarted(strings.Join(names, "/"), now-n.Start, n.Stack(), returned)}
}

// StartsWith reports whether the start of by is part of that of n: by is n, or runs in a group within
// n, but not in a request.
func (n *Node) StartsWith(by *Node) bool {
	for by != nil && by != n && (by.List == nil || !by.List.InRequest) {
		by = by.container()
	}
	return by == n
}

// startsWithin returns the step whose start the step n waits for, in a group that n runs, or nil. That
// step may be one that waits to be called again, and then it has no goroutines.
func (t *Tree) startsWithin(n *Node) *Node {
	for _, steps := range [][]*Node{t.running, t.again} {
		i := slices.IndexFunc(steps, func(s *Node) bool {
			return s.starting && s.parent != nil && s.parent.container() == n && s.parent.Kind == Group && !s.parent.List.InRequest
		})
		if i >= 0 {
			return steps[i]
		}
	}
	return nil
}

// family returns the steps whose stacks explain n: while n starts, the step that hangs, then n and
// the other steps within n, and else only n.
func (t *Tree) family(n *Node) []*Node {
	all := []*Node{n}
	if !n.starting || n.state != waiting {
		return all
	}
	hangs := n
	for m := t.startsWithin(n); m != nil && m.env != nil; m = t.startsWithin(m) {
		hangs = m
	}
	if hangs != n {
		all = []*Node{hangs, n}
	}
	for _, s := range t.running {
		if s != n && s != hangs && s.env != nil && n.Encloses(s) {
			all = append(all, s)
		}
	}
	return all
}
