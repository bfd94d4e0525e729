package shutdown_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// This file tests the limits of nodes that stop within a step, or for which a step waits.

func TestAChainOfClosesElsewhereEndsWithTheGracePeriod(t *testing.T) {
	inBubble(t, func(p *bubble) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		p.Register(p.hangs, shutdown.Name("oldest"))
		outer := p.Scope("outer")
		inner := outer.Scope("inner")
		inner.Register(p.hangs, shutdown.Name("of the inner"))
		p.at(s, func() { _ = inner.Close(ctx) })
		p.at(2*s, func() { _ = outer.Close(ctx) }) // waits for the one within
		p.at(3*s, func() { p.Stop(nil) })
		report := p.runs(obey)
		if report.Took > 25*s {
			t.Errorf("took %v, want at most 25 s:\n%v", report.Took, report)
		}
		if got := step(t, report, "oldest"); got.Outcome != shutdown.OutcomeAbandoned || got.Took != s {
			t.Errorf("the oldest: %v after %v, want the second of its minimum", got.Outcome, got.Took)
		}
	})
}

func TestAReleasedScopeBeginsNothingAfterTheGracePeriod(t *testing.T) {
	for name, when := range map[string]time.Duration{"closed before the stop": s, "closed after": 3 * s} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var began journal
				scope := p.Scope("released")
				for range 3 {
					scope.Register(func(ctx context.Context) error {
						if p.now() >= 27*s {
							t.Errorf("one begins at %v, the grace period has ended at 27 s", p.now())
						}
						began.add("one")
						return p.takes(20 * s)(ctx)
					})
				}
				closeIt := scope.Release()
				p.at(when, func() { _ = closeIt(context.Background()) })
				p.at(2*s, func() { p.Stop(nil) })
				p.runs(p.takes(26 * s)) // as long as there is
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(began.lines) == 0 {
					t.Error("none has begun")
				}
			})
		})
	}
}

func TestAReleasedScopeMayBeClosedAfterTheEnd(t *testing.T) {
	inBubble(t, func(p *bubble) {
		ran := false
		scope := p.Scope("released")
		scope.Register(func(context.Context) error { time.Sleep(5 * s); ran = true; return nil })
		closeIt := scope.Release()
		p.runs(nothing)
		time.Sleep(time.Minute)
		if err := closeIt(context.Background()); err != nil || !ran {
			t.Errorf("%v, ran %t; want nil, true", err, ran)
		}
	})
}

// The group stops because the context that it was given ends at its deadline.
func TestAGroupWhoseContextEndsAtTheDeadlineHasTimeToStop(t *testing.T) {
	work := func(ends *time.Duration, p *bubble) func(context.Context) error {
		return func(ctx context.Context) error {
			var g group.Group
			g.Go("task", func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(100 * ms)
				*ends = p.now()
				return nil
			})
			return g.Run(ctx)
		}
	}
	for name, begin := range map[string]func(p *bubble, f func(context.Context) error){
		"in a hold": func(p *bubble, f func(context.Context) error) {
			p.at(ms, func() { p.Go(context.Background(), "around", f) })
		},
		"in a handler": func(p *bubble, f func(context.Context) error) {
			p.Register(f, shutdown.Name("around"))
		},
		"with a work context": func(p *bubble, f func(context.Context) error) {
			p.Start(func(ctx context.Context) error { return f(group.WorkContext(ctx)) }, shutdown.Name("around"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var ends time.Duration
				begin(p, work(&ends, p))
				p.at(s, func() { p.Stop(nil) })
				report := p.runs(obey)
				around := step(t, report, "around")
				if task := step(t, report, "task"); task.Outcome != shutdown.OutcomeOK || ends == 0 {
					t.Errorf("the task: %v, want ok:\n%v", task.Outcome, report)
				}
				if around.Outcome != shutdown.OutcomeFailed && around.Outcome != shutdown.OutcomeOK {
					t.Errorf("the step that runs the group: %v, want neither late nor abandoned:\n%v", around.Outcome, report)
				}
				if report.Took > 25*s {
					t.Errorf("took %v", report.Took)
				}
			})
		})
	}
}

