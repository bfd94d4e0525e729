package step_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"testing"

	"github.com/lastcall-go/lastcall/internal/step"
)

func receive(from <-chan struct{}, over chan<- struct{}) { defer close(over); <-from }

// A goroutine that has not begun to run has an empty stack, and is told from those of this
// module, which look like that in no other state.
func TestUnborn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody else takes it
	run, over := make(chan struct{}), make(chan struct{})
	pprof.Do(context.Background(), pprof.Labels("lastcall", "unborn#1#test"), func(context.Context) {
		go receive(run, over) // with arguments, so that there is a function of the compiler's between
	})
	look := func() *step.Stack {
		for _, st := range step.Labelled() {
			if st.Name == "unborn" {
				return &st
			}
		}
		t.Fatal("there is no such goroutine")
		return nil
	}
	if st := look(); !st.Unborn() || !st.Ours() {
		t.Errorf("at first: Unborn %t, Ours %t, want both: %s", st.Unborn(), st.Ours(), st.Text())
	}
	for range 100 {
		runtime.Gosched()
	}
	if st := look(); st.Unborn() || st.Ours() {
		t.Errorf("later: Unborn %t, Ours %t, want neither: %s", st.Unborn(), st.Ours(), st.Text())
	}
	close(run)
	<-over
}
