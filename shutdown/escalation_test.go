package shutdown_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

func TestASecondSignalLeavesMinimums(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("c"), shutdown.Reserve(3*s))
		p.Register(func(ctx context.Context) error {
			if ctx.Err() != nil {
				t.Error("a step still to come has no live context")
			}
			<-ctx.Done()
			if context.Cause(ctx) != shutdown.ErrGrace || p.now() != 5300*ms {
				t.Errorf("ended at %v because of %v, want 5.3 s and ErrGrace", p.now(), context.Cause(ctx))
			}
			return p.hangs(ctx)
		}, shutdown.Name("b"))
		p.Register(func(ctx context.Context) error {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			for _, c := range []context.Context{ctx, child} {
				var sig *signals.Error
				if c.Err() != context.Canceled || !errors.As(context.Cause(c), &sig) || sig.Signal != sigterm {
					t.Errorf("Err = %v, Cause = %v; want Canceled and the second signal", c.Err(), context.Cause(c))
				}
			}
			if p.now() != 3350*ms {
				t.Errorf("ended at %v, want the second signal, 3.35 s", p.now())
			}
			return p.hangs(ctx)
		}, shutdown.Name("a"))
		p.signalAt(s, sigint)
		p.signalAt(3350*ms, sigterm)
		report := p.runs(obey)
		if !report.Forced {
			t.Error("Forced = false")
		}
		wantRows(t, report,
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "a", 0, 2350*ms + s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "b", 3350 * ms, s, shutdown.OutcomeAbandoned},
			row{shutdown.KindHandler, "c", 4350 * ms, 3 * s, shutdown.OutcomeAbandoned})
	})
}

func TestAHandlerThatReturnsAtTheSecondSignalIsExcused(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		p.signalAt(s, sigint)
		p.signalAt(2*s, sigint)
		if report := p.runs(obey); report.Err() != nil || report.ExitCode() != 0 || report.Took != s {
			t.Errorf("Err = %v, exit code %d, took %v; want nil, 0, 1 s", report.Err(), report.ExitCode(), report.Took)
		}
	})
}

func TestASecondSignalDuringTheDelay(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		p.signalAt(s, sigint)
		p.signalAt(3*s, sigint)
		report := p.runs(func(ctx context.Context) error {
			work := group.WorkContext(ctx)
			<-work.Done()
			var sig *signals.Error
			if p.now() != 3*s || ctx.Err() != context.Canceled || !errors.As(context.Cause(work), &sig) {
				t.Errorf("at %v: Err = %v, Cause of the work context = %v; want 3 s, both contexts ended by the signal",
					p.now(), ctx.Err(), context.Cause(work))
			}
			return p.hangs(ctx)
		})
		wantRows(t, report, row{shutdown.KindMain, "main", 2 * s, s, shutdown.OutcomeAbandoned})
	})
}

func TestASecondSignalDuringMain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("h"))
		p.at(0, func() { p.Hold("held") })
		var g group.Group
		g.Go("older", p.hangs)
		g.Go("newer", func(ctx context.Context) error {
			work := group.WorkContext(ctx)
			<-work.Done()
			if p.now() != 4*s {
				t.Errorf("the work context ended at %v, want the second signal, 4 s", p.now())
			}
			return p.hangs(ctx)
		})
		p.signalAt(s, sigint)
		p.signalAt(4*s, sigint)
		report := p.runs(g.Run)
		// Main's minimum is a second, and its deadline 50 ms earlier. The tasks share that time.
		end := 3*s + 950*ms
		newer, older := step(t, report, "newer"), step(t, report, "older")
		if newer.Took != 3*s+475*ms || older.Start+older.Took != end {
			t.Errorf("the tasks ended at %v and %v, want 3.475 s and %v", newer.Took, older.Start+older.Took, end)
		}
		if got := step(t, report, "held"); got.Took != 4*s || got.Outcome != shutdown.OutcomeAbandoned {
			t.Errorf("the hold: %v after %v, want abandoned after 4 s", got.Outcome, got.Took)
		}
		if got := step(t, report, "main"); got.Outcome == shutdown.OutcomeAbandoned {
			t.Error("main was abandoned, though its group was not stuck")
		}
		if got := step(t, report, "h"); got.Took != s {
			t.Errorf("the handler had %v, want 1 s", got.Took)
		}
	})
}

// A step may pass a function that blocks for ever to its context's AfterFunc method. It does not
// block the steps or the signals.
func TestAnAfterFuncThatBlocksDelaysNothing(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var code int
		var at time.Duration
		shutdown.SetExit(p.Coordinator, func(c int) { code, at = c, p.now(); <-p.release })
		p.Register(p.hangs, shutdown.Reserve(3*s)) // its minimum is not over at the third signal
		for k := range 3 {
			p.signalAt(time.Duration(k+1)*s, sigterm)
		}
		go p.runs(func(ctx context.Context) error {
			ctx.(interface {
				AfterFunc(f func()) (stop func() bool)
			}).AfterFunc(func() { <-p.release })
			return obey(ctx)
		})
		time.Sleep(4 * s)
		synctest.Wait()
		if code != 143 || at != 3*s {
			t.Errorf("exit code %d at %v; want 143 at 3 s, with the third signal", code, at)
		}
	})
}

