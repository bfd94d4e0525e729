package shutdown_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// If a service ends because a task returned nil too early, the cause names the task.
func TestATaskThatEndsIsTheCause(t *testing.T) {
	for name, main := range map[string]func(p *bubble) func(context.Context) error{
		"of main's group": func(*bubble) func(context.Context) error {
			return func(ctx context.Context) error {
				var g group.Group
				g.Go("server", obey)
				g.Go("consumer", func(context.Context) error { time.Sleep(s); return nil })
				return g.Run(ctx)
			}
		},
		"started": func(p *bubble) func(context.Context) error {
			p.Start(func(context.Context) error { time.Sleep(s); return nil }, shutdown.Name("consumer"))
			return obey
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				report := p.runs(main(p))
				var ended *group.EndedError
				if !errors.As(report.Cause, &ended) || ended.Name != "consumer" {
					t.Errorf("Cause = %v, want that the task consumer has ended", report.Cause)
				}
				if report.Err() != nil || report.ExitCode() != 0 {
					t.Errorf("Err = %v, exit code %d; want nil, 0: it is no failure", report.Err(), report.ExitCode())
				}
				if log := p.log.String(); !strings.Contains(log, `consumer`) || !strings.Contains(log, "MayFinish") {
					t.Errorf("the log does not name the task, or what MayFinish is for:\n%s", log)
				}
			})
		})
	}
}

// If a task ends because a task of a group within it has ended, both are named.
func TestATaskThatEndsInAGroupWithinIsNamed(t *testing.T) {
	inner := func(ctx context.Context) error {
		var g group.Group
		g.Go("other", obey)
		g.Go("consumer", func(context.Context) error { time.Sleep(s); return nil })
		return g.Run(ctx)
	}
	for name, main := range map[string]func(p *bubble) func(context.Context) error{
		"of main's group": func(*bubble) func(context.Context) error {
			return func(ctx context.Context) error {
				var g group.Group
				g.Go("server", obey)
				g.Go("tenant", inner)
				return g.Run(ctx)
			}
		},
		"started": func(p *bubble) func(context.Context) error {
			p.Start(inner, shutdown.Name("tenant"))
			return obey
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var ended *group.EndedError
				if r := p.runs(main(p)); !errors.As(r.Cause, &ended) || ended.Name != "tenant/consumer" {
					t.Errorf("Cause = %v, want that tenant/consumer has ended", r.Cause)
				}
			})
		})
	}
}

// No step in the report begins before t0, even if its own end began the stop.
func TestNoStepBeginsBeforeTheStopThatItCauses(t *testing.T) {
	fails := func(context.Context) error { return errors.New("broken") }
	for name, main := range map[string]func(context.Context) error{
		"main":                     nothing,
		"a task of main's group":   groupOf(fails),
		"the group within another": groupOf(groupOf(fails)),
	} {
		logger := zerolog.Nop()
		c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &logger} // outside of a bubble, so that the clock goes on
		for _, s := range c.Run(t.Context(), main).Steps {
			if s.Start < 0 {
				t.Errorf("%s: %s begins at %v, before t0", name, s.Name, s.Start)
			}
		}
	}
}

// The last group that main has run counts.
func TestATaskThatEndedLongAgoIsNotTheCause(t *testing.T) {
	inBubble(t, func(p *bubble) {
		report := p.runs(func(ctx context.Context) error {
			var first group.Group
			first.Go("migration", nothing)
			_ = first.Run(ctx)
			var second group.Group
			second.Go("batch", nothing, group.MayFinish())
			return second.Run(ctx)
		})
		if report.Cause != shutdown.ErrReturned {
			t.Errorf("Cause = %v, want that main returned", report.Cause)
		}
	})
}

// After the request a task that has done its work ends only itself: load balancers still send
// requests.
func TestATaskThatEndsAfterTheRequestEndsAlone(t *testing.T) {
	for name, announce := range map[string]func(p *bubble){
		"in the delay":           func(p *bubble) { p.at(s, func() { p.Stop(nil) }) },
		"after the announcement": func(p *bubble) { p.at(s, func() { p.Quiesce() }); p.at(11*s, func() { p.Stop(nil) }) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Delay = 10 * s
				announce(p)
				p.Start(func(context.Context) error { time.Sleep(3 * s); return nil }, shutdown.Name("started"))
				report := p.runs(func(ctx context.Context) error {
					var g group.Group
					g.Go("http", func(ctx context.Context) error {
						<-ctx.Done()
						if p.now() != 11*s {
							t.Errorf("the server was told at %v, want at 11 s", p.now())
						}
						return nil
					})
					g.Go("batch", func(context.Context) error { time.Sleep(2 * s); return nil })
					return g.Run(ctx)
				})
				if report.Cause != shutdown.ErrStopRequested || report.Err() != nil {
					t.Errorf("Cause = %v, Err = %v; want the request, nil", report.Cause, report.Err())
				}
			})
		})
	}
}

