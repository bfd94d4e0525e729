package step_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

type key string

func newStep(values context.Context) *step.Step {
	r := step.NewRun(step.ValuesOf(context.Background()), nil)
	st := &step.Step{Origin: step.CallSite().As("step"), Told: new(step.Context)}
	st.Init(r.Place(nil, step.ValuesOf(values), "step", ""))
	return st
}

func TestContextThatNobodyUsesBeforeItsEnd(t *testing.T) {
	st := newStep(context.Background())
	st.Expire()
	if st.Ctx.Err() != context.DeadlineExceeded || context.Cause(&st.Ctx) != step.ErrGrace {
		t.Errorf("Err = %v, Cause = %v", st.Ctx.Err(), context.Cause(&st.Ctx))
	}
	<-st.Ctx.Done()
	called := make(chan struct{})
	context.AfterFunc(&st.Ctx, func() { close(called) })
	<-called
	if st.Told.Err() != nil {
		t.Error("the other context of the step has ended")
	}
}

func TestOnlyTheFirstEndCounts(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	for _, used := range []bool{false, true} {
		st := newStep(context.Background())
		if used {
			st.Ctx.Done()
		}
		st.Cut(first)
		st.Cut(second)
		st.Expire()
		st.Close()
		if st.Ctx.Err() != context.Canceled || context.Cause(&st.Ctx) != first {
			t.Errorf("used %v: Err = %v, Cause = %v; want Canceled and the first", used, st.Ctx.Err(), context.Cause(&st.Ctx))
		}
	}
}

func TestContextsOfOneEndingAreIndependent(t *testing.T) {
	e := step.Asked(errors.New("stop"))
	a, b := newStep(context.WithValue(context.Background(), key("k"), "a")), newStep(context.WithValue(context.Background(), key("k"), "b"))
	a.Tell(e)
	if b.Told.Err() != nil {
		t.Error("another context has ended")
	}
	b.Tell(e)
	if a.Told.Value(key("k")) != "a" || b.Told.Value(key("k")) != "b" {
		t.Errorf("values %v and %v", a.Told.Value(key("k")), b.Told.Value(key("k")))
	}
	if step.From(a.Told) != a || step.From(b.Told) != b || step.From(context.Background()) != nil {
		t.Error("From mixes up steps")
	}
	var all sync.WaitGroup
	all.Add(2)
	for _, st := range []*step.Step{a, b} {
		context.AfterFunc(st.Told, all.Done)
	}
	all.Wait()
}

func TestDerivedContextsCostNoGoroutine(t *testing.T) {
	st := newStep(context.Background())
	before := runtime.NumGoroutine()
	var cancels []context.CancelFunc
	for range 50 {
		a, cancel := context.WithCancel(&st.Ctx)
		b, cancelTimed := context.WithTimeout(st.Work(context.WithValue(st.Told, key("k"), 1)), time.Hour)
		context.AfterFunc(a, func() {})
		context.AfterFunc(b, func() {})
		cancels = append(cancels, cancel, cancelTimed)
	}
	if n := runtime.NumGoroutine() - before; n > 0 {
		t.Errorf("%d goroutines", n)
	}
	for _, cancel := range cancels {
		cancel()
	}
}

// A race between all who can end a context and all who can ask it.
func TestContextUnderRaces(t *testing.T) {
	for range 300 {
		st := newStep(context.Background())
		cause := errors.New("cut")
		var all sync.WaitGroup
		child := make(chan context.Context, 1)
		for _, f := range []func(){
			func() { st.Cut(cause) },
			func() { st.Expire() },
			func() { <-st.Ctx.Done() },
			func() {
				c, cancel := context.WithCancel(&st.Ctx)
				defer cancel()
				<-c.Done()
				child <- c
			},
			func() { stop := context.AfterFunc(&st.Ctx, func() {}); stop() },
			func() { _ = st.Ctx.Err(); _ = context.Cause(&st.Ctx); _, _ = st.Ctx.Deadline() },
		} {
			all.Go(f)
		}
		all.Wait()
		err, want := st.Ctx.Err(), context.Cause(&st.Ctx)
		if (err == context.Canceled) != (want == cause) || (err == context.DeadlineExceeded) != (want == step.ErrGrace) {
			t.Fatalf("Err = %v, Cause = %v", err, want)
		}
		if c := <-child; c.Err() != err || context.Cause(c) != want {
			t.Fatalf("of a child: Err = %v, Cause = %v; want %v and %v", c.Err(), context.Cause(c), err, want)
		}
	}
}

func TestContextString(t *testing.T) {
	st := newStep(context.Background())
	if got := context.WithValue(&st.Ctx, key("k"), "v"); got.(interface{ String() string }).String() == "" {
		t.Error("no text")
	}
}
