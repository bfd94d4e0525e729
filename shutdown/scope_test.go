package shutdown_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

func TestScopeClose(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		a, b := errors.New("a"), errors.New("b")
		p.Register(j.note("program"))
		scope := p.Scope("tenant")
		scope.Register(func(context.Context) error { j.add("a"); return a })
		scope.Scope("inner").Register(j.note("inner"))
		scope.Register(func(context.Context) error { j.add("b"); return b })
		p.runs(func(ctx context.Context) error {
			err := scope.Close(ctx)
			if !errors.Is(err, a) || !errors.Is(err, b) {
				t.Errorf("Close = %v, want both errors", err)
			}
			j.want(t, "b", "inner", "a")
			if err := scope.Close(ctx); err != nil {
				t.Errorf("a second Close = %v", err)
			}
			if err := scope.Release()(ctx); err != nil {
				t.Errorf("Release of a closed scope = %v", err)
			}
			for _, r := range []*shutdown.Registration{
				scope.Register(nothing), scope.Scope("late").Register(nothing),
			} {
				if r.Err() != shutdown.ErrDrained {
					t.Errorf("Register on a closed scope: Err = %v, want ErrDrained", r.Err())
				}
			}
			return nil
		})
		j.want(t, "b", "inner", "a", "program")
	})
}

func TestScopeCloseInAHandlerOfItsOwn(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("tenant")
		scope.Register(func(ctx context.Context) error {
			for _, ctx := range []context.Context{ctx, context.Background()} {
				if err := scope.Close(ctx); err != shutdown.ErrInProgress {
					t.Errorf("Close = %v, want ErrInProgress at once", err)
				}
			}
			return nil
		})
		if report := p.runs(nothing); report.Took != 0 {
			t.Errorf("took %v", report.Took)
		}
	})
}

func TestScopeCloseInAHandlerOfAScopeWithin(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []shutdown.Option
	}{
		{"one after the other", nil},
		{"side by side", []shutdown.Option{shutdown.Concurrent()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var j journal
				tenant := p.Scope("tenant", tt.opts...)
				data := tenant.Scope("data", tt.opts...)
				data.Register(j.note("data"))
				session := data.Scope("session")
				session.Register(j.note("session"))
				session.Register(func(ctx context.Context) error {
					err := tenant.Close(ctx) // the session, too, is to be over first
					if err != shutdown.ErrInProgress {
						t.Errorf("Close = %v, want ErrInProgress", err)
					}
					j.add("has closed")
					return nil
				}, shutdown.Name("closes"))
				report := p.runs(func(ctx context.Context) error {
					if err := session.Close(ctx); err != nil {
						t.Errorf("Close of the session = %v", err)
					}
					return nil
				})
				if got := p.now(); got != 0 {
					t.Errorf("it took %v", got)
				}
				if err := report.Err(); err != nil {
					t.Error(err)
				}
				if tt.opts == nil {
					j.want(t, "has closed", "session", "data")
				}
			})
		})
	}
}

// The program waits for the caller of such a Close, and for the handlers that are left.
func TestScopeCloseInAHandlerThatIsClosedByItself(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opts  []shutdown.Option
		inner bool // the handler is in a scope within
		want  []string
	}{
		{"alone", nil, false, []string{"closed", "older", "program"}},
		{"in a scope within", nil, true, []string{"closed", "older", "program"}},
		{"alone, of a concurrent scope", []shutdown.Option{shutdown.Concurrent()}, false, []string{"older", "closed", "program"}},
		{"alone, of a scope within a concurrent one", []shutdown.Option{shutdown.Concurrent()}, true, []string{"older", "closed", "program"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var j journal
				p.Register(j.note("program"))
				scope := p.Scope("tenant", tt.opts...)
				scope.Register(j.note("older"))
				in := scope
				if tt.inner {
					in = scope.Scope("inner")
				}
				r := in.Register(func(ctx context.Context) error {
					if err := scope.Close(ctx); err != shutdown.ErrInProgress || p.now() != s {
						t.Errorf("Close = %v at %v, want ErrInProgress at 1 s", err, p.now())
					}
					time.Sleep(5 * s)
					j.add("closed")
					return nil
				})
				p.at(s, func() { _ = r.Close(context.Background()) })
				p.at(2*s, func() { p.Stop(nil) })
				report := p.runs(obey)
				j.want(t, tt.want...)
				if report.Took != 4*s || report.Err() != nil {
					t.Errorf("took %v, %v; want 4 s, nil", report.Took, report.Err())
				}
			})
		})
	}
}

