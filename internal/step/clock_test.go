package step_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A bench is a run in a bubble, with a clock of 20 s that starts at once.
type bench struct {
	*step.Run
	t      *testing.T
	start  time.Duration
	clock  *step.Clock
	budget *step.Budget
}

func inBubble(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, Run: step.NewRun(step.ValuesOf(context.Background()), nil)}
		b.start = b.Now()
		b.Lock()
		b.clock = b.NewClock(nil, b.start+20*s)
		b.budget = b.clock.Plan(b.start, 4)
		b.Unlock()
		f(b)
		b.Lock()
		b.clock.Close()
		b.Unlock()
	})
}

// locked calls f with the lock held, at the present.
func (b *bench) locked(f func(now time.Duration)) {
	b.Lock()
	defer b.Unlock()
	f(b.Now())
}

func (b *bench) step(name string, outer *step.Step, terms step.Terms) *step.Step {
	st := &step.Step{Origin: step.CallSite().As(name), Terms: terms, Turn: new(step.Turn)}
	st.Init(b.Place(outer, step.ValuesOf(context.Background()), name, ""))
	return st
}

func (b *bench) begin(c *step.Clock, budget *step.Budget, st *step.Step) {
	b.t.Helper()
	b.locked(func(now time.Duration) {
		st.Promise = budget.Promise(st.Terms)
		budget.Owe(st.Promise)
		if !c.Begin(st, budget, now) {
			b.t.Errorf("%s was not begun", st.Name())
		}
	})
}

// ends is when the step is given up, counted from the start of the bubble.
func (b *bench) ends(st *step.Step) (at time.Duration) {
	b.locked(func(time.Duration) { at = st.End - b.start })
	return at
}

func TestAClockCutsAndGivesUp(t *testing.T) {
	inBubble(t, func(b *bench) {
		st := b.step("stuck", nil, step.Terms{Timeout: 2 * s})
		b.begin(b.clock, b.budget, st)
		<-st.Ctx.Done()
		if got := b.Now() - b.start; got != 1900*ms || context.Cause(&st.Ctx) != step.ErrGrace {
			t.Errorf("cut after %v because of %v, want 1.9 s and ErrGrace", got, context.Cause(&st.Ctx))
		}
		time.Sleep(99 * ms)
		b.locked(func(time.Duration) {
			if st.Over() {
				t.Error("given up before its end")
			}
		})
		time.Sleep(2 * ms)
		b.locked(func(time.Duration) {
			if !st.Over() || st.Outcome != step.Abandoned || st.Took() != 2*s || !errors.Is(st.Err, step.ErrGrace) {
				t.Errorf("over: %v, %v after %v, Err = %v; want abandoned after 2 s", st.Over(), st.Outcome, st.Took(), st.Err)
			}
			if st.Finish(b.Now(), step.OK, nil) {
				t.Error("a step that was given up was finished")
			}
		})
	})
}

func TestAClockIsBoundedByTheCutOfTheStepAround(t *testing.T) {
	inBubble(t, func(b *bench) {
		outer := b.step("outer", nil, step.Terms{})
		b.begin(b.clock, b.budget, outer)
		var inner *step.Clock
		b.locked(func(now time.Duration) { inner = b.NewClock(outer, now+time.Hour) })
		if got := inner.Limit() - b.start; got != 19500*ms {
			t.Errorf("the limit within is %v, want the cut, 19.5 s", got)
		}
		b.locked(func(now time.Duration) {
			inner.Close()
			outer.Finish(now, step.OK, nil)
		})
	})
}

func TestAClockIsBoundedWhenTheStepAroundIsToldLater(t *testing.T) {
	inBubble(t, func(b *bench) {
		outer := b.step("outer", nil, step.Terms{})
		var inner *step.Clock
		var budget *step.Budget
		b.locked(func(now time.Duration) {
			inner = b.NewClock(outer, now+time.Hour)
			budget = inner.Plan(now, 2)
		})
		st := b.step("inner", outer, step.Terms{})
		next := b.step("next", outer, step.Terms{})
		b.locked(func(time.Duration) { budget.Owe(s) }) // for the next
		b.begin(inner, budget, st)
		if got := b.ends(st); got != time.Hour-s {
			t.Errorf("the inner step ends at %v, want 59m59s", got)
		}
		time.Sleep(5 * s)
		b.begin(b.clock, b.budget, outer)
		// 15 s for the outer one, 500 ms less to its cut, a second for the next.
		if got := b.ends(st); got != 18500*ms {
			t.Errorf("the inner step ends at %v, want 18.5 s", got)
		}
		b.locked(func(now time.Duration) { st.Finish(now, step.OK, nil) })
		b.begin(inner, budget, next)
		if got := b.ends(next); got > 19500*ms {
			t.Errorf("the next ends at %v, beyond the cut of the one around, 19.5 s", got)
		}
		b.locked(func(now time.Duration) {
			next.Finish(now, step.OK, nil)
			inner.Close()
			outer.Finish(now, step.OK, nil)
		})
	})
}

// Between two steps of a group there is an instant in which none runs.
func TestABoundThatComesWhileNoStepRuns(t *testing.T) {
	inBubble(t, func(b *bench) {
		outer := b.step("outer", nil, step.Terms{})
		var inner *step.Clock
		var budget *step.Budget
		b.locked(func(now time.Duration) {
			inner = b.NewClock(outer, now+time.Hour)
			budget = inner.Plan(now, 2)
		})
		b.begin(b.clock, b.budget, outer)
		st := b.step("inner", outer, step.Terms{})
		b.begin(inner, budget, st)
		if got := b.ends(st); got > 19500*ms {
			t.Errorf("the inner step ends at %v, beyond the cut of the one around, 19.5 s", got)
		}
		b.locked(func(now time.Duration) {
			st.Finish(now, step.OK, nil)
			inner.Close()
			outer.Finish(now, step.OK, nil)
		})
	})
}

