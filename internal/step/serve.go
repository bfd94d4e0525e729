package step

import (
	"bytes"
	"context"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
)

// A Source hands out steps to a goroutine that runs them one after the other.
type Source interface {
	// Next is told how the last step came back, if there was one, and returns
	// the next with the function to call and its context. After nil the
	// goroutine ends; that is also the answer to one whose last step has been
	// given up, since another has taken its place.
	Next(last *Step, r Result) (*Step, Func, context.Context)
}

// Func is the one signature of main, tasks, holds and handlers.
type Func = func(context.Context) error

// Serve runs the steps of src on this goroutine. What the functions of steps do
// cannot end it: a panic is a result; so is runtime.Goexit, after which a new
// goroutine goes on.
func Serve(src Source) { serve(src, nil, Result{}) }

func serve(src Source, last *Step, r Result) {
	for alive := true; alive; {
		last, r, alive = calls(src, last, r)
	}
}

// calls runs steps until one of them does not return. A single deferred function
// for all of them is what keeps an empty handler at the cost of a function call.
func calls(src Source, last *Step, r Result) (cur *Step, res Result, alive bool) {
	cur = last
	back := true // the function of cur has come back
	defer func() {
		if back {
			return
		}
		v := recover()
		if v == nil {
			go serve(src, cur, goexited()) // this goroutine cannot be kept
			return
		}
		res = Result{Errors.Panic(v, debug.Stack()), Panic}
		if alive = !inGoexit(); !alive { // a deferred function of a Goexit panicked: the Goexit goes on
			go serve(src, cur, res)
		}
	}()
	for {
		var f Func
		var ctx context.Context
		cur, f, ctx = src.Next(cur, r)
		if cur == nil {
			return nil, Result{}, false
		}
		pprof.SetGoroutineLabels(cur.place.labels)
		back = false
		err := f(ctx)
		back = true
		r = Result{Err: err} // not r.Err: the last one may have panicked
	}
}

// Inline runs s on the caller's goroutine, and tells back how it came back. After
// a Goexit, back must not return: this is for main, whose goroutine has nobody to
// go back to. A panic goes on after back has returned: recovered and thrown again
// in the same deferred function, it keeps its frames. The goroutine's profiler labels
// are those of the run's values afterwards: what they were before, nobody can tell.
func Inline(s *Step, f Func, ctx context.Context, back func(Result)) { callsInline(s, f, ctx, back) }

func callsInline(s *Step, f Func, ctx context.Context, back func(Result)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			back(goexited())
			return
		}
		back(Result{Errors.Panic(v, debug.Stack()), Panic})
		panic(v)
	}()
	pprof.SetGoroutineLabels(s.place.labels)
	err := f(ctx)
	pprof.SetGoroutineLabels(s.Run().values.ctx)
	returned = true
	back(Result{Err: err})
}

// Inside reports whether the calling goroutine is one that runs a step: not one
// that a step has started. The name of a function on the stack tells, at some
// microseconds for a call that is made once in a program's life; to know each
// goroutine's number in advance would cost every task as much.
func Inside() bool {
	return onStack(func(name string) bool { return strings.HasPrefix(name, callsName) })
}

const callsName = ourPrefix + "calls" // and callsInline

func onStack(match func(function string) bool) bool {
	pcs := make([]uintptr, 128)
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		frames := runtime.CallersFrames(pcs[:n])
		for more := n > 0; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if match(f.Function) {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// inGoexit reports whether the calling goroutine is ending.
func inGoexit() bool {
	return onStack(func(name string) bool { return name == "runtime.Goexit" })
}

// leaving holds the goroutines that Exit is ending: nothing else tells their
// Goexit from another.
var leaving sync.Map

// Leave ends the calling goroutine, which runs a step, as if the step's function
// had returned. It does not return.
func Leave() {
	leaving.Store(goroutine(), nil)
	runtime.Goexit()
}

// MarkLeft is Leave for a goroutine that is in a Goexit already.
func MarkLeft() { leaving.Store(goroutine(), nil) }

// goexited is the result of a step on the calling goroutine, which is ending.
func goexited() Result {
	if _, ok := leaving.LoadAndDelete(goroutine()); ok {
		return Result{How: Exit}
	}
	return Result{Errors.Goexit, Goexit}
}

// goroutine is the number of the calling goroutine. The runtime shows it only in
// a traceback: for rare calls.
func goroutine() uint64 {
	var buf [64]byte
	b := buf[:runtime.Stack(buf[:], false)]
	b = bytes.TrimPrefix(b, []byte("goroutine "))
	b, _, _ = bytes.Cut(b, []byte(" "))
	n, _ := strconv.ParseUint(string(b), 10, 64)
	return n
}