func TestRelease(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("program"))
		scope := p.Scope("object")
		scope.Register(j.note("1"))
		scope.Register(j.note("2"))
		closeIt := scope.Release()
		if r := scope.Register(nothing); r.Err() != shutdown.ErrDrained {
			t.Errorf("Register on a released scope: Err = %v, want ErrDrained", r.Err())
		}
		if err := scope.Close(context.Background()); err != nil {
			t.Errorf("Close of a released scope = %v", err)
		}
		if err := scope.Release()(context.Background()); err != nil {
			t.Errorf("a second Release = %v", err)
		}
		j.want(t)
		if err := closeIt(context.Background()); err != nil {
			t.Errorf("the released function = %v", err)
		}
		j.want(t, "2", "1")
		_ = closeIt(context.Background())
		p.runs(nothing)
		j.want(t, "2", "1", "program")
	})
}

func TestAReleasedScopeDoesNotRunByItself(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("object")
		scope.Register(func(context.Context) error { t.Error("ran"); return nil })
		scope.Release()
		p.runs(nothing)
	})
}

func TestACancelledContextDoesNotCancelTheHandlersOfClose(t *testing.T) {
	inBubble(t, func(p *bubble) {
		check := func(ctx context.Context) error {
			if ctx.Err() != nil || ctx.Value(key("k")) != "v" {
				t.Errorf("Err = %v, Value = %v; want a live context with the values of Close's", ctx.Err(), ctx.Value(key("k")))
			}
			return nil
		}
		scope := p.Scope("")
		scope.Register(check)
		r := p.Register(check)
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key("k"), "v"), -1)
		defer cancel()
		if err := scope.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
		p.runs(nothing)
	})
}

func TestHowLongCloseMayTake(t *testing.T) {
	for _, tt := range []struct {
		name  string
		grace time.Duration
		setup func(p *bubble, closeIt func(context.Context) error)
		want  time.Duration
	}{
		{"the deadline of its context", 25 * s, func(p *bubble, closeIt func(context.Context) error) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*s)
			defer cancel()
			_ = closeIt(ctx)
		}, 3 * s},
		{"Grace, outside of a step", 12 * s, func(p *bubble, closeIt func(context.Context) error) {
			_ = closeIt(context.Background())
		}, 12 * s},
		{"Grace, in a main that was not asked to stop", 12 * s, func(p *bubble, closeIt func(context.Context) error) {
			p.runs(closeIt)
		}, 12 * s},
		{"until the deadline of the calling handler", 10 * s, func(p *bubble, closeIt func(context.Context) error) {
			p.Register(closeIt)
			p.runs(nothing)
		}, 8550 * ms}, // 9 s less 5 %: the closed handler has a minimum of a second
		{"until that deadline, even if the context has a later one", 10 * s, func(p *bubble, closeIt func(context.Context) error) {
			p.Register(func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
				defer cancel()
				return closeIt(ctx)
			})
			p.runs(nothing)
		}, 8550 * ms},
		{"until the deadline of main", 10 * s, func(p *bubble, closeIt func(context.Context) error) {
			p.at(1, func() { p.Stop(nil) })
			p.runs(func(ctx context.Context) error {
				<-ctx.Done()
				return closeIt(ctx)
			})
		}, 8550 * ms},
		{"its own limit, if that comes before the deadline of main", 10 * s, func(p *bubble, closeIt func(context.Context) error) {
			p.at(5*s, func() { p.Stop(nil) })
			p.runs(func(ctx context.Context) error {
				time.Sleep(4 * s)
				return closeIt(ctx)
			})
		}, 10 * s}, // at 14 s; main's deadline is at 14.5 s
		{"until the deadline of main, if main is told to stop later", 10 * s, func(p *bubble, closeIt func(context.Context) error) {
			p.at(2*s, func() { p.Stop(nil) })
			p.runs(func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
				defer cancel()
				return closeIt(ctx)
			})
		}, 11500 * ms},
	} {
		for _, of := range []string{"scope", "registration"} {
			t.Run(of+": "+tt.name, func(t *testing.T) {
				inBubble(t, func(p *bubble) {
					p.Grace = tt.grace
					took := make(chan time.Duration, 1)
					closed := func(context.Context) error { panic("not set") }
					if of == "scope" {
						scope := p.Scope("")
						scope.Register(p.hangs)
						closed = scope.Close
					} else {
						closed = p.Register(p.hangs).Close
					}
					tt.setup(p, func(ctx context.Context) error {
						start := p.now()
						err := closed(ctx)
						if !errors.Is(err, shutdown.ErrGrace) {
							t.Errorf("Close = %v, want an error that wraps ErrGrace", err)
						}
						took <- p.now() - start
						return nil
					})
					if got := <-took; got != tt.want {
						t.Errorf("took %v, want %v", got, tt.want)
					}
				})
			})
		}
	}
}

