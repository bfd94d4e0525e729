package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A stuck is a handler that never returns, and the budget that it has.
type stuck struct {
	opts []shutdown.Option
	want time.Duration
}

func times(n int, s stuck) []stuck {
	all := make([]stuck, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func TestBudgets(t *testing.T) {
	timeout, reserve := shutdown.Timeout, shutdown.Reserve
	opts := func(o ...shutdown.Option) []shutdown.Option { return o }
	for _, tt := range []struct {
		name         string
		grace, delay time.Duration
		handlers     []stuck // newest first
	}{
		{"one handler has the whole grace period", 25 * s, 0, []stuck{{nil, 25 * s}}},
		{"a handler leaves a second to each after it", 25 * s, 0, append([]stuck{{nil, 16 * s}}, times(9, stuck{nil, s})...)},
		{"many share half of the grace period", 10 * s, 0, append([]stuck{{nil, 10*s - 19*250*ms}}, times(19, stuck{nil, 250 * ms})...)},
		{"the delay is part of the grace period", 30 * s, 10 * s, append([]stuck{{nil, 14 * s}}, times(6, stuck{nil, s})...)},
		{"a timeout leaves the rest to the next", 10 * s, 0, []stuck{{opts(timeout(2 * s)), 2 * s}, {nil, 7 * s}, {nil, s}}},
		{"a timeout below the floor frees what it does not use", 10 * s, 0, []stuck{{nil, 9900 * ms}, {opts(timeout(100 * ms)), 100 * ms}}},
		{"a reserve is kept back", 10 * s, 0, []stuck{{nil, 5 * s}, {opts(reserve(4 * s)), 4 * s}, {nil, s}}},
		{"a reserve below the floor changes nothing", 10 * s, 0, []stuck{{nil, 9 * s}, {opts(reserve(10 * ms)), s}}},
		{"a reserve never exceeds the timeout", 10 * s, 0, []stuck{{nil, 8 * s}, {opts(reserve(4*s), timeout(2*s)), 2 * s}}},
		{"a very short grace period is shared too", 100 * ms, 0, []stuck{{nil, 75 * ms}, {nil, 25 * ms}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Grace, p.Delay = tt.grace, tt.delay
				for i := len(tt.handlers) - 1; i >= 0; i-- {
					p.Register(p.hangs, tt.handlers[i].opts...)
				}
				// With a delay the stop has to come from outside. Main is then a step of the plan,
				// which takes no time.
				main := nothing
				if tt.delay > 0 {
					main = obey
					p.at(1, func() { p.Stop(nil) })
				}
				report := p.runs(main)

				want, at := make([]row, 0), tt.delay
				want = append(want, row{Kind: shutdown.KindMain, Name: "main", Start: at})
				for _, h := range tt.handlers {
					want = append(want, row{shutdown.KindHandler, report.Steps[1].Name, at, h.want, shutdown.OutcomeAbandoned})
					at += h.want
				}
				wantRows(t, report, want...)
				if report.Took != at {
					t.Errorf("Took = %v, want %v", report.Took, at)
				}
				if report.Took > tt.grace {
					t.Errorf("Took = %v, more than Grace", report.Took)
				}
			})
		})
	}
}

func TestTimeThatIsNotUsedGoesToTheNext(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		p.Register(p.hangs, shutdown.Name("second"))
		p.Register(p.takes(3*s), shutdown.Name("first"))
		wantRows(t, p.runs(nothing),
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "first", 0, 3 * s, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "second", 3 * s, 7 * s, shutdown.OutcomeAbandoned})
	})
}

