package tree

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/stacks"
)

// runStep calls a function of a step. When that returns, it calls the function that is next, on the
// same goroutine. After a panic or a Goexit a new goroutine goes on: this one can be used again
// only in some of these cases.
//
// Package stacks knows this function and runStepInline by their names.
func runStep(t *Tree, c call) {
	known.Begin()
	defer known.End()
	back := true
	defer func() {
		if back {
			return
		}
		r := goexited()
		if v := recover(); v != nil {
			r = Result{Err: Errors.Panic(v, debug.Stack()), How: Panic}
		}
		unlabel()
		if next, _ := t.returned(c, r); next.n != nil {
			go runStep(t, next)
		}
	}()
	for c.n != nil {
		f, ctx := c.function()
		pprof.SetGoroutineLabels(c.n.env.labels)
		back = false
		err := f(ctx)
		back = true
		unlabel() // goroutines that start from here do not belong to the step
		c, _ = t.returned(c, Result{Err: err})
	}
}

// function returns the function to call, and its context.
func (c call) function() (Func, context.Context) {
	n := c.n
	switch {
	case c.interrupt:
		return n.More.Interrupt, n.Work(&n.work)
	case n.RunContext != nil:
		return n.Run, n.RunContext
	}
	return n.Run, &n.work
}

// Inline calls the function of n on the caller's goroutine, and then back. It is for main. After a
// Goexit back must not return, because the goroutine has no caller to return to. After a panic the
// panic goes on when back has returned: it keeps its frames, because it is recovered and thrown
// again in the same deferred function. Afterwards the goroutine has the profiler labels of the
// tree's values; the labels that it had before are not known.
func (t *Tree) Inline(n *Node, back func(r Result, inTime bool)) { runStepInline(t, n, back) }

func runStepInline(t *Tree, n *Node, back func(r Result, inTime bool)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			r := goexited()
			pprof.SetGoroutineLabels(t.values.labels)
			back(r, t.Return(n, r))
			return
		}
		r := Result{Err: Errors.Panic(v, debug.Stack()), How: Panic}
		back(r, t.Return(n, r))
		panic(v)
	}()
	f, ctx := call{n: n}.function()
	pprof.SetGoroutineLabels(n.env.labels)
	err := f(ctx)
	pprof.SetGoroutineLabels(t.values.labels)
	returned = true
	r := Result{Err: err}
	back(r, t.Return(n, r))
}

// Return records that a function of n has returned which was not called by the tree. It reports
// whether n had not been abandoned. The lock must not be held.
func (t *Tree) Return(n *Node, r Result) (inTime bool) {
	next, inTime := t.returned(call{n: n}, r)
	if next.n != nil {
		go runStep(t, next)
	}
	return inTime
}

// returned records that the function of call c has returned with r. If that was the last one of its
// step, the step gets its outcome, and the drain goes on. returned returns the call that this
// goroutine has to make next, if there is one.
func (t *Tree) returned(c call, r Result) (next call, inTime bool) {
	n := c.n
	said := ""
	if r.How == Returned {
		said, r.Err = n.excuse(r.Err) // without the lock: it and cutShort call methods of the error
		r.cutShort = cutShort(r.Err)
	}
	t.Lock()
	defer t.Unlock()
	if said != "" {
		n.ensureDetails().excused = said
	}
	now := t.Now()
	last := !n.pair() || n.More.back == 1
	if n.pair() && !c.interrupt && n.told && r.How == Returned {
		r.Err = nil // it was made to return: the interrupt's error is the result
	}
	inTime = n.state != over
	if l := n.parent; inTime && l.List.Owner != nil {
		r = l.List.Owner.Returned(n, now, r, last)
	}
	if m := n.More; m != nil {
		m.back++
		m.result = merge(m.result, r)
		r = m.result
	}
	if last {
		t.allReturned(n, now, r)
	}
	if k := len(t.calls) - 1; k >= 0 {
		next, t.calls = t.calls[k], t.calls[:k]
	}
	return next, inTime
}

// allReturned gives n, whose functions have all returned, its outcome, unless it was abandoned.
func (t *Tree) allReturned(n *Node, now time.Duration, r Result) {
	n.ended = true
	if n.details != nil && n.details.done != nil {
		close(n.details.done)
	}
	switch {
	case n.state != over:
		o, err := n.judge(now, r)
		t.end(n, now, o, err)
		t.proceed(n, now)
	case n.Outcome == Abandoned && (r.How == Panic || r.How == Goexit): // else it will be called again
		t.Host.Returned(n, r.Err)
	}
	t.finish(&n.work, canceled)
	if n.RunContext != nil {
		t.finish(n.RunContext, canceled)
	}
}

// merge joins the results of the two functions of a pair.
func merge(a, b Result) Result {
	switch {
	case b.Err == nil:
		return a
	case a.Err == nil:
		return b
	}
	if b.How == Panic {
		a, b = b, a // callers look for a PanicError in the first error
	}
	how := max(a.How, b.How)
	if a.How == Panic {
		how = Panic
	}
	return Result{Err: errors.Join(a.Err, b.Err), How: how, cutShort: a.cutShort && b.cutShort}
}

// leaving has the numbers of the goroutines that Exit is ending, to tell their Goexit from others.
var leaving sync.Map

// Leave ends the calling goroutine, which runs a step, as if the step's function had returned. It
// does not return.
func Leave() {
	MarkLeft()
	runtime.Goexit()
}

// MarkLeft is Leave for a goroutine that is in a Goexit already.
func MarkLeft() { leaving.Store(stacks.Goroutine(), nil) }

// goexited returns the result of a step whose goroutine, the calling one, is in a Goexit.
func goexited() Result {
	if _, ok := leaving.LoadAndDelete(stacks.Goroutine()); ok {
		return Result{How: Exit}
	}
	return Result{Err: Errors.Goexit, How: Goexit}
}