func TestTheDrainWaitsForAScopeThatIsBeingClosed(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("older"))
		scope := p.Scope("tenant")
		scope.Register(func(context.Context) error {
			j.add("tenant begins")
			time.Sleep(5 * s)
			j.add("tenant ends")
			return errTask
		}, shutdown.Name("of the tenant"))
		p.Register(j.note("newer"))
		p.at(s, func() { _ = scope.Close(context.Background()) })
		report := p.runs(p.takes(2 * s))
		j.want(t, "tenant begins", "newer", "tenant ends", "older")
		if report.Took != 4*s {
			t.Errorf("took %v, want 4 s", report.Took)
		}
		if got := step(t, report, "of the tenant"); got.Outcome != shutdown.OutcomeFailed || got.Start+got.Took != 4*s {
			t.Errorf("the handler of the scope: %+v, want failed at 4 s", got)
		}
	})
}

func TestAStuckScopeThatIsBeingClosedLeavesTheOthersTheirMinimums(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("older"))
		scope := p.Scope("tenant")
		scope.Register(p.hangs, shutdown.Name("of the tenant"))
		p.Register(p.hangs, shutdown.Name("newer"))
		p.at(s, func() { _ = scope.Close(context.Background()) })
		report := p.runs(p.takes(2 * s))
		older := step(t, report, "older")
		if older.Took != s || older.Outcome != shutdown.OutcomeAbandoned || report.Took > 25*s {
			t.Errorf("the oldest had %v, all took %v; want 1 s within 25 s:\n%v", older.Took, report.Took, report)
		}
		if got := step(t, report, "of the tenant"); got.Outcome != shutdown.OutcomeAbandoned {
			t.Errorf("the handler of the scope: %+v, want abandoned", got)
		}
	})
}

func TestAPlanDoesNotChangeAScopeThatIsBeingClosed(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("tenant") // the oldest
		for _, name := range []string{"1", "2", "3"} {
			scope.Register(p.hangs, shutdown.Name(name))
		}
		for range 40 { // so many that the minimum of each is less than a second
			p.Register(nothing)
		}
		p.at(s, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*s)
			defer cancel()
			_ = scope.Close(ctx)
		})
		report := p.runs(func(ctx context.Context) error {
			time.Sleep(2 * s) // the stop comes while the first is stuck
			p.Stop(nil)
			time.Sleep(10 * s)
			return nil
		})
		// When the second begins, 8 s are left. The third keeps the floor of the plan with more
		// steps: 24 s for 44 of them.
		floor := 25 * s / (2 * 43)
		for name, want := range map[string]time.Duration{"3": 8 * s, "2": 2*s - floor, "1": floor} {
			if got := step(t, report, name).Took; got.Round(time.Microsecond) != want.Round(time.Microsecond) {
				t.Errorf("%s had %v, want %v", name, got, want)
			}
		}
	})
}

