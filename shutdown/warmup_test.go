package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// starts is a main function that calls Started after the given time.
func starts(after time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(after):
			group.Started(ctx)
			<-ctx.Done()
		case <-ctx.Done():
		}
		return nil
	}
}

// runsGroup is a main function that runs a group with tasks that call Started after the given times.
func runsGroup(after ...time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		var g group.Group
		for i, d := range after {
			g.Go(fmt.Sprint("task ", i+1), starts(d), group.Warmup(0))
		}
		g.Go("plain", obey)
		return g.Run(ctx)
	}
}

func TestReadyWaitsForTheStart(t *testing.T) {
	within := func(f func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			var g group.Group
			g.Go("outer", f)
			return g.Run(ctx)
		}
	}
	for _, tt := range []struct {
		name   string
		warmup time.Duration
		main   func(context.Context) error
		want   string // Ready at 0.5 s, 1.5 s and so on
	}{
		{"without Warmup it is true from the start", 0, obey, "yes yes yes yes"},
		{"main has called Started", 10 * s, starts(2 * s), "no no yes yes"},
		{"a group that main runs has started", 10 * s, runsGroup(s, s), "no no yes yes"},
		{"a group of tasks without Warmup has started at once", 10 * s, runsGroup(), "yes yes yes yes"},
		{"without a limit", math.MaxInt64, starts(3 * s), "no no no yes"},
		{"main has called Started, but a group has not started", 10 * s, func(ctx context.Context) error {
			group.Started(ctx)
			return runsGroup(s, s)(ctx)
		}, "no no yes yes"},
		{"without Warmup, the warm-ups of tasks count", 0, runsGroup(s, s), "no no yes yes"},
		{"and those of groups within them", 0, within(runsGroup(2 * s)), "no no yes yes"},
		{"a warm-up that begins later", 0, func(ctx context.Context) error {
			time.Sleep(s)
			return runsGroup(s)(ctx)
		}, "yes no yes yes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Warmup = tt.warmup
				var got []string
				p.at(s/2, func() {
					for range 4 {
						got = append(got, map[bool]string{true: "yes", false: "no"}[p.Ready()])
						time.Sleep(s)
					}
					p.Stop(nil)
				})
				report := p.runs(tt.main)
				if got := strings.Join(got, " "); got != tt.want {
					t.Errorf("Ready was %s, want %s", got, tt.want)
				}
				if err := report.Err(); err != nil || p.Ready() {
					t.Errorf("Err = %v, Ready = %t; want nil, false", err, p.Ready())
				}
			})
		})
	}
}

func TestWarmupsThatDoNotCountForReady(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Start(runsGroup(time.Hour), shutdown.Name("started task"))
		p.at(s, func() {
			if !p.Ready() {
				t.Error("the program is not ready because of a task of Start or of a hold")
			}
			p.Stop(nil)
		})
		report := p.runs(func(ctx context.Context) error {
			p.Go(ctx, "hold", func(ctx context.Context) error {
				var g group.Group
				g.Go("in a hold", func(ctx context.Context) error { <-time.After(2 * s); return nil }, group.Warmup(0), group.MayFinish())
				return g.Run(ctx)
			})
			return obey(ctx)
		})
		if err := report.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLimitOfMainsStart(t *testing.T) {
	for _, tt := range []struct {
		name string
		main func(p *bubble) func(context.Context) error
		want string // the name in the error
		out  shutdown.Outcome
		took time.Duration
	}{
		{"main hangs", func(*bubble) func(context.Context) error { return obey }, "main", shutdown.OutcomeFailed, 0},
		{"main runs a group whose task hangs", func(*bubble) func(context.Context) error { return runsGroup(s, time.Hour) }, "main/task 2", shutdown.OutcomeFailed, 0},
		{"main runs a group whose task waits to be called again", func(*bubble) func(context.Context) error {
			return running(fails(errTask), group.Warmup(0), group.Restart(group.Policy{Initial: time.Minute, Max: time.Minute}))
		}, "main/worker", shutdown.OutcomeFailed, 0},
		{"a task that main runs does so", func(*bubble) func(context.Context) error {
			return running(running(fails(errTask), group.Warmup(0), group.Restart(group.Policy{Initial: time.Minute, Max: time.Minute})), group.Warmup(0))
		}, "main/worker/worker", shutdown.OutcomeFailed, 0},
		{"main hangs and ignores its context", func(p *bubble) func(context.Context) error { return p.hangs }, "main", shutdown.OutcomeAbandoned, 24 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Warmup, p.Delay = 3*s, 5*s
				p.Register(nothing, shutdown.Name("handler"))
				report := p.runs(tt.main(p))
				var e *group.StartError
				if !errors.As(report.Cause, &e) || e.Name != tt.want || e.Elapsed.Round(time.Microsecond) != 3*s || e.Stack == "" {
					t.Errorf("Cause = %v, want a StartError of %s after 3s with stacks", report.Cause, tt.want)
				}
				main := step(t, report, "main")
				if !errors.As(main.Err, &e) || main.Outcome != tt.out || main.Took.Round(time.Microsecond) != tt.took || main.Stack == "" {
					t.Errorf("main: %v after %v, %v, stack %q; want %v after %v", main.Outcome, main.Took, main.Err, main.Stack, tt.out, tt.took)
				}
				if at := report.Began.Sub(p.began).Round(time.Microsecond); at != 3*s || report.ExitCode() != 1 {
					t.Errorf("the stop began at %v, exit code %d; want 3s, without a delay, and 1", at, report.ExitCode())
				}
				if hasStep(report, "plain") {
					t.Error("the report has a task that was never begun")
				}
				synctest.Wait()
				for _, want := range []string{`"step has not started in time"`, `"waiting for a step to start"`} {
					if !strings.Contains(p.log.String(), want) {
						t.Errorf("the log lacks %s:\n%s", want, p.log)
					}
				}
			})
		})
	}
}

