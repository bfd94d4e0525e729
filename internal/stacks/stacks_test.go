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