func TestASecondSignalDuringTheDelayReachesTheGroupsOfMain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		p.signalAt(s, sigint)
		p.signalAt(3*s, sigint)
		var g group.Group
		g.Go("task", func(ctx context.Context) error {
			<-ctx.Done()
			work := group.WorkContext(ctx)
			<-work.Done()
			var sig *signals.Error
			if p.now() != 3*s || !errors.As(context.Cause(work), &sig) {
				t.Errorf("the work context has ended at %v because of %v, want 3 s, the signal", p.now(), context.Cause(work))
			}
			return p.hangs(ctx)
		})
		report := p.runs(g.Run)
		if got := step(t, report, "task"); got.Outcome != shutdown.OutcomeAbandoned || got.Took > s {
			t.Errorf("the task: %v after %v, want abandoned within the second of main's minimum", got.Outcome, got.Took)
		}
	})
}

func TestAStartedTaskForWhichNoTimeIsLeftIsAbandoned(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		told := false
		p.Register(func(ctx context.Context) error {
			// It has all there is, and is the last: for the task nothing is left.
			p.Start(func(ctx context.Context) error {
				<-ctx.Done()
				told = true
				return p.hangs(ctx)
			}, shutdown.Name("admin"))
			return p.hangs(ctx)
		}, shutdown.Name("hangs"))
		report := p.runs(nothing)
		synctest.Wait()
		got := step(t, report, "admin")
		var stuck *group.StuckError
		if got.Outcome != shutdown.OutcomeAbandoned || !errors.As(got.Err, &stuck) || !told {
			t.Errorf("%v: %v, told %t; want abandoned, a StuckError, and told:\n%v", got.Outcome, got.Err, told, report)
		}
	})
}

func TestExitInAStepOfAnotherRunDoesNotEndThatStep(t *testing.T) {
	inBubble(t, func(p *bubble) {
		exited := make(chan int, 1)
		shutdown.SetExit(p.Coordinator, func(code int) {
			exited <- code
			runtime.Goexit() // as near to the end of the process as a test can get
		})
		other := p.another()
		p.at(s, func() {
			report := other.Run(context.Background(), func(context.Context) error { p.Exit(5); return nil })
			if got := step(t, report, "main"); got.Outcome != shutdown.OutcomeGoexited {
				t.Errorf("the other's main: %v, want that Exit has not returned", got.Outcome)
			}
		})
		report := p.runs(obey)
		if code := <-exited; code != 5 || report.ExitCode() != 5 || p.now() != 2*s {
			t.Errorf("exit(%d), ExitCode %d at %v; want 5, 5, at 2 s: one after Run has returned", code, report.ExitCode(), p.now())
		}
	})
}

func TestAPairOfWhichOnePanics(t *testing.T) {
	panics := func(ctx context.Context) error { panic("lost") }
	exits := func(context.Context) error { runtime.Goexit(); return nil }
	for name, pair := range map[string][2]func(context.Context) error{
		"both":                   {panics, panics},
		"the other has failed":   {panics, fails(errTask)},
		"the other has Goexited": {panics, exits},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range pair {
				inBubble(t, func(p *bubble) {
					var g group.Group
					g.Add("pair", func(ctx context.Context) error { <-ctx.Done(); return pair[i](ctx) }, pair[1-i], group.Timeout(s))
					p.at(s, func() { p.Stop(nil) })
					got := step(t, p.runs(g.Run), "pair")
					if got.Outcome != shutdown.OutcomePanicked || !strings.Contains(got.Stack, "TestAPairOfWhichOnePanics") {
						t.Errorf("%v, with this stack:\n%s", got.Outcome, got.Stack)
					}
				})
			}
		})
	}
}