func TestAStepThatBeganBeforeT0AndEndsAfterItIsInTheReport(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.Register(func(context.Context) error { time.Sleep(2 * s); return errTask }, shutdown.Name("closed early"))
		report := p.runs(func(ctx context.Context) error {
			p.at(s, func() { p.Stop(nil) })
			_ = r.Close(ctx)
			return nil
		})
		if got := step(t, report, "closed early"); got.Outcome != shutdown.OutcomeFailed || report.ExitCode() != 1 {
			t.Errorf("%v, exit code %d; want failed, 1", got.Outcome, report.ExitCode())
		}
	})
}

func TestTheReportDoesNotChangeAfterTheEnd(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.Register(p.takes(10*s), shutdown.Name("closed elsewhere"))
		p.at(s, func() { _ = r.Close(context.Background()) })
		report := p.runs(func(context.Context) error {
			time.Sleep(s / 2)
			p.Stop(nil) // the drain has begun when Close is called, and does not know of it
			time.Sleep(2 * s)
			return nil
		})
		before := rows(report)
		for _, b := range before {
			if b.Took < 0 {
				t.Errorf("%v took %v in the final report", b.Name, b.Took)
			}
		}
		time.Sleep(time.Minute)
		after := rows(p.Report())
		if len(before) != len(after) {
			p.t.Fatalf("%d steps, then %d", len(before), len(after))
		}
		for i := range before {
			if before[i] != after[i] {
				t.Errorf("%+v has become %+v", before[i], after[i])
			}
		}
	})
}

func TestRegistrationClose(t *testing.T) {
	inBubble(t, func(p *bubble) {
		n := 0
		r := p.Register(func(context.Context) error { n++; return errTask }, shutdown.Name("once"))
		p.runs(func(ctx context.Context) error {
			if err := r.Close(ctx); !errors.Is(err, errTask) {
				t.Errorf("Close = %v, want the handler's error", err)
			}
			if err := r.Close(ctx); err != nil {
				t.Errorf("a second Close = %v, want nil", err)
			}
			if r.Unregister() {
				t.Error("what has run was unregistered")
			}
			return nil
		})
		if err := r.Close(context.Background()); err != nil || n != 1 {
			t.Errorf("Close after the end = %v, ran %d times; want nil, 1", err, n)
		}
	})
}

func TestDeferredCloseInMain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.at(s, func() { p.Stop(nil) })
		p.Register(j.note("program"))
		p.runs(func(ctx context.Context) error {
			defer func() { _ = p.Register(j.note("deferred")).Close(ctx) }()
			return obey(ctx)
		})
		j.want(t, "deferred", "program")
	})
}

func TestConcurrentScope(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("older"))
		scope := p.Scope("all", shutdown.Concurrent())
		scope.Register(p.takes(3*s), shutdown.Name("a"))
		scope.Register(p.takes(5*s), shutdown.Name("b"))
		scope.Register(func(context.Context) error { panic("boom") }, shutdown.Name("c"))
		inner := scope.Scope("inner")
		inner.Register(p.takes(2*s), shutdown.Name("d.1"))
		inner.Register(p.takes(2*s), shutdown.Name("d.2"))
		report := p.runs(nothing)
		if report.Took != 5*s {
			t.Errorf("took %v, want as long as the longest, 5 s", report.Took)
		}
		for name, want := range map[string]row{
			"a": {Start: 0, Took: 3 * s}, "b": {Start: 0, Took: 5 * s}, "c": {Outcome: shutdown.OutcomePanicked},
			"d.2": {Start: 0, Took: 2 * s}, "d.1": {Start: 2 * s, Took: 2 * s},
		} {
			if got := step(t, report, name); got.Start != want.Start || got.Took != want.Took || got.Outcome != want.Outcome {
				t.Errorf("%s: %v from %v for %v, want %+v", name, got.Outcome, got.Start, got.Took, want)
			}
		}
		j.want(t, "older")
	})
}

