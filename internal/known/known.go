// Package known counts the goroutines that this module runs itself. Where the process has no
// others, nobody can have left one behind, and the scan for those, half a millisecond of a small
// program's exit, can be left out.
//
// A goroutine is counted from Begin to End, both called on it.
package known

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// begun and ended only grow, so that equal readings mean that nothing has happened in between.
var begun, ended atomic.Uint64

// Begin counts the calling goroutine until it calls End. It must not be counted already.
func Begin() { begun.Add(1) }

// End is the counterpart of Begin, and the last thing that the goroutine does.
func End() { ended.Add(1) }

// Signals counts the goroutine of package os/signal, of which there is one from the first call of
// signal.Notify to the end of the process. It is called after such a call.
var Signals = sync.OnceFunc(Begin)

// Others are let go first, this often and not much longer: a goroutine that has called End, or that
// has been started but has not begun to run, needs a moment. Where tight loops have the
// processors, each time takes some 10 ms.
const (
	yields   = 100
	patience = time.Millisecond
)

// All reports whether all goroutines of the process are known. It says no if it cannot tell.
//
// It compares their number with the count, so it does not matter which goroutines there were
// before, and which of those have ended.
func All() bool { return all(runtime.NumGoroutine) }

// all looks twice: NumGoroutine does not stop the world, and its number may be too small at the
// moment in which another goroutine starts one.
func all(number func() int) bool {
	for began, n := time.Now(), 0; n < yields && time.Since(began) < patience; n++ {
		if first := atMost(number); first && atMost(number) {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// atMost compares once. Where no known goroutine begins or ends meanwhile, all that are counted
// are part of the number, and what it has more is others.
func atMost(number func() int) bool {
	e, b := ended.Load(), begun.Load()
	n := uint64(number())
	return begun.Load() == b && ended.Load() == e && n <= b-e
}