func TestReservesThatExceedTheGracePeriodAreReduced(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		p.Register(p.hangs, shutdown.Name("b"), shutdown.Reserve(6*s))
		p.Register(p.hangs, shutdown.Name("a"), shutdown.Reserve(6*s))
		p.Register(p.hangs, shutdown.Name("plain"))
		report := p.runs(nothing)

		// 9/10 of 10 s for minimums of 6 + 6 + 1 s.
		reduced := func(d time.Duration) time.Duration { return d * 9 / 13 }
		for name, want := range map[string]time.Duration{
			"plain": 10*s - 2*reduced(6*s), "a": reduced(6 * s), "b": reduced(6 * s),
		} {
			if got := step(t, report, name).Took; (got - want).Abs() > time.Microsecond {
				t.Errorf("%s took %v, want %v", name, got, want)
			}
		}
		if report.Took > 10*s || report.Took < 10*s-time.Microsecond {
			t.Errorf("Took = %v, want 10 s", report.Took)
		}
		if n := strings.Count(p.log.String(), "reserves exceed the time left; all reduced in proportion"); n != 1 {
			t.Errorf("scaling was logged %d times, want once:\n%s", n, p.log)
		}
	})
}

func TestMinimumsWithinNineTenthsAreNotReduced(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		p.Register(p.hangs, shutdown.Name("b"), shutdown.Reserve(8*s))
		p.Register(p.hangs, shutdown.Name("a"))
		report := p.runs(nothing)
		if got := step(t, report, "a").Took; got != 2*s {
			t.Errorf("a took %v, want 2 s", got)
		}
		if strings.Contains(p.log.String(), "reserves exceed the time left; all reduced in proportion") {
			t.Errorf("scaling was logged:\n%s", p.log)
		}
	})
}

func TestMargins(t *testing.T) {
	for _, tt := range []struct{ budget, margin time.Duration }{
		{20 * ms, 10 * ms},   // never more than half
		{50 * ms, 25 * ms},   // at least 25 ms
		{100 * ms, 25 * ms},  //
		{500 * ms, 25 * ms},  // 5 %
		{2 * s, 100 * ms},    //
		{10 * s, 500 * ms},   // at most half a second
		{100 * s, 500 * ms},  //
		{1 * ms, 500 * 1000}, //
	} {
		t.Run(fmt.Sprint(tt.budget), func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Grace = time.Hour
				ends, deadlines := make(chan time.Duration, 1), make(chan time.Duration, 1)
				p.Register(func(ctx context.Context) error {
					start := time.Now()
					d, ok := ctx.Deadline()
					if !ok {
						t.Error("the handler's context has no deadline")
					}
					deadlines <- d.Sub(start)
					<-ctx.Done()
					ends <- time.Since(start)
					return p.hangs(ctx)
				}, shutdown.Timeout(tt.budget), shutdown.Name("h"))
				report := p.runs(nothing)
				want := tt.budget - tt.margin
				if ended, deadline := <-ends, <-deadlines; ended != want || deadline != want {
					t.Errorf("context ended after %v, deadline after %v, want %v", ended, deadline, want)
				}
				if got := step(t, report, "h"); got.Took != tt.budget || got.Outcome != shutdown.OutcomeAbandoned {
					t.Errorf("abandoned after %v as %v, want %v", got.Took, got.Outcome, tt.budget)
				}
			})
		})
	}
}

func TestOutcomesByTime(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = time.Minute
		failure := errors.New("flush failed")
		register := func(name string, after time.Duration, err error) {
			p.Register(func(context.Context) error {
				time.Sleep(after)
				return err
			}, shutdown.Name(name), shutdown.Timeout(s))
		}
		register("late and failed", 999*ms, failure)
		register("late", 960*ms, nil)
		register("in time", 949*ms, nil)
		p.Register(p.hangs, shutdown.Name("stuck"), shutdown.Timeout(s))
		report := p.runs(nothing)

		wantRows(t, report,
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "stuck", 0, s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "in time", s, 949 * ms, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "late", 1949 * ms, 960 * ms, shutdown.OutcomeLate},
			row{shutdown.KindHandler, "late and failed", 2909 * ms, 999 * ms, shutdown.OutcomeLate})
		for _, name := range []string{"late", "late and failed", "stuck"} {
			err := step(t, report, name).Err
			if !errors.Is(err, shutdown.ErrGrace) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error of %q is %v, want one that wraps ErrGrace", name, err)
			}
		}
		if err := step(t, report, "late and failed").Err; !errors.Is(err, failure) {
			t.Errorf("the error of a late step is %v, want it to wrap what it returned", err)
		}
	})
}

