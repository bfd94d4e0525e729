package stacks_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"testing"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

func receive(from <-chan struct{}, over chan<- struct{}) { defer close(over); <-from }

// find finds the goroutine of the test.
func find(t *testing.T) *stacks.Stack {
	t.Helper()
	for _, st := range stacks.Labelled() {
		if st.Name == "new" {
			return &st
		}
	}
	t.Fatal("there is no such goroutine")
	return nil
}

// A goroutine that has not begun to run has an empty stack, like one of this module that is about
// to end.
func TestNotStarted(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // no other processor takes it
	seen := false
	for range 100 { // the runtime may have it run at any time
		run, over := make(chan struct{}), make(chan struct{})
		pprof.Do(context.Background(), pprof.Labels("lastcall", "new#1#test"), func(context.Context) {
			go receive(run, over) // because of the arguments the compiler puts a function in between
		})
		first := find(t)
		seen = seen || first.NotStarted() && first.StartedByLibrary()
		for range 100 {
			runtime.Gosched()
		}
		if st := find(t); st.NotStarted() || st.StartedByLibrary() {
			t.Errorf("later: NotStarted %t, StartedByLibrary %t, want neither: %s", st.NotStarted(), st.StartedByLibrary(), st.Text())
		}
		close(run)
		<-over
	}
	if !seen {
		t.Error("no goroutine was seen before it ran")
	}
}

// A label with another key, and one without the three parts, are not those of a step.
func TestLabelsOfOthers(t *testing.T) {
	for _, labels := range []pprof.LabelSet{pprof.Labels("theirs", "x#1#y"), pprof.Labels("lastcall", "new")} {
		pprof.Do(context.Background(), labels, func(context.Context) {
			if got := stacks.Self(); got != "" {
				t.Errorf("Self() = %q, want none", got)
			}
		})
	}
}

// The columns of a profile are aligned by tabs, more than one where an address or a function is short.
func TestFramesOfAProfile(t *testing.T) {
	for _, tt := range []struct{ line, function, position string }{
		{"#\t0x1d23a3\tmain.flush+0x23\t/src/main.go:5", "main.flush", "/src/main.go:5"},
		{"#\t0x94fdb\t\truntime.gopanic+0x12b\t\t\t/src/panic.go:860", "runtime.gopanic", "/src/panic.go:860"},
		{"#\t0x94fdb", "#\t0x94fdb", ""}, // a function that the runtime does not know
	} {
		function, position := stacks.ParseFrame(tt.line)
		if function != tt.function || position != tt.position {
			t.Errorf("%q: %q, %q, want %q, %q", tt.line, function, position, tt.function, tt.position)
		}
	}
}
