package stacks

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
)

// Self returns the label of the step whose goroutine calls it, "" if the label is not known. The
// runtime shows the label of a goroutine only in a profile, so Self takes a goroutine profile and
// looks for the stack with its own call. It is for the rare caller that has no context of its
// step.
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

// Inside reports whether the calling goroutine runs a step's function. For a goroutine that a step
// has started it returns false. It looks for the name of a function on the stack, which takes some
// microseconds. It is called rarely; to record the number of each step's goroutine instead would
// cost every task as much.
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

// Goroutine returns the number of the calling goroutine. The runtime shows it only in a traceback,
// which is slow.
func Goroutine() uint64 {
	var buf [64]byte
	b := buf[:runtime.Stack(buf[:], false)]
	b = bytes.TrimPrefix(b, []byte("goroutine "))
	b, _, _ = bytes.Cut(b, []byte(" "))
	n, _ := strconv.ParseUint(string(b), 10, 64)
	return n
}