func TestNothingIsStartedAfterTheGracePeriod(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		p.Register(func(ctx context.Context) error {
			// It uses the whole grace period, and no time is left for the handlers after it.
			p.Register(nothing, shutdown.Name("too late 1"))
			p.Register(nothing, shutdown.Name("too late 2"))
			return p.hangs(ctx)
		}, shutdown.Name("hangs"))
		report := p.runs(nothing)
		wantRows(t, report,
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "hangs", 0, 10 * s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "too late 2", 10 * s, 0, shutdown.OutcomeSkipped},
			row{shutdown.KindHandler, "too late 1", 10 * s, 0, shutdown.OutcomeSkipped})
		if err := step(t, report, "too late 1").Err; !errors.Is(err, shutdown.ErrGrace) {
			t.Errorf("the error of a skipped step is %v, want it to wrap ErrGrace", err)
		}
	})
}

func TestMainHoldsAndHandlersShareTheGracePeriod(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 20 * s
		p.Register(p.hangs, shutdown.Name("second"))
		p.Register(p.hangs, shutdown.Name("first"))
		p.at(1, func() {
			p.Hold("held")
			p.Stop(nil)
		})
		report := p.runs(p.hangs)
		// Main and the hold have the time left, less two seconds for the two handlers.
		wantRows(t, report,
			row{shutdown.KindMain, "main", 0, 18 * s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHold, "held", 0, 18 * s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "first", 18 * s, s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "second", 19 * s, s, shutdown.OutcomeAbandoned})
	})
}

func TestALateRegistrationHasItsMinimum(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 20 * s
		p.Register(p.hangs, shutdown.Name("last"))
		p.Register(func(context.Context) error {
			p.Register(p.hangs, shutdown.Name("late"))
			return nil
		}, shutdown.Name("registers"))
		report := p.runs(nothing)
		wantRows(t, report,
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "registers", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "late", 0, 19 * s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "last", 19 * s, s, shutdown.OutcomeAbandoned})
	})
}

func TestUnregisteringFreesTheMinimum(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 20 * s
		p.Register(p.hangs, shutdown.Name("last"))
		gone := p.Register(p.hangs, shutdown.Reserve(5*s))
		p.Register(p.hangs, shutdown.Name("hangs"))
		p.Register(shutdown.Func(func() { gone.Unregister() }), shutdown.Name("unregisters"))
		report := p.runs(nothing)
		if got := step(t, report, "hangs").Took; got != 19*s {
			t.Errorf("the step had %v, want 19 s", got)
		}
	})
}

func TestHandlersOfTheReportAreInOrderOfTheirStart(t *testing.T) {
	inBubble(t, func(p *bubble) {
		for i := range 5 {
			p.Register(p.takes(s), shutdown.Name(fmt.Sprint(i)))
		}
		var names []string
		for _, st := range p.runs(nothing).Steps {
			names = append(names, st.Name)
		}
		if d := cmp.Diff([]string{"main", "4", "3", "2", "1", "0"}, names); d != "" {
			t.Errorf("names (-want +got):\n%s", d)
		}
	})
}

func TestAGracePeriodWithoutEnd(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = math.MaxInt64
		p.Register(p.takes(time.Hour), shutdown.Name("slow"))
		report := p.runs(p.takes(s))
		if got := step(t, report, "slow"); got.Outcome != shutdown.OutcomeOK || got.Took != time.Hour {
			t.Errorf("the handler: %v after %v, want ok after an hour", got.Outcome, got.Took)
		}
		if report.Grace < time.Hour {
			t.Errorf("Grace = %v", report.Grace)
		}
	})
}

func TestAMainThatWaitsForItsStuckTasksIsNotLate(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.at(1, func() { p.Stop(nil) })
		report := p.runs(func(ctx context.Context) error {
			_ = groupOf(p.hangs)(ctx)
			time.Sleep(ms) // after its deadline
			return nil
		})
		if got := step(t, report, "main"); got.Outcome != shutdown.OutcomeOK {
			t.Errorf("main: %v, want ok: the time went to its task", got.Outcome)
		}
	})
}