func TestTheStartErrorIsToldAtTheLimit(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var told []string
		p.Observe = func(e shutdown.Event) {
			if r, ok := e.(shutdown.StopRequested); ok {
				var start *group.StartError
				_ = errors.As(r.Cause, &start)
				told = append(told, fmt.Sprint(p.now(), " ", r.Cause, " ", strings.Contains(start.Stack, "hangs")))
			}
		}
		p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("db", p.hangs, group.Warmup(3*s))
			return g.Run(ctx)
		})
		if want := `3s task "db": db had not called group.Started after 3s true`; len(told) != 1 || told[0] != want {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestMainReturnsBeforeItHasStarted(t *testing.T) {
	errOwn := errors.New("no database")
	for _, tt := range []struct {
		name string
		main func(context.Context) error
		want string
	}{
		{"without an error", func(context.Context) error { time.Sleep(s); return nil }, "main returned before it had called group.Started, after 1s"},
		{"with an error", fails(errOwn), "no database"},
		{"without a group's tasks", func(ctx context.Context) error { return new(group.Group).Run(ctx) }, "main returned before it had called group.Started, after 0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Warmup = 3 * s
				report := p.runs(tt.main)
				if err := report.Err(); err == nil || err.Error() != tt.want || report.Cause.Error() != tt.want {
					t.Errorf("Err = %v, Cause = %v; want %s", err, report.Cause, tt.want)
				}
			})
		})
	}
}

func TestAStopInAStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		warmup time.Duration
		told   time.Duration // when the tasks are told, after a signal at 1 s
	}{
		{"there is no delay if Ready was never true", 10 * s, s},
		{"there is one if it was", 0, 6 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Warmup, p.Delay = tt.warmup, 5*s
				var happened journal
				note := func(name string) func(context.Context) error {
					return func(ctx context.Context) error {
						<-ctx.Done()
						happened.add(fmt.Sprint(name, " ", p.now()))
						return nil
					}
				}
				p.Register(func(context.Context) error { happened.add("handler"); return nil }, shutdown.Name("handler"))
				p.signalAt(s, sigterm)
				report := p.runs(func(ctx context.Context) error {
					time.Sleep(time.Nanosecond)
					var g group.Group
					g.Go("a", note("a"))
					g.Go("warm", func(ctx context.Context) error {
						go func() { time.Sleep(2 * s); group.Started(ctx) }()
						return note("warm")(ctx)
					}, group.Warmup(3*s))
					g.Go("b", func(context.Context) error { happened.add("b begins"); return nil })
					return g.Run(ctx)
				})
				time.Sleep(2 * s) // for the goroutine above
				happened.want(t, fmt.Sprint("warm ", tt.told), fmt.Sprint("a ", tt.told), "handler")
				if err := report.Err(); err != nil || hasStep(report, "b") {
					t.Errorf("Err = %v, report\n%v\nwant no error, and no line for b, which was never begun", err, report)
				}
			})
		})
	}
}

