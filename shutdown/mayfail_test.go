package shutdown_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// The program is asked to stop at 10 s, and its delay lasts 10 s.
func TestMayFailInAProgram(t *testing.T) {
	for _, when := range []struct {
		name  string
		at    time.Duration
		start time.Duration // of the line
		took  time.Duration
	}{
		{"before the delay", 3 * s, -7 * s, 0},
		{"during the delay", 14 * s, 4 * s, 0},
		{"after the delay", 22 * s, 10 * s, 2 * s},
	} {
		for _, f := range failures {
			t.Run("a failure "+when.name+" by "+f.name, func(t *testing.T) {
				inBubble(t, func(p *bubble) {
					p.Delay = 10 * s
					p.signalAt(10*s, sigterm)
					var toldAt time.Duration
					r := p.runs(func(ctx context.Context) error {
						var g group.Group
						g.Go("other", func(ctx context.Context) error {
							<-ctx.Done()
							toldAt = p.now()
							return nil
						})
						g.Go("worker", func(ctx context.Context) error {
							time.Sleep(when.at)
							return f.fail(ctx)
						}, group.MayFail())
						return g.Run(ctx)
					})
					if want := max(20*s, when.at); toldAt != want {
						t.Errorf("the group stops the other task at %v, want %v", toldAt, want)
					}
					worker := step(t, r, "worker")
					if worker.Start != when.start || worker.Took != when.took || worker.Outcome != f.outcome || !errors.Is(worker.Err, f.err) {
						t.Errorf("the line of the task is %+v, want %v from %v, %v", worker, f.outcome, when.start, f.err)
					}
					if r.ExitCode() != 1 || !errors.Is(r.Err(), f.err) || !strings.Contains(r.Cause.Error(), "terminated") {
						t.Errorf("exit code %d, %v, cause %v; want 1, %v, the signal", r.ExitCode(), r.Err(), r.Cause, f.err)
					}
					failed := find(lines(t, p.log.String()), "step failed")
					if failed["level"] != "error" || failed["step"] != "worker" || failed["outcome"] != f.outcome.String() {
						t.Errorf("the line of the log is %v", failed)
					}
				})
			})
		}
	}
	t.Run("counts for the exit status even if main returns nil", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.signalAt(s, sigterm)
			run := running(fails(errTask), group.MayFail())
			r := p.runs(func(ctx context.Context) error { _ = run(ctx); return nil })
			if r.ExitCode() != 1 || !errors.Is(r.Err(), errTask) {
				t.Errorf("exit code %d, %v; want 1, %v", r.ExitCode(), r.Err(), errTask)
			}
		})
	})
	t.Run("has the line of a group in a task", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.signalAt(s, sigterm)
			r := p.runs(running(running(fails(errTask), group.MayFail())))
			if first := r.Steps[0]; first.Name != "worker" || first.Start != -s || first.Outcome != shutdown.OutcomeFailed {
				t.Errorf("the first step is %+v, want the worker's failure at -1s", first)
			}
		})
	})
	t.Run("has no line for an error that Shutdown has returned", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.signalAt(2*s, sigterm)
			r := p.runs(func(ctx context.Context) error {
				var g group.Group
				task := g.Go("worker", func(ctx context.Context) error { <-ctx.Done(); return errTask }, group.MayFail())
				g.Go("other", obey)
				p.at(s, func() { _ = task.Shutdown(context.Background()) })
				return g.Run(ctx)
			})
			if hasStep(r, "worker") || r.ExitCode() != 0 {
				t.Errorf("exit code %d, want 0 and no worker:\n%v", r.ExitCode(), r)
			}
		})
	})
	t.Run("has a line relative to the stop that follows, not to an announcement", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.at(2*s, func() { p.Quiesce() })
			p.at(4*s, func() {
				if r := p.Report(); r == nil || step(t, r, "worker").Start != -s {
					t.Errorf("the report after the announcement is\n%v", r)
				}
				p.Resume()
			})
			p.signalAt(10*s, sigterm)
			r := p.runs(running(func(context.Context) error { time.Sleep(s); return errTask }, group.MayFail()))
			if start := step(t, r, "worker").Start; start != -9*s {
				t.Errorf("Start = %v, want -9s", start)
			}
		})
	})
}

func TestAThousandFailuresBeforeTheStop(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.at(2*s, func() { p.Stop(nil) })
		r := p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("other", obey)
			go func() {
				for i := range 1000 {
					g.Go(fmt.Sprint(i), fails(errTask), group.MayFail())
					time.Sleep(ms)
				}
			}()
			return g.Run(ctx)
		})
		synctest.Wait()
		if len(r.Steps) != 102 || r.MoreFailures != 900 || r.Steps[0].Name != "0" || r.Steps[99].Name != "99" || r.Steps[100].Name != "main" {
			t.Errorf("%d steps, %d more; want 100 failures, main and the other task, 900 more:\n%v", len(r.Steps), r.MoreFailures, r)
		}
		if r.ExitCode() != 1 {
			t.Errorf("exit code %d, want 1", r.ExitCode())
		}
		const more = "900 more failures before the stop"
		if text := r.String(); !strings.Contains(text, "\n  "+more) {
			t.Errorf("the report has no line %q:\n%s", more, text)
		}
		const ofGroup = "group: 900 more tasks with MayFail have failed"
		if text := r.Err().Error(); !strings.HasSuffix(text, "\n"+ofGroup) || strings.Contains(text, more) {
			t.Errorf("the error does not end with %q, or has %q as well:\n%s", ofGroup, more, text)
		}
		var j struct {
			More int `json:"more_failures"`
		}
		if text, err := json.Marshal(r); err != nil || json.Unmarshal(text, &j) != nil || j.More != 900 {
			t.Errorf("more_failures = %d, %v; want 900", j.More, err)
		}
		all := lines(t, p.log.String())
		for _, l := range all {
			if l["level"] == "error" && l["step"] == "main" {
				t.Errorf("the log has the failures once more, in %v", l)
			}
		}
		if last := find(all, "stopped with failures"); last["more_failures"] != 900.0 {
			t.Errorf("the last line is %v, want more_failures 900", last)
		}
	})
}

// The group is not main's, so main's error does not count the failures of its tasks.
func TestAThousandFailuresInATaskOfStart(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.at(2*s, func() { p.Stop(nil) })
		p.Start(func(ctx context.Context) error {
			var g group.Group
			g.Go("other", obey)
			for i := range 1000 {
				g.Go(fmt.Sprint(i), fails(errTask), group.MayFail())
			}
			_ = g.Run(ctx)
			return nil
		}, shutdown.Name("started"))
		const more = "\n900 more failures before the stop"
		if text := p.runs(obey).Err().Error(); !strings.HasSuffix(text, more) {
			t.Errorf("the error does not end with %q:\n%s", more, text)
		}
	})
}
