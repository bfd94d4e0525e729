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

func TestAStartedTaskOutlivesMainUntilItsTurn(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.takes(s), shutdown.Name("older"))
		p.Start(func(ctx context.Context) error {
			if p.now() != 0 {
				t.Errorf("began at %v", p.now())
			}
			<-ctx.Done()
			if p.now() != 5*s {
				t.Errorf("told at %v, want 5 s, when the handlers registered after it are over", p.now())
			}
			work := group.WorkContext(ctx)
			if work.Err() != nil {
				t.Error("the work context has ended with the request")
			}
			if d, ok := work.Deadline(); !ok || time.Until(d) != 21*s-500*ms {
				t.Errorf("the work context's deadline is in %v, %v; want 20.5 s", time.Until(d), ok)
			}
			time.Sleep(2 * s)
			return ctx.Err()
		}, shutdown.Name("task"))
		p.Register(p.takes(3*s), shutdown.Name("newer"))
		wantRows(t, p.runs(p.takes(2*s)),
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "newer", 0, 3 * s, shutdown.OutcomeOK},
			row{shutdown.KindTask, "task", 3 * s, 2 * s, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "older", 5 * s, s, shutdown.OutcomeOK})
	})
}

func TestAStartedTaskThatEndsEarlyStopsTheProgram(t *testing.T) {
	for _, tt := range []struct {
		name string
		task func(context.Context) error
		want error
		text string
	}{
		{"with nil", func(context.Context) error { time.Sleep(s); return nil }, nil, ""},
		{"with an error", failsAfter(s), errTask, "task failed"},
		{"with a panic", func(context.Context) error { time.Sleep(s); panic("boom") }, nil, "boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Start(tt.task, shutdown.Name("listener"))
				report := p.runs(obey)
				if report.Began.Sub(p.began) != s {
					t.Errorf("began at %v, want 1 s", report.Began.Sub(p.began))
				}
				if tt.text == "" {
					if report.Err() != nil || report.ExitCode() != 0 {
						t.Errorf("Err = %v, exit code %d; want nil, 0", report.Err(), report.ExitCode())
					}
					return
				}
				err := report.Err()
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || report.ExitCode() != 1 {
					p.t.Fatalf("Err = %v, exit code %d; want the task's, 1", err, report.ExitCode())
				}
				if n := strings.Count(err.Error(), tt.text); n != 1 {
					t.Errorf("Err names the failure %d times, want once:\n%v", n, err)
				}
				if !strings.Contains(err.Error(), "listener") {
					t.Errorf("Err = %v, want it to name the task", err)
				}
			})
		})
	}
}

func TestStartWhileMainRunsAndInAHandler(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		task := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				j.add(name + " begins")
				<-ctx.Done()
				j.add(name + " ends")
				return nil
			}
		}
		p.Register(func(ctx context.Context) error {
			p.Start(task("inner"))
			time.Sleep(s)
			j.add("handler ends")
			return nil
		})
		p.runs(func(context.Context) error {
			p.Start(task("outer"))
			time.Sleep(s)
			return nil
		})
		j.want(t, "outer begins", "outer ends", "inner begins", "handler ends", "inner ends")
	})
}

func TestCloseOfAStartedTaskStopsIt(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.runs(func(ctx context.Context) error {
			r := p.Start(func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(2 * s)
				return errTask
			})
			time.Sleep(s)
			if err := r.Close(ctx); !errors.Is(err, errTask) || p.now() != 3*s {
				t.Errorf("Close = %v at %v, want the task's error at 3 s", err, p.now())
			}
			if isClosed(p.Stopping()) {
				t.Error("the program stops")
			}
			return nil
		})
	})
}

func TestCloseOfAStartedTaskBeforeRun(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.Start(func(context.Context) error { t.Error("started"); return nil })
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("Close = %v", err)
		}
		p.runs(nothing)
	})
}

func TestAStuckStartedTask(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(nothing, shutdown.Name("older"))
		p.Start(p.hangs, shutdown.Name("task"), shutdown.Timeout(2*s))
		report := p.runs(nothing)
		got := step(t, report, "task")
		var stuck *group.StuckError
		if got.Outcome != shutdown.OutcomeAbandoned || got.Took != 2*s || !errors.As(got.Err, &stuck) || stuck.Name != "task" ||
			!strings.Contains(stuck.Stack, "hangs") || !strings.Contains(got.Stack, "hangs") {
			t.Errorf("the task: %+v", got)
		}
		if !hasStep(report, "older") {
			t.Error("the drain did not go on")
		}
	})
}
