package shutdown_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// failures are the ways in which a task fails.
var failures = []struct {
	name    string
	fail    func(context.Context) error
	err     error
	outcome shutdown.Outcome
}{
	{"an error", fails(errTask), errTask, shutdown.OutcomeFailed},
	{"a panic", func(context.Context) error { panic(errTask) }, errTask, shutdown.OutcomePanicked},
	{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, group.ErrGoexit, shutdown.OutcomeGoexited},
}

// failing returns a task that fails the first n times, and then obeys.
func failing(n int, fail func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if n--; n >= 0 {
			return fail(ctx)
		}
		return obey(ctx)
	}
}

// running returns a main function that runs a group with the task and with another one.
func running(task func(context.Context) error, opts ...group.Option) func(context.Context) error {
	var g group.Group
	g.Go("worker", task, opts...)
	g.Go("other", obey)
	return g.Run
}

func TestRestartedTask(t *testing.T) {
	for _, f := range failures {
		t.Run("that fails by "+f.name+" is no failure of the program", func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.signalAt(time.Minute, sigterm)
				r := p.runs(running(failing(3, f.fail), group.Restart(group.Policy{})))
				worker := step(t, r, "worker")
				if r.ExitCode() != 0 || r.Err() != nil || worker.Outcome != shutdown.OutcomeOK || worker.Start != 0 {
					t.Errorf("exit code %d, %v, worker %v at %v; want 0, nil, ok, 0", r.ExitCode(), r.Err(), worker.Outcome, worker.Start)
				}
				if worker.Restarts != 3 || !errors.Is(worker.LastErr, f.err) {
					t.Errorf("Restarts = %d, LastErr = %v; want 3, %v", worker.Restarts, worker.LastErr, f.err)
				}
				if other := step(t, r, "other"); other.Restarts != 0 || other.LastErr != nil {
					t.Errorf("other: Restarts = %d, LastErr = %v; want 0, nil", other.Restarts, other.LastErr)
				}
			})
		})
		t.Run("that fails by "+f.name+" too often stops the program", func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				r := p.runs(running(failing(100, f.fail), group.Restart(group.Policy{Limit: 4})))
				worker := step(t, r, "worker")
				if r.ExitCode() != 1 || !errors.Is(r.Cause, f.err) || worker.Outcome != f.outcome {
					t.Errorf("exit code %d, cause %v, worker %v; want 1, %v, %v", r.ExitCode(), r.Cause, worker.Outcome, f.err, f.outcome)
				}
				if worker.Restarts != 4 || !errors.Is(worker.LastErr, f.err) || !errors.Is(worker.Err, f.err) {
					t.Errorf("Restarts = %d, LastErr = %v, Err = %v; want 4, %v, the same", worker.Restarts, worker.LastErr, worker.Err, f.err)
				}
			})
		})
	}
	t.Run("that waits when the program stops has a line, ends at once, and did not fail", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.signalAt(2*s, sigterm)
			r := p.runs(func(ctx context.Context) error {
				var g group.Group
				g.Go("worker", fails(errTask), group.Restart(group.Policy{Initial: time.Hour}))
				g.Go("slow", func(ctx context.Context) error { <-ctx.Done(); return p.takes(5 * s)(ctx) })
				return g.Run(ctx)
			})
			wantRows(t, r,
				row{shutdown.KindMain, "main", 0, 5 * s, shutdown.OutcomeOK},
				row{shutdown.KindTask, "worker", 0, 0, shutdown.OutcomeOK},
				row{shutdown.KindTask, "slow", 0, 5 * s, shutdown.OutcomeOK})
			if worker := step(t, r, "worker"); worker.Restarts != 1 || worker.LastErr != errTask || r.ExitCode() != 0 {
				t.Errorf("Restarts = %d, LastErr = %v, exit code %d; want 1, %v, 0", worker.Restarts, worker.LastErr, r.ExitCode(), errTask)
			}
		})
	})
	t.Run("is called again during the delay", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.Delay = 10 * s
			began := p.now()
			p.signalAt(s, sigterm)
			calls := 0
			r := p.runs(running(func(ctx context.Context) error {
				calls++
				if p.now()-began < 6*s {
					return p.fail(ctx, 2*s)
				}
				return obey(ctx)
			}, group.Restart(group.Policy{})))
			if calls < 3 || r.Took != 10*s || r.ExitCode() != 0 {
				t.Errorf("called %d times, took %v, exit code %d; want more than 2, 10s, 0", calls, r.Took, r.ExitCode())
			}
		})
	})
	t.Run("survives Quiesce and Resume", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			p.Delay = s
			p.at(s, func() { p.Quiesce() })
			p.at(5*s, func() { p.Resume() })
			p.signalAt(time.Hour, sigterm)
			calls := 0
			r := p.runs(running(func(ctx context.Context) error {
				if calls++; calls == 1 {
					return errTask
				}
				return obey(ctx)
			}, group.Restart(group.Policy{Initial: time.Minute})))
			if calls != 2 || r.ExitCode() != 0 {
				t.Errorf("called %d times, exit code %d; want 2, 0", calls, r.ExitCode())
			}
		})
	})
	t.Run("that is abandoned is never called again", func(t *testing.T) {
		inBubble(t, func(p *bubble) {
			var calls atomic.Int32
			release := make(chan struct{})
			p.signalAt(s, sigterm)
			r := p.runs(running(func(context.Context) error {
				calls.Add(1)
				<-release
				return errTask
			}, group.Restart(group.Policy{Limit: -1})))
			close(release)
			time.Sleep(time.Hour)
			if o := step(t, r, "worker").Outcome; calls.Load() != 1 || o != shutdown.OutcomeAbandoned {
				t.Errorf("called %d times, %v; want once, abandoned", calls.Load(), o)
			}
		})
	})
}

