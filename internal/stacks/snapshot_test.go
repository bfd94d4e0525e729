package stacks_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

// spin is at another line, or in another function, in each snapshot.
func spin(stop *atomic.Bool) {
	for n := 1; !stop.Load(); {
		n = collatz(n)
		n ^= 5
		n = collatz(n)
		if n < 0 {
			n = 7
		}
	}
}

//go:noinline
func collatz(n int) int {
	if n%2 == 0 {
		return n / 2
	}
	return 3*n + 1
}

type receiver struct{ from <-chan struct{} }

func (r receiver) receive() { <-r.from }

func receiveDeep(from <-chan struct{}, depth int) {
	if depth > 0 {
		receiveDeep(from, depth-1)
		return
	}
	<-from
}

func receiveInPanic(from <-chan struct{}) {
	defer func() { _ = recover() }()
	defer func() { <-from }()
	panic("a test")
}

func receiveAny[T any](from <-chan T) { <-from }

// begin starts a goroutine that runs f, and returns its label.
func begin(name string, f func()) (label string) {
	label = name + "#1#test"
	pprof.Do(context.Background(), pprof.Labels(stacks.Key, label), func(context.Context) { go f() })
	return label
}

// state takes a snapshot and returns the state of the goroutine with the label.
func state(label string) string {
	text, _ := stacks.Take().Of(label)
	head, _, _ := strings.Cut(text, "\n")
	return head
}

// states takes n snapshots of a goroutine that runs f, and counts its states.
func states(n int, name string, f func()) map[string]int {
	label := begin(name, f)
	time.Sleep(10 * time.Millisecond)
	got := make(map[string]int)
	for range n {
		got[state(label)]++
	}
	return got
}

// The stack of a running goroutine has changed when its state is taken.
func TestStateOfALoop(t *testing.T) {
	var stop atomic.Bool
	over := make(chan struct{})
	defer func() { stop.Store(true); <-over }()
	for got, n := range states(200, "loop", func() { defer close(over); spin(&stop) }) {
		if got != "1 goroutine [running]:" && got != "1 goroutine [runnable]:" {
			t.Errorf("%d of 200 times: %q, want the state running or runnable", n, got)
		}
	}
}

// A waiting goroutine is not taken for a running one, whatever its stack is.
func TestStatesOfWaitingGoroutines(t *testing.T) {
	from := make(chan struct{})
	defer close(from)
	for name, f := range map[string]func(){
		"a method value":     receiver{from}.receive,
		"a deep stack":       func() { receiveDeep(from, 45) },
		"a deeper stack":     func() { receiveDeep(from, 1000) },
		"a panic":            func() { receiveInPanic(from) },
		"a generic function": func() { receiveAny(from) },
	} {
		// On a busy machine the goroutine takes a while to get there.
		const want, attempts = "1 goroutine [chan receive]:", 1000
		label := begin(name, f)
		n := 0
		for state(label) != want && n < attempts {
			time.Sleep(10 * time.Millisecond)
			n++
		}
		for range 20 {
			if got := state(label); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

// A goroutine that is missing in a truncated traceback is not taken for a running one.
func TestStateBeyondTheTraceback(t *testing.T) {
	from := make(chan struct{})
	defer close(from)
	for range 300 {
		go receiveDeep(from, 100)
	}
	label := begin("beyond", func() { receiveAny(from) })
	isRight := func(got string) bool {
		return got == "1 goroutine:" || got == "1 goroutine [chan receive]:" // the runtime may list it early
	}
	// On a busy machine the goroutine takes a while to get there.
	const attempts = 1000
	for n := 0; n < attempts && !isRight(state(label)); n++ {
		time.Sleep(10 * time.Millisecond)
	}
	for range 5 {
		if got := state(label); !isRight(got) {
			t.Errorf("%q, want no state, or that it waits", got)
		}
	}
}

// A step that may well end by itself is not stopped for the states of many goroutines.
func TestStateOfOneAmongMany(t *testing.T) {
	from := make(chan struct{})
	defer close(from)
	for range 2000 {
		go receiveAny(from)
	}
	label := begin("many", func() { receiveAny(from) })
	const attempts = 1000
	for n := 0; state(label) != "1 goroutine [chan receive]:"; n++ {
		if n == attempts {
			t.Fatalf("the state is %q", state(label))
		}
		time.Sleep(10 * time.Millisecond)
	}
	text, _ := stacks.TakeBriefly().Of(label)
	if got, _, _ := strings.Cut(text, "\n"); got != "1 goroutine:" {
		t.Errorf("%q, want no state", got)
	}
}
