package stacks

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
)

// Self returns the label of the step whose goroutine calls it, "" if that cannot
// be told. The runtime shows a goroutine's label to nobody but the profiler: the
// stack with this very call in it is the caller's. It costs a goroutine profile,
// and is for the rare caller that has to know which step it is in and has no
// context to tell.
func Self() string {
	selfLock.Lock()
	defer selfLock.Unlock()
	return self()
}

var selfLock sync.Mutex

//go:noinline
func self() string {
	for _, st := range Labelled() {
		if st.has(func(function string) bool { return function == module+"internal/stacks.self" }) {
			return st.Label
		}
	}
	return ""
}

// Inside reports whether the calling goroutine is one that runs a step: not one
// that a step has started. The name of a function on the stack tells, at some
// microseconds for a call that is made once in a program's life; to know each
// goroutine's number in advance would cost every task as much.
func Inside() bool { return OnStack(isStepCaller) }

// OnStack reports whether a function for which match is true is on the caller's stack.
func OnStack(match func(function string) bool) bool {
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

// Goroutine is the number of the calling goroutine. The runtime shows it only in
// a traceback: for rare calls.
func Goroutine() uint64 {
	var buf [64]byte
	b := buf[:runtime.Stack(buf[:], false)]
	b = bytes.TrimPrefix(b, []byte("goroutine "))
	b, _, _ = bytes.Cut(b, []byte(" "))
	n, _ := strconv.ParseUint(string(b), 10, 64)
	return n
}
