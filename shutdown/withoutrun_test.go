package shutdown_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

func TestShutdownOutsideOfARunDrains(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		failure := errors.New("flush failed")
		var j journal
		p.Register(func(ctx context.Context) error {
			j.add("handler")
			if d, ok := ctx.Deadline(); !ok || time.Until(d) > 25*s {
				t.Errorf("deadline in %v, %v", time.Until(d), ok)
			}
			time.Sleep(2 * s)
			return failure
		}, shutdown.Name("handler"))
		p.Start(func(context.Context) error { t.Error("a task was started without a Run"); return nil })
		p.at(s, func() {
			if err := p.Shutdown(context.Background()); !errors.Is(err, failure) || p.now() != 2*s {
				t.Errorf("a second Shutdown = %v at %v, want the report's error at 2 s", err, p.now())
			}
		})
		if err := p.Shutdown(context.Background()); !errors.Is(err, failure) || p.now() != 2*s {
			t.Errorf("Shutdown = %v at %v, want the handler's error at 2 s, without a delay", err, p.now())
		}
		j.want(t, "handler")

		report := p.runs(func(context.Context) error { t.Error("main ran"); return nil })
		got := step(t, report, "main")
		if got.Outcome != shutdown.OutcomeSkipped || got.Err != shutdown.ErrDrained || p.now() != 2*s {
			t.Errorf("Run's main: %v, %v at %v; want skipped, ErrDrained at once", got.Outcome, got.Err, p.now())
		}
		if !errors.Is(report.Err(), shutdown.ErrDrained) || !errors.Is(report.Err(), failure) || !hasStep(report, "handler") {
			t.Errorf("Err = %v, want ErrDrained and the handler's", report.Err())
		}
		if report.ExitCode() != 1 {
			t.Errorf("exit code %d, want 1", report.ExitCode())
		}
	})
}

// If no handler has failed, only main has.
func TestRunAfterADrainThatWentWell(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(nothing)
		if err := p.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		drained := p.Report()
		again := p.runs(nothing)
		if !errors.Is(again.Err(), shutdown.ErrDrained) || again.ExitCode() != 1 {
			t.Errorf("of the Run: %v, exit code %d, want ErrDrained, 1", again.Err(), again.ExitCode())
		}
		if drained.Err() != nil || drained.ExitCode() != 0 {
			t.Errorf("of the drain: %v, exit code %d, want nil, 0", drained.Err(), drained.ExitCode())
		}
	})
}

// A drain without a Run must not panic: it may be the last thing that a program does.
func TestANegativeGraceOutsideOfARunIsLogged(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = -s
		if _, err := p.Plan(); err == nil || !strings.Contains(err.Error(), "Grace -1s") {
			t.Errorf("Plan: %v, want an error that has the value", err)
		}
		p.Register(nothing)
		if err := p.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		if got := p.Report().Grace; got != shutdown.DefaultGrace {
			t.Errorf("grace %v, want the default", got)
		}
		l := lines(t, p.log.String())[0]
		if text, _ := l["error"].(string); l["level"] != "error" || !strings.Contains(text, "Grace -1s") {
			t.Errorf("%v, want an error that has the value", l)
		}
	})
}

func TestASecondRunAfterADrainPanics(t *testing.T) {
	inBubble(t, func(p *bubble) {
		_ = p.Shutdown(context.Background())
		p.runs(nothing)
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		p.runs(nothing)
	})
}

func TestARunDuringADrainWaitsForIt(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.takes(3 * s))
		p.at(0, func() { _ = p.Shutdown(context.Background()) })
		time.Sleep(s)
		report := p.runs(func(context.Context) error { t.Error("main ran"); return nil })
		if got := step(t, report, "main"); got.Outcome != shutdown.OutcomeSkipped || report.Took != 3*s {
			t.Errorf("main: %v, took %v; want skipped, 3 s", got.Outcome, report.Took)
		}
	})
}

func TestSignalsAreCaughtDuringADrainWithoutRun(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs)
		p.signalAt(s, sigint)
		p.signalAt(2*s, sigint)
		_ = p.Shutdown(context.Background())
		if report := p.Report(); !report.Forced || report.Took != 3*s {
			t.Errorf("Forced = %v, took %v; want true, 3 s", report.Forced, report.Took)
		}
	})
}