func TestAnEmptyConcurrentScope(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("older"))
		p.Scope("all", shutdown.Concurrent())
		p.Scope("all", shutdown.Concurrent()).Scope("inner", shutdown.Concurrent())
		p.Scope("all").Scope("inner", shutdown.Concurrent())
		p.runs(nothing)
		j.want(t, "older")
	})
}

func TestAConcurrentScopeInTheSchedule(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("older"))
		scope := p.Scope("all", shutdown.Concurrent())
		scope.Register(p.hangs, shutdown.Name("a"))
		scope.Register(p.hangs, shutdown.Name("b"), shutdown.Reserve(4*s))
		scope.Register(p.hangs, shutdown.Name("c"), shutdown.Timeout(2*s))
		p.Register(p.hangs, shutdown.Name("newer"))
		report := p.runs(nothing)
		// The minimum of the scope is its largest, the reserve of 4 s.
		for name, want := range map[string]row{
			"newer": {Start: 0, Took: 20 * s}, "a": {Start: 20 * s, Took: 4 * s}, "b": {Start: 20 * s, Took: 4 * s},
			"c": {Start: 20 * s, Took: 2 * s}, "older": {Start: 24 * s, Took: s},
		} {
			if got := step(t, report, name); got.Start != want.Start || got.Took != want.Took {
				t.Errorf("%s: from %v for %v, want from %v for %v", name, got.Start, got.Took, want.Start, want.Took)
			}
		}
	})
}

func TestASequentialScopeInTheSchedule(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("older"))
		scope := p.Scope("one by one")
		scope.Register(p.hangs, shutdown.Name("a"))
		nested := scope.Scope("")
		nested.Register(p.hangs, shutdown.Name("b"))
		nested.Register(p.hangs, shutdown.Name("c"))
		p.Register(p.hangs, shutdown.Name("newer"))
		wantRows(t, p.runs(nothing),
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "newer", 0, 21 * s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "c", 21 * s, s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "b", 22 * s, s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "a", 23 * s, s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "older", 24 * s, s, shutdown.OutcomeAbandoned})
	})
}

func TestTheOptionsOfAScope(t *testing.T) {
	t.Run("its timeout is for all its handlers", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.Register(p.hangs, shutdown.Name("older"))
			scope := p.Scope("", shutdown.Timeout(5*s))
			scope.Register(p.hangs, shutdown.Name("b"))
			scope.Register(p.hangs, shutdown.Name("a"))
			wantRows(t, p.runs(nothing),
				row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
				row{shutdown.KindHandler, "a", 0, 4 * s, shutdown.OutcomeAbandoned},
				row{shutdown.KindHandler, "b", 4 * s, s, shutdown.OutcomeAbandoned},
				row{shutdown.KindHandler, "older", 5 * s, 20 * s, shutdown.OutcomeAbandoned})
		})
	})
	t.Run("its reserve is kept back for all of them", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			scope := p.Scope("", shutdown.Reserve(10*s))
			scope.Register(p.hangs, shutdown.Name("b"))
			scope.Register(p.hangs, shutdown.Name("a"))
			p.Register(p.hangs, shutdown.Name("newer"))
			wantRows(t, p.runs(nothing),
				row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
				row{shutdown.KindHandler, "newer", 0, 15 * s, shutdown.OutcomeAbandoned},
				row{shutdown.KindHandler, "a", 15 * s, 9 * s, shutdown.OutcomeAbandoned},
				row{shutdown.KindHandler, "b", 24 * s, s, shutdown.OutcomeAbandoned})
		})
	})
	t.Run("they hold for Close as well", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			scope := p.Scope("", shutdown.Timeout(5*s))
			scope.Register(p.hangs)
			_ = scope.Close(context.Background())
			if p.now() != 5*s {
				t.Errorf("Close took %v, want the scope's timeout, 5 s", p.now())
			}
			p.runs(nothing)
		})
	})
}