// A task that fails still ends the delay.
func TestATaskThatFailsAfterTheRequestEndsTheDelay(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		p.at(s, func() { p.Stop(nil) })
		report := p.runs(groupOf(obey, failsAfter(2*s)))
		if report.Took != s || !errors.Is(report.Err(), errTask) {
			t.Errorf("took %v, Err = %v; want 1 s and the failure", report.Took, report.Err())
		}
	})
}

func TestStepsThatCloseEachOther(t *testing.T) {
	for name, ring := range map[string]int{"two": 2, "three": 3} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				tasks := make([]*shutdown.Registration, ring)
				refused := 0
				for i := range tasks {
					tasks[i] = p.Start(func(ctx context.Context) error {
						time.Sleep(time.Duration(1+i) * s)
						switch err := tasks[(i+1)%ring].Close(ctx); err {
						case nil:
						case shutdown.ErrInProgress:
							if i != ring-1 || p.now() != time.Duration(ring)*s {
								t.Errorf("task %d was refused at %v", i, p.now())
							}
							refused++
						default:
							t.Errorf("Close by task %d = %v", i, err)
						}
						return nil
					})
				}
				report := p.runs(p.takes(10 * s))
				if refused != 1 || report.Err() != nil {
					t.Errorf("%d were refused, Err = %v; want the last, which closed the ring, and nil", refused, report.Err())
				}
			})
		})
	}
}

// In a bubble a step returns exactly at its deadline.
func TestAStepThatReturnsAtItsDeadlineIsLate(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.at(s, func() { p.Stop(nil) })
		p.Register(func(ctx context.Context) error { <-ctx.Done(); return nil }, shutdown.Name("handler"), shutdown.Timeout(2*s))
		report := p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("task", func(ctx context.Context) error { <-group.WorkContext(ctx).Done(); return nil })
			return g.Run(ctx)
		})
		for _, name := range []string{"task", "handler"} {
			if got := step(t, report, name); got.Outcome != shutdown.OutcomeLate || !errors.Is(got.Err, shutdown.ErrGrace) {
				t.Errorf("%s: %v, %v; want late", name, got.Outcome, got.Err)
			}
		}
		if report.ExitCode() != 1 {
			t.Errorf("exit code %d, want 1", report.ExitCode())
		}
	})
}

// These errors are no failures: zap's Sync of a terminal, a child process that was killed as
// intended.
func TestExpectedErrors(t *testing.T) {
	expected := errors.New("inappropriate ioctl for device")
	other := errors.New("disk full")
	for _, tt := range []struct {
		name string
		err  error
		code int
	}{
		{"the error", expected, 0},
		{"wrapped", errors.Join(expected, context.Canceled), 1}, // a handler was not asked to stop
		{"joined with another", errors.Join(expected, other), 1},
		{"another", other, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Register(func(context.Context) error { return tt.err }, shutdown.Expect(expected))
				if report := p.runs(nothing); report.ExitCode() != tt.code {
					t.Errorf("exit code %d, %v; want %d", report.ExitCode(), report.Err(), tt.code)
				}
			})
		})
	}
	t.Run("of a task only when it was asked", func(t *testing.T) {
		for code, end := range map[int]time.Duration{0: s, 1: 10 * s} {
			inBubble(t, func(p *bubble) {
				p.at(end, func() { p.Stop(nil) })
				p.Start(func(ctx context.Context) error {
					select {
					case <-ctx.Done():
					case <-time.After(5 * s):
					}
					return expected
				}, shutdown.Expect(expected))
				if report := p.runs(obey); report.ExitCode() != code {
					t.Errorf("asked at %v: exit code %d, %v; want %d", end, report.ExitCode(), report.Err(), code)
				}
			})
		}
	})
}