func TestAScopeThatIsClosedElsewhereKeepsItsMinimumAfterASecondSignal(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("tenant")
		scope.Register(p.takes(1500*ms), shutdown.Name("flush"))
		p.at(s, func() { _ = scope.Close(context.Background()) })
		p.signalAt(1100*ms, sigint)
		p.signalAt(1600*ms, sigint) // from here it has the second of its minimum
		report := p.runs(func(ctx context.Context) error {
			<-ctx.Done()
			return p.takes(s)(ctx)
		})
		if got := step(t, report, "flush"); got.Outcome != shutdown.OutcomeOK {
			t.Errorf("%v after %v, want ok at 2.5 s:\n%v", got.Outcome, got.Took, report)
		}
	})
}

func TestAScopeThatIsClosedAfterTheSecondSignal(t *testing.T) {
	t.Run("has its minimum", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			scope := p.Scope("tenant")
			scope.Register(p.takes(500*ms), shutdown.Name("flush"))
			p.Register(p.takes(2*s), shutdown.Name("newer"))
			p.signalAt(s, sigint)
			p.signalAt(2500*ms, sigint)
			p.at(2800*ms, func() { _ = scope.Close(context.Background()) })
			report := p.runs(obey)
			if got := step(t, report, "flush"); got.Outcome != shutdown.OutcomeOK {
				t.Errorf("%v after %v:\n%v", got.Outcome, got.Took, report)
			}
		})
	})
	t.Run("and no more", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			scope := p.Scope("tenant")
			scope.Register(p.hangs, shutdown.Name("flush"))
			closeIt := scope.Release()
			p.signalAt(s, sigint)
			p.signalAt(2*s, sigint)
			var took time.Duration
			p.at(2500*ms, func() { _ = closeIt(context.Background()); took = p.now() - 2500*ms })
			for range 4 {
				p.Register(p.takes(900 * ms))
			}
			p.runs(obey)
			time.Sleep(30 * s)
			synctest.Wait()
			if took != s {
				t.Errorf("Close took %v, want the second of its handler's minimum", took)
			}
		})
	})
}

func TestAReleasedScopeIsBoundedWhereverItIsClosed(t *testing.T) {
	for name, main := range map[string]func(p *bubble, closeIt func(context.Context)) func(context.Context) error{
		"in main, which has returned": func(_ *bubble, closeIt func(context.Context)) func(context.Context) error {
			return func(ctx context.Context) error {
				go closeIt(ctx)
				time.Sleep(2 * s)
				return nil
			}
		},
		"in a task that has finished": func(p *bubble, closeIt func(context.Context)) func(context.Context) error {
			var g group.Group
			g.Go("job", func(ctx context.Context) error { go closeIt(ctx); time.Sleep(s); return nil }, group.MayFinish())
			g.Go("rest", obey)
			p.at(2*s, func() { p.Stop(nil) })
			return g.Run
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				scope := p.Scope("released")
				for range 4 {
					scope.Register(func(ctx context.Context) error {
						if p.now() >= 27*s {
							t.Errorf("a handler begins at %v, the grace period has ended at 27 s", p.now())
						}
						return p.takes(20 * s)(ctx)
					})
				}
				release := scope.Release()
				p.Register(p.hangs)
				p.runs(main(p, func(ctx context.Context) {
					ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
					defer cancel()
					_ = release(ctx)
				}))
				time.Sleep(5 * time.Minute)
			})
		})
	}
}

func TestASecondSignalReachesAGroupInATaskWhoseTurnHasNotCome(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var cut time.Duration
		p.Start(func(ctx context.Context) error {
			var g group.Group
			g.Go("deaf", func(ctx context.Context) error {
				<-ctx.Done()
				<-group.WorkContext(ctx).Done()
				cut = p.now()
				return nil
			})
			g.Go("ends", p.takes(s))
			return g.Run(ctx)
		}, shutdown.Name("admin"))
		p.Register(p.takes(5*s), shutdown.Name("newer"))
		p.signalAt(2*s, sigint)
		p.signalAt(3*s, sigint)
		p.runs(obey)
		if cut != 3*s {
			t.Errorf("its work context has ended at %v, want the second signal, 3 s", cut)
		}
	})
}

