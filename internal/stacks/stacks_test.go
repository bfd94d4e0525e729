package stacks_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"testing"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

func receive(from <-chan struct{}, over chan<- struct{}) { defer close(over); <-from }

// look finds the goroutine of the test.
func look(t *testing.T) *stacks.Stack {
	t.Helper()
	for _, st := range stacks.Labelled() {
		if st.Name == "unborn" {
			return &st
		}
	}
	t.Fatal("there is no such goroutine")
	return nil
}

// A goroutine that has not begun to run has an empty stack, like one of this module's that
// is about to end.
func TestUnborn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody else takes it
	seen := false
	for range 100 { // the runtime may have it run at any time
		run, over := make(chan struct{}), make(chan struct{})
		pprof.Do(context.Background(), pprof.Labels("lastcall", "unborn#1#test"), func(context.Context) {
			go receive(run, over) // with arguments, so that there is a function of the compiler's between
		})
		first := look(t)
		seen = seen || first.NotStarted() && first.StartedByLibrary()
		for range 100 {
			runtime.Gosched()
		}
		if st := look(t); st.NotStarted() || st.StartedByLibrary() {
			t.Errorf("later: Unborn %t, Ours %t, want neither: %s", st.NotStarted(), st.StartedByLibrary(), st.Text())
		}
		close(run)
		<-over
	}
	if !seen {
		t.Error("no goroutine was seen before it ran")
	}
}

// A label of somebody else's, and one that only looks like a step's, is nobody's.
func TestLabelsOfOthers(t *testing.T) {
	for _, labels := range []pprof.LabelSet{pprof.Labels("theirs", "x#1#y"), pprof.Labels("lastcall", "unborn")} {
		pprof.Do(context.Background(), labels, func(context.Context) {
			if got := stacks.Self(); got != "" {
				t.Errorf("Self() = %q, want none", got)
			}
		})
	}
}