func TestForce(t *testing.T) {
	inBubble(t, func(b *bench) {
		cause := errors.New("second")
		st, next := b.step("running", nil, step.Terms{}), b.step("next", nil, step.Terms{})
		b.begin(b.clock, b.budget, st)
		time.Sleep(3 * s)
		b.locked(func(now time.Duration) { b.Force(now, cause) })
		if st.Ctx.Err() != context.Canceled || context.Cause(&st.Ctx) != cause {
			t.Errorf("Err = %v, Cause = %v; want Canceled and the cause", st.Ctx.Err(), context.Cause(&st.Ctx))
		}
		if got := b.ends(st); got != 4*s {
			t.Errorf("the running step ends at %v, want a second from now, 4 s", got)
		}
		time.Sleep(2 * s)
		b.begin(b.clock, b.budget, next)
		if got := b.ends(next); got != 6*s || next.Ctx.Err() != nil {
			t.Errorf("the next ends at %v with Err = %v; want 6 s and a live context", got, next.Ctx.Err())
		}
		b.locked(func(now time.Duration) { next.Finish(now, step.OK, nil) })
	})
}

func TestForceNeverExtends(t *testing.T) {
	inBubble(t, func(b *bench) {
		st := b.step("running", nil, step.Terms{Timeout: 500 * ms, Reserve: 300 * ms})
		b.begin(b.clock, b.budget, st)
		time.Sleep(400 * ms)
		b.locked(func(now time.Duration) { b.Force(now, errors.New("second")) })
		if got := b.ends(st); got > 900*ms {
			t.Errorf("ends at %v", got)
		}
		b.locked(func(now time.Duration) { b.Force(now, errors.New("again")) })
		if got := b.ends(st); got > 900*ms {
			t.Errorf("ends at %v", got)
		}
		b.locked(func(now time.Duration) { st.Finish(now, step.OK, nil) })
	})
}

func TestStacksOfAStuckStep(t *testing.T) {
	inBubble(t, func(b *bench) {
		release := make(chan struct{})
		st := b.step("stuck", nil, step.Terms{Timeout: s})
		done := make(chan struct{})
		go func() {
			defer close(done)
			step.Serve(&once{st: st, f: func(context.Context) error {
				go blockHere(release)
				blockHere(release)
				return nil
			}})
		}()
		b.begin(b.clock, b.budget, st)
		time.Sleep(2 * s)
		b.locked(func(time.Duration) {
			if !strings.Contains(st.Stack(), "2 goroutines") && strings.Count(st.Stack(), "blockHere") != 2 {
				t.Errorf("the stacks are\n%s", st.Stack())
			}
			if !strings.Contains(st.Waits(), "chan receive") {
				t.Errorf("it waits for %q, want a channel", st.Waits())
			}
		})
		close(release)
		<-done
	})
}

func blockHere(c <-chan struct{}) { <-c }

// once is a Source of a single step.
type once struct {
	st     *step.Step
	f      step.Func
	result step.Result
}

func (o *once) Next(last *step.Step, r step.Result) (*step.Step, step.Func, context.Context) {
	if last != nil {
		o.result = r
		return nil, nil, nil
	}
	return o.st, o.f, &o.st.Ctx
}

// The time is real here: whoever holds the lock makes the timer late.
func TestATimerThatIsLateLeavesTimeToReturn(t *testing.T) {
	for _, late := range []time.Duration{-10 * ms, 10 * ms} {
		r := step.NewRun(step.ValuesOf(context.Background()), nil)
		b := &bench{t: t, Run: r}
		r.Lock()
		b.start = r.Now()
		c := r.NewClock(nil, b.start+20*s)
		budget := c.Plan(b.start, 4)
		r.Unlock()
		st := b.step("obeys", nil, step.Terms{Timeout: s / 4})
		b.begin(c, budget, st)
		done := st.Ctx.Done()
		r.Lock()
		time.Sleep(st.End - r.Now() + late)
		held := r.Now()
		r.Unlock()
		<-done
		r.Lock()
		if st.Over() || st.End < held+10*ms {
			t.Errorf("late by %v: over %t, %v left; want some 25 ms", late, st.Over(), st.End-held)
		}
		st.Finish(r.Now(), step.OK, nil)
		c.Close()
		r.Unlock()
	}
}

// Work that a handler has left behind closes something, with what that was itself called by
// long over.
func TestAClockOutlivesTheStepsAround(t *testing.T) {
	inBubble(t, func(b *bench) {
		far := b.step("far", nil, step.Terms{})
		b.begin(b.clock, b.budget, far)
		var between *step.Clock
		b.locked(func(now time.Duration) { between = b.NewClock(far, now+s) })
		near := b.step("near", far, step.Terms{})
		b.begin(between, between.Plan(b.start, 1), near)
		b.locked(func(now time.Duration) {
			inner, other := b.NewClock(near, now+s), b.NewClock(nil, now+s)
			near.Finish(now, step.OK, nil)
			if near.Pass() != nil {
				t.Error("the turn of a step within which a clock runs was passed on")
			}
			between.Close()
			far.Finish(now, step.OK, nil)
			if far.Pass() == nil {
				t.Error("the turn of a step that is over was not passed on")
			}
			if !inner.Await(other, inner.Plan(now, 1), now, s) {
				t.Error("a clock elsewhere is not waited for")
			}
			if inner.Await(b.clock, inner.Plan(now, 1), now, s) {
				t.Error("a clock around is waited for, since its step is over")
			}
			inner.Close()
			other.Close()
		})
	})
}
