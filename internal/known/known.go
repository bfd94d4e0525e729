// Package known counts the goroutines that this module runs itself. If the process has no others,
// there is no leak to look for. That saves the scan of all goroutines, half a millisecond of a
// small program's exit.
//
// A goroutine is counted from its call of Begin to its call of End.
package known

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// begun and ended only grow. So if two readings are equal, no known goroutine has begun or ended
// between them.
var begun, ended atomic.Uint64

// Begin counts the calling goroutine, which must not be counted already, until it calls End.
func Begin() { begun.Add(1) }

// End ends the count of the calling goroutine. It is the last thing that the goroutine does.
func End() { ended.Add(1) }

// Signals counts the goroutine of package os/signal. The first call of signal.Notify starts it,
// and it runs until the process ends. Signals is called after signal.Notify.
var Signals = sync.OnceFunc(Begin)

// The limits of the attempts of All. A goroutine that has called End but has not ended yet, or that
// has not begun to run yet, needs a moment, so All yields the processor between two attempts. While
// tight loops occupy the processors, each yield takes some 10 ms.
const (
	maxYields = 100
	maxWait   = time.Millisecond
)

// All reports whether all goroutines of the process are known. If it cannot tell, it returns
// false.
//
// It compares the number of goroutines with the count. So it needs no list of the goroutines that
// ran at some earlier time.
func All() bool { return all(runtime.NumGoroutine) }

// all compares twice: NumGoroutine does not stop the world, and its number may be too small while
// a goroutine is being started. It makes one attempt at least, even if the machine stalls.
func all(number func() int) bool {
	for began, n := time.Now(), 0; n == 0 || n < maxYields && time.Since(began) < maxWait; n++ {
		if first := atMost(number); first && atMost(number) {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// atMost compares once. If no known goroutine begins or ends meanwhile, the number includes all
// counted goroutines, and the surplus is the number of others.
func atMost(number func() int) bool {
	e, b := ended.Load(), begun.Load()
	n := uint64(number())
	return begun.Load() == b && ended.Load() == e && n <= b-e
}