func TestRegisterOnAConcurrentScopeThatRuns(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("all", shutdown.Concurrent())
		scope.Register(func(context.Context) error {
			time.Sleep(s)
			if r := scope.Register(p.takes(3*s), shutdown.Name("late")); r.Err() != nil {
				t.Errorf("Err = %v", r.Err())
			}
			scope.Scope("inner").Register(p.takes(s))
			time.Sleep(s)
			return nil
		}, shutdown.Name("registers"))
		scope.Register(p.takes(s))
		report := p.runs(nothing)
		if got := step(t, report, "late"); got.Start != s || got.Outcome != shutdown.OutcomeOK || report.Took != 5*s {
			t.Errorf("started at %v: %v; took %v; want at once, at 1 s, and the inner scope after it, 5 s", got.Start, got.Outcome, report.Took)
		}
	})
}

func TestAConcurrentScopeForWhichNoTimeIsLeft(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Grace = 10 * s
		p.Register(func(ctx context.Context) error {
			late := p.Scope("late", shutdown.Concurrent())
			for _, name := range []string{"1", "2", "3"} {
				late.Register(j.note(name), shutdown.Name(name))
			}
			late.Scope("inner").Register(j.note("4"), shutdown.Name("4"))
			return p.hangs(ctx)
		}, shutdown.Name("hangs"))
		report := p.runs(nothing)
		for _, name := range []string{"1", "2", "3", "4"} {
			if got := step(t, report, name); got.Outcome != shutdown.OutcomeSkipped {
				t.Errorf("%s: %v, want skipped", name, got.Outcome)
			}
		}
		j.want(t)
		if report.Took != 10*s || len(report.Steps) != 6 {
			t.Errorf("took %v with %d steps, want 10 s with 6:\n%v", report.Took, len(report.Steps), report)
		}
	})
}

func TestStuckHandlersOfAConcurrentScope(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("older"))
		scope := p.Scope("all", shutdown.Concurrent())
		for range 3 {
			scope.Register(p.hangs, shutdown.Timeout(s))
		}
		scope.Register(nothing)
		report := p.runs(nothing)
		j.want(t, "older")
		if report.Took != s || len(report.Steps) != 6 {
			t.Errorf("took %v with %d steps, want 1 s with 6", report.Took, len(report.Steps))
		}
	})
}

func TestUnregisteringInAReleasedScopeTakesNothingFromTheOthers(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 20 * s
		for _, name := range []string{"4", "3", "2"} {
			p.Register(p.hangs, shutdown.Name(name))
		}
		p.Register(p.hangs, shutdown.Name("1"))
		scope := p.Scope("object")
		a, b := scope.Register(nothing), scope.Register(nothing)
		p.Register(func(context.Context) error {
			scope.Release()
			if !a.Unregister() || !b.Unregister() {
				t.Error("Unregister = false")
			}
			return nil
		})
		report := p.runs(nothing)
		for name, want := range map[string]time.Duration{"1": 17 * s, "2": s, "3": s, "4": s} {
			if got := step(t, report, name); got.Took != want || got.Outcome != shutdown.OutcomeAbandoned {
				t.Errorf("%s: %v after %v, want abandoned after %v", name, got.Outcome, got.Took, want)
			}
		}
	})
}

func TestClosingAScopeInADrainFreesItsMinimum(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 20 * s
		p.Register(p.hangs, shutdown.Name("last"))
		scope := p.Scope("tenant")
		scope.Register(nothing, shutdown.Reserve(5*s))
		p.Register(p.hangs, shutdown.Name("hangs"))
		p.Register(func(ctx context.Context) error { return scope.Close(ctx) })
		if got := step(t, p.runs(nothing), "hangs").Took; got != 19*s {
			t.Errorf("the step had %v, want 19 s", got)
		}
	})
}