func TestTheLimitOfAStartDoesNotApplyOnceAStopWasRequested(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 5 * s
		p.signalAt(s, sigterm)
		report := p.runs(func(ctx context.Context) error {
			time.Sleep(time.Nanosecond)
			var g group.Group
			g.Go("warm", obey, group.Warmup(3*s))
			return g.Run(ctx)
		})
		if err := report.Err(); err != nil || report.Took != 5*s {
			t.Errorf("Err = %v after %v, want nil after the delay of 5s", err, report.Took)
		}
	})
}

func TestQuiesceInAStart(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Warmup, p.Delay = 10*s, 5*s
		p.at(s, func() {
			if d := p.waits(p.Quiesce()); d != 0 {
				t.Errorf("the delay was %v, want none: Ready was never true", d)
			}
			time.Sleep(2 * s) // the start goes on
			if p.Ready() {
				t.Error("Ready is true after Quiesce")
			}
			p.Resume()
			if !p.Ready() {
				t.Error("Ready is false after Resume, although the program has started meanwhile")
			}
			p.Stop(nil)
		})
		report := p.runs(runsGroup(2 * s))
		if err := report.Err(); err != nil || report.Took != 5*s || !hasStep(report, "plain") {
			t.Errorf("Err = %v after %v, want nil after the delay of 5s:\n%v", err, report.Took, report)
		}
	})
}

func TestEventsAndLinesOfAStart(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Warmup = 10 * s
		var events journal
		p.Observe = func(e shutdown.Event) {
			if w, ok := e.(shutdown.Warmed); ok {
				events.add(fmt.Sprint(p.now(), " ", w.Kind, " ", w.Name, " ", w.Took, " ", strings.Contains(w.Site, ".go:")))
			}
		}
		p.at(9*s, func() { p.Stop(nil) })
		p.runs(runsGroup(s, 6*s))
		events.want(t, "1s task task 1 1s true", "7s task task 2 6s true", "7s main main 7s true")
		var got []string
		for _, l := range lines(t, p.log.String()) {
			if m := l["message"].(string); strings.Contains(m, "start") {
				got = append(got, fmt.Sprint(l["level"], " ", m, " ", l["step"], " ", l["elapsed_seconds"], " ", l["remaining_seconds"]))
			}
		}
		want := []string{
			"info waiting for a step to start task 1 1 <nil>",
			"info step started task 1 1 <nil>",
			"info waiting for a step to start task 2 1 <nil>",
			"info waiting for a step to start task 2 2 <nil>",
			"info waiting for a step to start task 2 5 <nil>",
			"info step started task 2 6 <nil>",
			"info step started main 7 <nil>",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") && strings.Join(got, "\n") != strings.Join(want[1:], "\n") { // at 1 s both may be first
			t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestAWarmupThatBeginsWhenTheProgramIsReady(t *testing.T) {
	for _, tt := range []struct {
		name   string
		warmup time.Duration
		main   func(context.Context) error
		want   string // the field set of the warning; "" if there is none
	}{
		{"without Coordinator.Warmup", 0, runsGroup(s, s), "Coordinator.Warmup"},
		{"with it", 5 * s, runsGroup(s, s), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Warmup = tt.warmup
				p.at(4*s, func() { p.Stop(nil) })
				p.runs(func(ctx context.Context) error {
					time.Sleep(time.Nanosecond)
					return tt.main(ctx)
				})
				got, count := "", 0
				for _, l := range lines(t, p.log.String()) {
					if l["message"] == "warm-up began when the program was ready already" {
						got = l["set"].(string)
						count++
					}
				}
				if got != tt.want || count > 1 {
					t.Errorf("%d warnings, the last says to set %q; want %q once", count, got, tt.want)
				}
			})
		})
	}
}

func TestANegativeWarmup(t *testing.T) {
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "Warmup -1s is negative, at ") {
			t.Errorf("the panic is %q", text)
		}
	}()
	(&shutdown.Coordinator{Warmup: -s}).Run(context.Background(), nothing)
}
