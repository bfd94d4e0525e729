package shutdown_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file tests the limits of steps that stop before their turn, and their outcomes.

func TestT0IsTheFailureOfATaskInItsGroupsOwnStop(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("broken", func(ctx context.Context) error { <-ctx.Done(); return errTask })
			g.Go("done", func(context.Context) error { time.Sleep(s); return nil })
			_ = g.Run(ctx)
			time.Sleep(4 * s) // else main's return would tell
			return nil
		})
		if at := r.Began.Sub(p.began); at != s || !errors.Is(r.Cause, errTask) {
			t.Errorf("stopped at %v because of %v, want at 1s because of %v", at, r.Cause, errTask)
		}
	})
}

func TestAProgressLineOfAStepThatIsStoppedBeforeTheProgram(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var got []time.Duration
		p.Observe = func(e shutdown.Event) {
			if w, ok := e.(shutdown.Waiting); ok {
				got = append(got, w.Steps[0].Elapsed)
			}
		}
		r := p.Register(p.takes(5*s+s/2), shutdown.Name("slow"))
		p.at(s, func() { _ = r.Close(context.Background()) })
		p.at(1300*ms, func() { p.Stop(nil) })
		p.runs(obey)
		for i, want := range []time.Duration{s, 2 * s, 5 * s} {
			if i >= len(got) || got[i] != want {
				t.Fatalf("lines after %v, want after 1, 2 and 5 s", got)
			}
		}
	})
}

// Main was waiting for the task at the time of its own line, 5 s.
func TestNoProgressLineForAMissedTime(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Observe = func(e shutdown.Event) {
			if w, ok := e.(shutdown.Waiting); ok && w.Steps[0].Kind == shutdown.KindMain && w.Steps[0].Elapsed != 10*s {
				t.Errorf("a line for main after %v", w.Steps[0].Elapsed)
			}
		}
		p.signalAt(s, sigterm)
		p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("old", func(ctx context.Context) error { <-ctx.Done(); return p.takes(2 * s)(ctx) })
			g.Go("new", func(ctx context.Context) error { <-ctx.Done(); return p.takes(3400 * ms)(ctx) })
			_ = g.Run(ctx)
			return p.takes(6 * s)(ctx)
		})
	})
}

func TestAHoldAfterTheSecondSignalHasALiveContext(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.signalAt(s, sigterm)
		p.signalAt(2*s, sigterm)
		p.at(2*s+1, func() {
			p.Go(context.Background(), "flush", func(ctx context.Context) error {
				if ctx.Err() != nil {
					t.Errorf("the context of a hold that begins then has ended: %v", ctx.Err())
				}
				return nil
			})
		})
		p.runs(func(ctx context.Context) error {
			<-ctx.Done()
			return p.takes(3 * s)(ctx)
		})
	})
}

func TestALateHoldDoesNotReduceTheTimeOfHandlers(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 13 * s
		var left time.Duration
		p.Register(func(ctx context.Context) error {
			at, _ := ctx.Deadline()
			left = time.Until(at)
			return nil
		})
		p.signalAt(s, sigterm)
		r := p.runs(func(ctx context.Context) error {
			<-group.WorkContext(ctx).Done() // after 11.5 of 12 s
			p.Go(ctx, "late", p.hangs)
			return nil
		})
		if want := s - 50*ms; left < want {
			t.Errorf("the handler had %v, want at least %v", left, want)
		}
		if took := step(t, r, "late").Took; took != s/2 {
			t.Errorf("the hold had %v, want the rest of main's 500ms", took)
		}
	})
}