func TestCloseWithADeadlineCenturiesAhead(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.Register(p.takes(time.Hour))
		ctx, cancel := context.WithDeadline(context.Background(), time.Now().AddDate(1000, 0, 0))
		defer cancel()
		if err := r.Close(ctx); err != nil || p.now() != time.Hour {
			t.Errorf("Close = %v after %v, want nil after an hour", err, p.now())
		}
		p.runs(nothing)
	})
}

// The values are those of the first Close or stop of the scope.
func TestACloseThatJoinsADrainDoesNotChangeTheValues(t *testing.T) {
	inBubble(t, func(p *bubble) {
		type key struct{}
		var got any
		sc := p.Scope("scope")
		sc.Register(func(ctx context.Context) error { got = ctx.Value(key{}); return nil })
		sc.Register(p.takes(2 * s))
		p.at(s, func() { _ = sc.Close(context.WithValue(context.Background(), key{}, "closer")) })
		p.runs(p.takes(0))
		if got != nil {
			t.Errorf("the handler has the value of %q, want that of the program", got)
		}
	})
}

func TestASecondCloseWaits(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("")
		scope.Register(p.takes(5 * s))
		p.at(0, func() { _ = scope.Close(context.Background()) })
		time.Sleep(s)
		if err := scope.Close(context.Background()); err != nil || p.now() != 5*s {
			t.Errorf("Close = %v after %v, want nil after 5 s", err, p.now())
		}
		p.runs(p.takes(10 * s))
	})
}

func TestAScopesHandlersMayCloseOtherScopes(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		older, newer := p.Scope("older"), p.Scope("newer")
		older.Register(j.note("older"))
		newer.Register(func(ctx context.Context) error {
			err := older.Close(ctx)
			j.add("newer")
			return err
		})
		p.runs(nothing)
		j.want(t, "older", "newer")
	})
}

// The minimum of a scope with options is not the sum of its handlers' minimums.
func TestAScopeWithOptionsKeepsItsMinimumWhenAHandlerIsUnregistered(t *testing.T) {
	for name, tt := range map[string]struct {
		terms shutdown.Option
		takes time.Duration
	}{
		"a timeout that is less than the sum": {shutdown.Timeout(s), 900 * ms},
		"a reserve that is more":              {shutdown.Reserve(5 * s), 4500 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				scope := p.Scope("", tt.terms)
				scope.Register(p.takes(tt.takes), shutdown.Name("flush"))
				others := []*shutdown.Registration{scope.Register(nothing), scope.Register(nothing)}
				p.Register(p.hangs)
				p.Register(func(context.Context) error {
					for _, r := range others {
						if !r.Unregister() {
							t.Error("Unregister = false")
						}
					}
					return nil
				})
				report := p.runs(nothing)
				if got := step(t, report, "flush"); got.Outcome != shutdown.OutcomeOK {
					t.Errorf("%v after %v, want ok:\n%v", got.Outcome, got.Took, report)
				}
			})
		})
	}
}

func TestAConcurrentScopeHasTheLargestMinimumAlsoWhenItGrows(t *testing.T) {
	inBubble(t, func(p *bubble) {
		all := p.Scope("all", shutdown.Concurrent())
		inner := all.Scope("inner")
		for _, name := range []string{"1", "2", "3"} {
			inner.Register(p.takes(900*ms), shutdown.Name(name))
		}
		p.Register(p.hangs, shutdown.Name("hangs"))
		p.Register(func(context.Context) error {
			inner.Register(p.takes(900*ms), shutdown.Name("late"))
			return nil
		})
		report := p.runs(nothing)
		for _, name := range []string{"1", "2", "3", "late"} {
			if got := step(t, report, name); got.Outcome != shutdown.OutcomeOK {
				t.Errorf("%s: %v after %v, want ok", name, got.Outcome, got.Took)
			}
		}
		if got := step(t, report, "hangs").Took; got != 21*s {
			t.Errorf("the step had %v, want all but the four seconds of the others", got)
		}
	})
}