// fail returns errTask after the given time.
func (p *bubble) fail(ctx context.Context, after time.Duration) error {
	_ = p.takes(after)(ctx)
	return errTask
}

func TestRestartedIsTold(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var told []shutdown.Restarted
		var at []time.Duration
		p.Observe = func(e shutdown.Event) {
			if r, ok := e.(shutdown.Restarted); ok {
				told, at = append(told, r), append(at, p.now())
			}
		}
		var calls []time.Duration
		p.signalAt(time.Minute, sigterm)
		task := failing(2, func(context.Context) error { panic(errTask) })
		r := p.runs(running(func(ctx context.Context) error {
			calls = append(calls, p.now())
			return task(ctx)
		}, group.Restart(group.Policy{})))
		if len(told) != 2 || len(calls) != 3 {
			t.Fatalf("events %+v, calls at %v; want two, and three", told, calls)
		}
		for i, e := range told {
			if e.Kind != shutdown.KindTask || e.Name != "worker" || !strings.HasPrefix(e.Site, "shutdown/restart_test.go:") || e.Count != i+1 || !errors.Is(e.Err, errTask) {
				t.Errorf("event %d = %+v", i, e)
			}
			if at[i] != calls[i] || at[i]+e.In != calls[i+1] {
				t.Errorf("event %d comes at %v with In %v; the calls are at %v", i, at[i], e.In, calls)
			}
		}
		var logged []line
		for _, l := range lines(t, p.log.String()) {
			if l["message"] == "step failed, it will be called again" {
				logged = append(logged, l)
			}
		}
		if len(logged) != 2 {
			t.Fatalf("%d lines, want 2:\n%s", len(logged), p.log)
		}
		for i, l := range logged {
			if l["level"] != "warn" || l["step"] != "worker" || l["error"] != "panic: task failed" || l["restarts"] != float64(i+1) ||
				l["kind"] != "task" || l["wait_seconds"] == nil || !strings.Contains(l["stack"].(string), "restart_test.go") {
				t.Errorf("line %d = %v", i, l)
			}
		}
		wantText := "2 restarts, last after: panic: task failed"
		if text := r.String(); !strings.Contains(text, wantText) {
			t.Errorf("the report has no %q:\n%s", wantText, text)
		}
	})
}

func TestRestartsInTheLogAndTheJSON(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.runs(running(failing(100, fails(errTask)), group.Restart(group.Policy{Limit: 2})))
		var j struct {
			Steps []map[string]any `json:"steps"`
		}
		text, err := json.Marshal(r)
		if err == nil {
			err = json.Unmarshal(text, &j)
		}
		if err != nil {
			t.Fatal(err)
		}
		logged := lines(t, p.log.String())
		for _, fields := range []map[string]any{j.Steps[1], find(logged, "step failed")} {
			got := map[string]any{"restarts": fields["restarts"], "last_error": fields["last_error"], "error": fields["error"]}
			if d := cmp.Diff(map[string]any{"restarts": 2.0, "last_error": errTask.Error(), "error": errTask.Error()}, got); d != "" {
				t.Errorf("the line of the task (-want +got):\n%s\n%v", d, fields)
			}
		}
	})
}

// find returns the first line with this message.
func find(all []line, message string) line {
	for _, l := range all {
		if l["message"] == message {
			return l
		}
	}
	return nil
}