func TestALateStepIsNotExcusedByTheScopeItCloses(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("empty")
		p.at(s, func() { p.Stop(nil) })
		report := p.runs(func(ctx context.Context) error {
			<-group.WorkContext(ctx).Done()
			time.Sleep(200 * ms)
			_ = scope.Close(ctx)
			return nil
		})
		if got := step(t, report, "main"); got.Outcome != shutdown.OutcomeLate {
			t.Errorf("main: %v, want late", got.Outcome)
		}
	})
}

func TestScopesThatWaitForEachOtherLoseNoTime(t *testing.T) {
	inBubble(t, func(p *bubble) {
		outer := p.Scope("outer")
		inner := outer.Scope("inner")
		inner.Register(func(ctx context.Context) error {
			go func() { _ = outer.Close(ctx) }() // waits for the inner one, whose handler this is
			return p.takes(10 * s)(ctx)
		}, shutdown.Name("h"))
		p.at(s, func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			_ = inner.Close(ctx)
		})
		p.at(3*s, func() { p.Stop(nil) })
		report := p.runs(obey)
		if got := step(t, report, "h"); got.Outcome != shutdown.OutcomeOK {
			t.Errorf("%v after %v, want ok:\n%v", got.Outcome, got.Took, report)
		}
	})
}

func TestExitInATaskOfAGroupThatWasGivenAnotherContext(t *testing.T) {
	inBubble(t, func(p *bubble) {
		report := p.runs(func(context.Context) error {
			var g group.Group
			g.Go("task", func(context.Context) error { p.Exit(5); return nil })
			return g.Run(context.Background())
		})
		if report.Took > 0 || report.ExitCode() != 5 {
			t.Errorf("took %v, exit code %d; want 0 s, 5", report.Took, report.ExitCode())
		}
	})
}

func TestSignalsStayCaughtUntilAnExitEndsTheProcess(t *testing.T) {
	for name, begin := range map[string]func(p *bubble){
		"that has begun the drain":           func(*bubble) {},
		"that joins one that Shutdown began": func(p *bubble) { go func() { _ = p.Shutdown(context.Background()) }() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				caught := shutdown.CountSignals(p.Coordinator)
				exited := make(chan struct{})
				shutdown.SetExit(p.Coordinator, func(int) {
					defer close(exited)
					if caught.Load() != 1 {
						t.Errorf("%d sources of signals when the process ends, want 1", caught.Load())
					}
					runtime.Goexit()
				})
				p.Register(p.takes(s))
				begin(p)
				synctest.Wait()
				go p.Exit(3)
				<-exited
				time.Sleep(s) // for what is given back a little later
			})
		})
	}
}

func TestAScopeThatIsClosedElsewhereKeepsItsMinimumBehindAStuckStep(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("oldest"))
		scope := p.Scope("tenant")
		scope.Register(p.takes(900*ms), shutdown.Name("flush"))
		scope.Register(p.hangs, shutdown.Name("newer of the scope"))
		p.Register(p.hangs, shutdown.Name("hangs"))
		p.at(s, func() { _ = scope.Close(context.Background()) })
		p.Register(p.takes(2 * s))
		report := p.runs(nothing)
		if got := step(t, report, "flush"); got.Outcome != shutdown.OutcomeOK {
			t.Errorf("%v after %v, want ok:\n%v", got.Outcome, got.Took, report)
		}
		if got := step(t, report, "oldest"); got.Took < s || report.Took != 25*s {
			t.Errorf("the oldest had %v, all took %v; want at least 1 s, 25 s:\n%v", got.Took, report.Took, report)
		}
	})
}

func TestAPlanKeepsTheMinimumsOfAScopeThatIsBeingClosed(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("tenant") // the oldest
		inner := scope.Scope("inner")
		for _, name := range []string{"1", "2", "3"} {
			inner.Register(p.takes(800*ms), shutdown.Name(name))
		}
		scope.Register(p.hangs)
		for range 80 { // so many that the minimum of each is less than a second
			p.Register(nothing)
		}
		p.at(s, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*s)
			defer cancel()
			_ = scope.Close(ctx)
		})
		p.at(2*s, func() { p.Stop(nil) })
		report := p.runs(p.takes(12 * s))
		for _, name := range []string{"1", "2", "3"} {
			if got := step(t, report, name); got.Outcome != shutdown.OutcomeOK {
				t.Errorf("%s: %v after %v, want ok in the second of its minimum", name, got.Outcome, got.Took)
			}
		}
	})
}