func TestAHandlerIsNotShownWithTheStacksOfAnotherThatRunsBesideIt(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("all", shutdown.Concurrent())
		for _, h := range []func(context.Context) error{p.hangs, func(context.Context) error { sleepsHere(); return nil }} {
			// Both handlers have the same name and the same site.
			scope.Register(func(ctx context.Context) error { return h(ctx) }, shutdown.Timeout(s))
		}
		report := p.runs(nothing)
		for _, got := range report.Steps {
			if stuck := strings.Contains(got.Stack, "hangs"); stuck && strings.Contains(got.Stack, "sleepsHere") {
				t.Errorf("the stacks of both:\n%s", got.Stack)
			}
		}
	})
}

func sleepsHere() { time.Sleep(990 * ms) } // until after the other's stacks are taken

// A handler is registered in a scope behind a stuck one that has the whole time of the scope. Its
// minimum is reduced together with those of the handlers after the scope.
func TestALateHandlerBehindAStuckOne(t *testing.T) {
	for name, opts := range map[string][]shutdown.Option{"": nil, "with a timeout that is over": {shutdown.Timeout(10 * s)}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Register(nothing, shutdown.Name("oldest"))
				scope := p.Scope("scope", opts...)
				inner := scope.Scope("inner")
				inner.Register(p.hangs, shutdown.Name("hangs"))
				p.at(5*s, func() { inner.Register(p.takes(200*ms), shutdown.Name("late")) })
				r := p.runs(nothing)
				if opts != nil {
					wantRows(
						t, r,
						row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
						row{shutdown.KindHandler, "hangs", 0, 10 * s, shutdown.OutcomeAbandoned},
						row{shutdown.KindHandler, "late", 10 * s, 0, shutdown.OutcomeSkipped},
						row{shutdown.KindHandler, "oldest", 10 * s, 0, shutdown.OutcomeOK},
					)
					return
				}
				wantRows(
					t, r,
					row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
					row{shutdown.KindHandler, "hangs", 0, 24 * s, shutdown.OutcomeAbandoned},
					row{shutdown.KindHandler, "late", 24 * s, 200 * ms, shutdown.OutcomeOK},
					row{shutdown.KindHandler, "oldest", 24*s + 200*ms, 0, shutdown.OutcomeOK},
				)
			})
		})
	}
}

// A scope that a step of another Coordinator closes is bounded by that step's deadline.
func TestCloseInAStepOfAnotherCoordinator(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var deadline time.Time
		scope := p.another().Scope("theirs")
		scope.Register(func(ctx context.Context) error { deadline, _ = ctx.Deadline(); return nil })
		p.Register(scope.Close, shutdown.Timeout(2*s))
		if err := p.runs(nothing).Err(); err != nil {
			t.Error(err)
		}
		if got := deadline.Sub(p.began); got < s || got > 2*s {
			t.Errorf("its handler has its deadline after %v, want about 2 s", got)
		}
	})
}

// Close takes only the values of a context whose step is over.
func TestCloseWithTheContextOfAStepThatIsOver(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		var old context.Context
		scope := p.Scope("late")
		scope.Register(func(ctx context.Context) error {
			j.add("closed")
			if d, ok := ctx.Deadline(); ctx.Err() != nil || !ok || time.Until(d) < s {
				t.Errorf("its context: %v, deadline %v, %v", ctx.Err(), time.Until(d), ok)
			}
			return nil
		})
		p.Register(func(context.Context) error { return scope.Close(old) })
		p.Register(func(ctx context.Context) error { old = ctx; return nil })
		if err := p.runs(nothing).Err(); err != nil {
			t.Error(err)
		}
		j.want(t, "closed")
	})
}