func TestAStopBeforeRunIsRemembered(t *testing.T) {
	failure := errors.New("no disk")
	for _, tt := range []struct {
		name  string
		cause error
		err   error
	}{
		{"without a cause", nil, nil},
		{"with a signal", &signals.Error{Signal: sigint}, nil},
		{"with a failure", failure, failure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Delay = 10 * s
				p.Stop(tt.cause)
				p.Stop(errors.New("only the first counts"))
				if p.Report() != nil || isClosed(p.Stopping()) || p.Ready() {
					t.Error("before Run: want no report, Stopping open, not Ready")
				}
				called := false
				report := p.runs(func(ctx context.Context) error {
					called = true
					if ctx.Err() != context.Canceled {
						t.Errorf("main's context: Err = %v, want Canceled", ctx.Err())
					}
					if tt.cause != nil && context.Cause(ctx) != tt.cause {
						t.Errorf("main's context: Cause = %v, want %v", context.Cause(ctx), tt.cause)
					}
					return ctx.Err()
				})
				if !called || report.Took != 0 || report.Cause != cmp.Or(tt.cause, shutdown.ErrStopRequested) || !errors.Is(report.Err(), tt.err) {
					t.Errorf("main called: %v, took %v, Cause %v, Err %v", called, report.Took, report.Cause, report.Err())
				}
			})
		})
	}
}

func TestRunWithAContextThatHasEnded(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		ctx, cancel := context.WithCancelCause(context.Background())
		cause := errors.New("over")
		cancel(cause)
		called, handled := false, false
		p.Register(func(ctx context.Context) error { handled = ctx.Err() == nil; return nil })
		report := p.Run(ctx, func(ctx context.Context) error {
			called = true
			if ctx.Err() != context.Canceled || context.Cause(ctx) != cause {
				t.Errorf("main's context: Err = %v, Cause = %v", ctx.Err(), context.Cause(ctx))
			}
			return context.Cause(ctx)
		})
		if !called || !handled || report.Took != 0 || report.Cause != cause || report.Err() != nil {
			t.Errorf("main called: %v, handler with a live context: %v, took %v, Cause %v, Err %v",
				called, handled, report.Took, report.Cause, report.Err())
		}
	})
}

func TestTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		grace, preStop string
		want           time.Duration // 0: main is not run
	}{
		{"", "", 25 * s},
		{"30", "", 28 * s},
		{"60", "15", 43 * s},
		{"3", "", 1500 * ms},
		{"nonsense", "", 0},
		{"-5", "", 0},
		{"0", "", 0},
		{"NaN", "", 0},
		{"30", "x", 0},
		{"30", "30", 0},
		{"30", "-1", 0},
	} {
		t.Run(tt.grace+" less "+tt.preStop, func(t *testing.T) {
			for name, value := range map[string]string{
				"TERMINATION_GRACE_PERIOD_SECONDS": tt.grace, "PRESTOP_SLEEP_SECONDS": tt.preStop,
			} {
				if value != "" {
					t.Setenv(name, value)
				}
			}
			inBubble(t, func(p *bubble) {
				p.Grace = 0
				called, handled := false, false
				p.Register(shutdown.Func(func() { handled = true }))
				report := p.runs(func(context.Context) error { called = true; return nil })
				if tt.want == 0 {
					if called || !handled || report.Err() == nil || report.ExitCode() != 1 {
						t.Errorf("main called: %v, handlers: %v, Err = %v; want only the handlers, and an error", called, handled, report.Err())
					}
					return
				}
				if !called || report.Grace != tt.want {
					t.Errorf("Grace = %v, want %v", report.Grace, tt.want)
				}
			})
		})
	}
}

// Main after a drain without a Run has its exit code.
func TestMainAfterADrain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		_ = p.Shutdown(context.Background())
		if got := p.Main(func(context.Context) error { t.Error("main ran"); return nil }); got != 1 {
			t.Errorf("Main = %d, want 1 since main was skipped", got)
		}
	})
}

// During the delay main may watch the parent instead of its own context. The parent's error is then
// no failure.
func TestMainReturnsTheParentsError(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		parent, cancel := context.WithCancelCause(context.Background())
		p.at(s, func() { cancel(errTest) })
		r := p.Run(parent, func(ctx context.Context) error {
			<-parent.Done()
			if ctx.Err() != nil {
				t.Error("main's context has ended before the delay")
			}
			return context.Cause(parent)
		})
		if err := r.Err(); err != nil {
			t.Errorf("Err() = %v, want nil: to be asked to stop is no error", err)
		}
	})
}

// An exit code counts even if its error answers the request to stop.
func TestMainReturnsAnExcusedErrorWithAnExitCode(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.at(s, func() { p.Stop(nil) })
		r := p.runs(func(ctx context.Context) error { return &shutdown.ExitError{Code: 3, Err: obey(ctx)} })
		if got := step(t, r, "main").Outcome; got != shutdown.OutcomeFailed || r.ExitCode() != 3 {
			t.Errorf("main %v, ExitCode() = %d, want failed, 3", got, r.ExitCode())
		}
	})
}