func TestCloseInAStepWithoutTimeLeavesTheHandlersToTheirTurn(t *testing.T) {
	for name, closes := range map[string]func(p *bubble) func(ctx context.Context) error{
		"a handler": func(p *bubble) func(ctx context.Context) error {
			return p.Register(p.takes(900*ms), shutdown.Name("flush")).Close
		},
		"a scope": func(p *bubble) func(ctx context.Context) error {
			scope := p.Scope("tenant")
			scope.Register(p.takes(900*ms), shutdown.Name("flush"))
			return scope.Close
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Register(p.hangs, shutdown.Name("older"))
				closeIt := closes(p)
				p.Register(nothing, shutdown.Name("newer"))
				p.at(s, func() { p.Stop(nil) })
				var first, second error
				report := p.runs(func(ctx context.Context) error {
					<-group.WorkContext(ctx).Done()
					time.Sleep(300 * ms) // main is abandoned 500 ms after its deadline
					first = closeIt(ctx)
					second = closeIt(ctx)
					return nil
				})
				flush := step(t, report, "flush")
				if flush.Outcome != shutdown.OutcomeOK || !errors.Is(first, shutdown.ErrGrace) || !errors.Is(second, shutdown.ErrGrace) {
					t.Errorf("%v; Close: %v, %v; want ok, ErrGrace:\n%v", flush.Outcome, first, second, report)
				}
				if newer := step(t, report, "newer"); flush.Start < newer.Start+newer.Took || step(t, report, "older").Start < flush.Start+flush.Took {
					t.Errorf("out of order:\n%v", report)
				}
				if err := closeIt(context.Background()); err != nil {
					t.Errorf("Close after the end = %v", err)
				}
			})
		})
	}
}

func TestCloseWithoutTimeInAConcurrentScopeLeavesTheHandlersToTheirTurn(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("side by side", shutdown.Concurrent())
		inner := scope.Scope("inner")
		tenant := inner.Scope("tenant")
		tenant.Register(nothing, shutdown.Name("flush"))
		inner.Register(p.takes(2 * s))
		scope.Register(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(30 * ms) // it is abandoned 50 ms after its deadline
			if err := tenant.Close(ctx); !errors.Is(err, shutdown.ErrGrace) {
				t.Errorf("Close = %v, want ErrGrace", err)
			}
			return nil
		}, shutdown.Timeout(s))
		report := p.runs(nothing)
		if got := step(t, report, "flush"); got.Outcome != shutdown.OutcomeOK || got.Start != 2*s {
			t.Errorf("%v at %v, want ok at 2 s:\n%v", got.Outcome, got.Start, report)
		}
	})
}

func TestExitInAHandlerThatIsClosedBeforeRun(t *testing.T) {
	inBubble(t, func(p *bubble) {
		exited := make(chan int, 1)
		shutdown.SetExit(p.Coordinator, func(code int) { exited <- code })
		p.Register(p.takes(s), shutdown.Name("older"))
		exits := p.Register(func(context.Context) error { p.Exit(5); return nil }, shutdown.Name("exits"))
		if err := exits.Close(context.Background()); err != nil || p.now() != 0 {
			t.Errorf("Close = %v after %v, want nil at once: Exit ends the handler", err, p.now())
		}
		code := <-exited
		report := p.Report()
		if code != 5 || p.now() != s || step(t, report, "exits").Outcome != shutdown.OutcomeOK {
			t.Errorf("exit(%d) at %v; want 5 at 1 s, when the older one has ended:\n%v", code, p.now(), report)
		}
		time.Sleep(s) // for what is given back a little later
	})
}