func TestASecondSignalReachesAScopeThatIsBeingClosed(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("tenant")
		scope.Register(func(ctx context.Context) error {
			<-ctx.Done()
			var sig *signals.Error
			if p.now() != 4*s || !errors.As(context.Cause(ctx), &sig) {
				t.Errorf("ended at %v because of %v, want the second signal, at 4 s", p.now(), context.Cause(ctx))
			}
			return nil
		}, shutdown.Name("of the tenant"))
		p.at(s, func() { _ = scope.Close(context.Background()) })
		p.signalAt(2*s, sigint)
		p.signalAt(4*s, sigint)
		if report := p.runs(obey); report.Took != 2*s {
			t.Errorf("took %v, want until the second signal, 2 s", report.Took)
		}
	})
}

func TestDuplicateSignalsAreIgnored(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("h"))
		for _, at := range []time.Duration{0, 1, 100, 200} { // of the first
			p.signalAt(s+at*ms, sigint)
		}
		report := p.runs(obey)
		if report.Forced || report.Took != 25*s {
			t.Errorf("Forced = %v, took %v; want false, 25 s", report.Forced, report.Took)
		}
	})
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("h"))
		p.signalAt(s, sigint)
		p.signalAt(s+150*ms, sigint) // an echo does not push the limit back
		p.signalAt(s+201*ms, sigint)
		p.signalAt(s+400*ms, sigint) // of the second
		report := p.runs(obey)
		if !report.Forced || report.Took != 201*ms+s {
			t.Errorf("Forced = %v, took %v; want true, 1.201 s", report.Forced, report.Took)
		}
	})
}

func TestAFirstSignalAfterAnotherRequestCountsAsTheFirst(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("h"))
		p.at(s, func() { p.Stop(nil) })
		p.signalAt(2*s, sigint)
		p.at(3*s, func() {
			if p.Report().Forced {
				t.Error("forced by the first signal")
			}
		})
		p.signalAt(4*s, sigint)
		report := p.runs(obey)
		if !report.Forced || report.Took != 4*s || report.Cause != shutdown.ErrStopRequested {
			t.Errorf("Forced = %v, took %v, Cause = %v; want true, 4 s, that a stop was requested", report.Forced, report.Took, report.Cause)
		}
	})
}

func TestTheThirdSignalExits(t *testing.T) {
	for _, tt := range []struct {
		name string
		sig  syscall.Signal
		want int
	}{{"SIGINT", sigint, 130}, {"SIGTERM", sigterm, 143}} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				code, when := make(chan int, 1), make(chan time.Duration, 1)
				shutdown.SetExit(p.Coordinator, func(n int) {
					code <- n
					when <- p.now()
					runtime.Goexit()
				})
				p.Register(p.hangs, shutdown.Name("b"), shutdown.Reserve(10*s))
				p.Register(p.hangs, shutdown.Name("a"))
				p.signalAt(s, sigint)
				p.signalAt(2*s, sigint)
				p.signalAt(2200*ms, sigint) // an echo
				p.signalAt(2900*ms, tt.sig)
				p.runs(obey)
				if got, at := <-code, <-when; got != tt.want || at != 2900*ms {
					t.Errorf("exit(%d) at %v, want exit(%d) at once, 2.9 s", got, at, tt.want)
				}
				if log := p.log.String(); !strings.Contains(log, `"message":"still running"`) || !strings.Contains(log, `"step":"a"`) {
					t.Errorf("who is still running is not in the log:\n%s", log)
				}
			})
		})
	}
}

func TestTheThirdSignalWaitsAtMost100MillisecondsForItsLines(t *testing.T) {
	inBubble(t, func(p *bubble) {
		when := make(chan time.Duration, 1)
		shutdown.SetExit(p.Coordinator, func(int) {
			when <- p.now()
			runtime.Goexit()
		})
		p.Observe = func(shutdown.Event) { <-p.release }
		p.Register(p.hangs)
		p.signalAt(s, sigint)
		p.signalAt(2*s, sigint)
		p.signalAt(2500*ms, sigint)
		p.runs(obey)
		if got := <-when; got != 2600*ms {
			t.Errorf("exit at %v, want 2.6 s", got)
		}
	})
}

func TestSignalsThatAreNotTheFirstOfAStopDoNotChangeItsCause(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.takes(5 * s))
		p.signalAt(s, sigint)
		p.signalAt(2*s, sigterm)
		var sig *signals.Error
		if report := p.runs(obey); !errors.As(report.Cause, &sig) || sig.Signal != sigint {
			t.Errorf("Cause = %v, want the first signal", report.Cause)
		}
	})
}

func TestASecondSignalReachesAllConcurrentHandlers(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("older"))
		scope := p.Scope("all", shutdown.Concurrent())
		obeys := func(ctx context.Context) error {
			<-ctx.Done()
			if p.now() != 3*s {
				t.Errorf("ended at %v, want the second signal, 3 s", p.now())
			}
			return ctx.Err()
		}
		scope.Register(obeys)
		scope.Register(obeys)
		scope.Register(p.hangs, shutdown.Name("stuck"))
		nested := scope.Scope("one by one")
		nested.Register(p.hangs, shutdown.Name("second"))
		nested.Register(p.hangs, shutdown.Name("first"))
		p.signalAt(s, sigint)
		p.signalAt(3*s, sigint)
		report := p.runs(obey)
		for name, want := range map[string]row{
			"stuck": {Start: 0, Took: 3 * s}, "first": {Start: 0, Took: 3 * s}, "second": {Start: 3 * s, Took: s},
			"older": {Start: 4 * s, Took: s},
		} {
			if got := step(t, report, name); got.Start != want.Start || got.Took != want.Took {
				t.Errorf("%s: from %v for %v, want from %v for %v", name, got.Start, got.Took, want.Start, want.Took)
			}
		}
	})
}