func TestAScopesMinimumIsItsTimeoutAtMost(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 2 * s
		var left time.Duration
		p.Register(func(ctx context.Context) error {
			at, _ := ctx.Deadline()
			left = time.Until(at)
			return nil
		})
		sc := p.Scope("outer", shutdown.Timeout(2*s))
		sc.Scope("inner", shutdown.Reserve(6*s)).Register(p.hangs)
		p.signalAt(s, sigterm)
		p.runs(obey)
		// Main and the handler have a third of a second each, and the scope has 2 s, reduced to 1.8
		// s.
		if want := 225*ms - 25*ms - time.Microsecond; left < want {
			t.Errorf("the handler had %v, want %v", left, want)
		}
	})
}

func TestAnOuterDeadlineIsNoExcuse(t *testing.T) {
	inBubble(t, func(p *bubble) {
		ctx, cancel := context.WithTimeoutCause(context.Background(), s, shutdown.ErrGrace)
		defer cancel()
		r := p.Run(ctx, groupOf(p.hangs))
		if main := step(t, r, "main"); main.Outcome != shutdown.OutcomeFailed || r.ExitCode() != 1 {
			t.Errorf("main was %v, exit code %d; its task was abandoned", main.Outcome, r.ExitCode())
		}
	})
}

func TestAPanicWithACancellationIsNoExcuse(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.signalAt(s, sigterm)
		r := p.runs(groupOf(func(ctx context.Context) error { <-ctx.Done(); panic(context.Canceled) }))
		if main := step(t, r, "main"); main.Outcome != shutdown.OutcomeFailed {
			t.Errorf("main was %v: %v; its task panicked", main.Outcome, main.Err)
		}
	})
}

func TestTheStackOfAStepThatFailsInTimeIsNotShown(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error { _ = p.takes(21 * s)(ctx); return errTask }, shutdown.Name("slow"))
		r := p.runs(nothing)
		if slow := step(t, r, "slow"); slow.Stack != "" || slow.WaitsFor != "" || slow.Took != 21*s {
			t.Errorf("it failed within its budget, and waits for %q in %q: %+v", slow.WaitsFor, slow.Stack, slow)
		}
	})
}

func TestTheExitCodeOfAnAbandonedMainIsNotItsOwn(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.signalAt(s, sigterm)
		p.Register(p.takes(3 * s))
		r := p.runs(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(24*s + s/2) // it is abandoned after 24, and the handler runs
			return &shutdown.ExitError{Code: 7}
		})
		if main := step(t, r, "main"); main.Outcome != shutdown.OutcomeAbandoned || r.ExitCode() != 1 {
			t.Errorf("main was %v, the exit code is %d, want 1", main.Outcome, r.ExitCode())
		}
	})
}

func TestCloseWithoutTimeLeavesAHandlerToTheProgramsStop(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var ran time.Duration
		r := p.Register(func(context.Context) error { ran = p.now(); return nil })
		sc := p.Scope("early")
		sc.Register(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(400 * ms) // of the 500 until its end
			if err := r.Close(ctx); !errors.Is(err, shutdown.ErrGrace) || strings.Contains(err.Error(), "not run") {
				t.Errorf("Close without time: %v, want one that leaves it to its turn", err)
			}
			return nil
		})
		p.at(s, func() { _ = sc.Close(context.Background()) })
		p.at(60*s, func() { p.Stop(nil) })
		p.runs(obey)
		if ran != 60*s {
			t.Errorf("it ran at %v, want in its turn, at 60s", ran)
		}
	})
}

func TestCloseInATaskThatIsShutDownWithoutALimitIsBounded(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.Register(p.hangs)
		var took time.Duration
		p.at(60*s, func() { p.Stop(nil) })
		p.runs(func(ctx context.Context) error {
			var g group.Group
			task := g.Go("task", func(ctx context.Context) error {
				<-ctx.Done()
				began := p.now()
				_ = r.Close(group.WorkContext(ctx))
				took = p.now() - began
				return nil
			})
			p.at(s, func() { _ = task.Shutdown(context.Background()) })
			return g.Run(ctx)
		})
		if took != 25*s {
			t.Errorf("Close took %v, want Grace", took)
		}
	})
}