func TestAHandlerOfAScopeThatIsClosedElsewhereLeavesTheOthersTheirMinimums(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("oldest"))
		scope := p.Scope("tenant")
		for _, name := range []string{"1", "2", "3"} {
			scope.Register(p.takes(900*ms), shutdown.Name(name))
		}
		scope.Register(p.hangs, shutdown.Name("newest of the scope"))
		p.Register(p.hangs, shutdown.Name("hangs"))
		p.at(s, func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			_ = scope.Close(ctx)
		})
		p.at(2*s, func() { p.Stop(nil) })
		report := p.runs(p.takes(3 * s))
		for _, name := range []string{"1", "2", "3"} {
			if got := step(t, report, name); got.Outcome != shutdown.OutcomeOK {
				t.Errorf("%s: %v after %v, want ok in the second of its minimum:\n%v", name, got.Outcome, got.Took, report)
			}
		}
		if got := step(t, report, "oldest"); got.Took < s || report.Took != 25*s {
			t.Errorf("the oldest had %v, all took %v; want its second, 25 s:\n%v", got.Took, report.Took, report)
		}
	})
}

func TestAHandlerOfAScopeThatIsClosedElsewhereIsNotAbandonedAtItsDeadline(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("oldest"))
		scope := p.Scope("tenant")
		scope.Register(func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(20 * ms)
			return nil
		}, shutdown.Name("obeys"))
		p.Register(p.hangs, shutdown.Name("hangs"))
		p.at(s, func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			_ = scope.Close(ctx)
		})
		p.at(2*s, func() { p.Stop(nil) })
		report := p.runs(p.takes(3 * s))
		if got := step(t, report, "obeys"); got.Outcome != shutdown.OutcomeLate {
			t.Errorf("%v, want late, 20 ms after its deadline:\n%v", got.Outcome, report)
		}
	})
}

func TestShutdownInAHandlerThatIsClosedBeforeRunBeginsTheDrain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.takes(s), shutdown.Name("older"))
		closed := p.Register(func(ctx context.Context) error {
			if err := p.Shutdown(ctx); err != shutdown.ErrInProgress {
				t.Errorf("Shutdown = %v, want ErrInProgress", err)
			}
			return p.takes(s)(ctx)
		}, shutdown.Name("closed"))
		if err := closed.Close(context.Background()); err != nil {
			t.Errorf("Close = %v", err)
		}
		select {
		case <-p.Done():
		case <-time.After(time.Minute):
			t.Fatal("the stop has not begun")
		}
		if report := p.Report(); p.now() != 2*s || report.Err() != nil {
			t.Errorf("done at %v, %v; want 2 s, nil:\n%v", p.now(), report.Err(), report)
		}
	})
}

// A goroutine that a handler's handler has left behind closes the scope around all of them, which
// waits for that handler. The Close is refused, and the running handlers keep their time.
func TestAGoroutineLeftBehindTakesNoTimeFromTheScopeAround(t *testing.T) {
	for _, said := range []bool{false, true} {
		inBubble(t, func(p *bubble) {
			around, other := p.Scope("around"), p.Scope("other")
			scope := around.Scope("scope")
			var closed time.Duration
			left := make(chan struct{})
			other.Register(func(ctx context.Context) error {
				go func() {
					defer close(left)
					if err := around.Close(ctx); err != shutdown.ErrInProgress {
						t.Errorf("Close = %v, want ErrInProgress", err)
					}
					closed = p.now()
				}()
				return p.takes(100 * ms)(ctx)
			})
			scope.Register(p.takes(3*s), shutdown.Name("slow"))
			scope.Register(func(ctx context.Context) error {
				if said {
					shutdown.SetStatus(ctx, "busy")
				}
				return other.Close(ctx)
			}, shutdown.Timeout(s))
			around.Register(p.takes(500 * ms))
			if err := scope.Close(context.Background()); err != nil || p.now() != 3100*ms {
				t.Errorf("status %v: the scope was closed after %v, %v", said, p.now(), err)
			}
			if <-left; closed != 0 {
				t.Errorf("status %v: the goroutine left behind was refused after %v, want at once", said, closed)
			}
			p.runs(nothing)
		})
	}
}
