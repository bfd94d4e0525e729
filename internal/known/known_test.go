package known

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const childEnv = "LASTCALL_KNOWN_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		Begin() // main's goroutine
		if !programs[name]() {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Each of the programs runs in a process of its own, since package testing has goroutines in this
// one. A program returns true if All answers as expected: soon, because a goroutine may need a
// moment to end, or never, because a goroutine of others must be seen each time.
var programs = map[string]func() bool{
	"none": soon,
	"one of its own": func() bool {
		return beside(func(over <-chan struct{}) { Begin(); defer End(); <-over }, soon)
	},
	"many that have ended": func() bool {
		for range 1000 {
			var all sync.WaitGroup
			all.Go(func() { Begin(); End() })
			all.Wait()
		}
		return soon()
	},
	"one of others": func() bool {
		return beside(func(over <-chan struct{}) { <-over }, never)
	},
	"one of each": func() bool {
		return beside(func(over <-chan struct{}) { Begin(); defer End(); <-over }, func() bool {
			return beside(func(over <-chan struct{}) { <-over }, never)
		})
	},
	// The number of goroutines is the same as before, but one is new. A comparison with the former
	// number would not show that.
	"one of others, and an older one has ended": func() bool {
		older := make(chan struct{})
		go func() { <-older }()
		before := runtime.NumGoroutine()
		return beside(func(over <-chan struct{}) { <-over }, func() bool {
			close(older)
			for runtime.NumGoroutine() > before {
				time.Sleep(time.Millisecond)
			}
			return never()
		})
	},
	"one that has not begun to run": func() bool {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // no other processor takes it
		over := make(chan struct{})
		defer close(over)
		go func() { <-over }()
		return !All()
	},
	"one of others that starts and ends others all the time": func() bool {
		return beside(func(over <-chan struct{}) {
			for open := true; open; {
				var all sync.WaitGroup
				all.Go(func() {})
				all.Wait()
				select {
				case <-over:
					open = false
				default:
				}
			}
		}, never)
	},
}

// beside calls f while a goroutine runs g, which has begun.
func beside(g func(over <-chan struct{}), f func() bool) bool {
	over, begun := make(chan struct{}), make(chan struct{})
	defer close(over)
	go func() { close(begun); g(over) }()
	<-begun
	return f()
}

func soon() bool {
	for range 10_000 {
		if All() {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

func never() bool {
	for range 50 {
		if All() {
			return false
		}
		time.Sleep(time.Millisecond / 10)
	}
	return true
}

func TestAll(t *testing.T) {
	for name := range programs {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+name, "GORACE=atexit_sleep_ms=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// A known goroutine that ends before the number is read must not be taken for one of others.
func TestGoroutinesThatBeginOrEndMeanwhile(t *testing.T) {
	const living = 2 * maxYields // so that some can end each time
	for range living {
		Begin()
	}
	counted := func() int { return int(begun.Load() - ended.Load()) }
	for _, test := range []struct {
		name   string
		number func() int
		want   bool
	}{
		{"as many as are counted", counted, true},
		{"one more", func() int { return counted() + 1 }, false},
		{"one begins", func() int { defer Begin(); return counted() }, false},
		{"one ends", func() int { defer End(); return counted() }, false},
		{"too small once", once(0, living+maxYields), false},
	} {
		if got := all(test.number); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	for counted() > 0 {
		End()
	}
}

// once returns a function whose first call returns first, and whose later calls return then.
func once(first, then int) func() int {
	n := 0
	return func() int {
		if n++; n == 1 {
			return first
		}
		return then
	}
}
