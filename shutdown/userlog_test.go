package shutdown_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file tests code of the user that the log and the report call. It may panic, and it may block
// for ever.

func TestAPanicInObserveIsLoggedOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		throw func()
		value string
		last  bool // only in the last event
	}{
		{"a panic", func() { panic("boom") }, "boom", false},
		{"a Goexit", runtime.Goexit, "runtime.Goexit was called", false},
		{"a panic in the last event", func() { panic("boom") }, "boom", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				calls := 0
				p.Observe = func(e shutdown.Event) {
					_, end := e.(shutdown.Drained)
					if end || !tt.last {
						calls++
						throwInObserve(tt.throw)
					}
				}
				p.Register(p.takes(s))
				p.runs(nothing)
				var panics, lost []line
				for _, l := range lines(t, p.log.String()) {
					switch l["message"] {
					case "panic while an event was handled":
						panics = append(panics, l)
					case "events lost by panics":
						lost = append(lost, l)
					case "event queue full, events dropped":
						t.Errorf("a queue was full: %v", l)
					}
				}
				if len(panics) != 1 || panics[0]["level"] != "error" || panics[0]["panic"] != tt.value || panics[0]["queue"] != "observe" ||
					!strings.Contains(fmt.Sprint(panics[0]["stack"]), "throwInObserve") {
					t.Errorf("%v, want one line with the value and the stack", panics)
				}
				if tt.last != (len(lost) == 0) || !tt.last && lost[0]["lost"] != float64(calls-1) {
					t.Errorf("%d calls of Observe panicked, and the log says %v", calls, lost)
				}
			})
		})
	}
}

//go:noinline
func throwInObserve(throw func()) { throw() }

// The log has the stack of a panic of an abandoned step.
func TestAPanicOfAnAbandonedStepIsLoggedWithItsStack(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.takes(2 * s))
		p.Register(func(context.Context) error { time.Sleep(2 * s); throwInObserve(func() { panic("boom") }); return nil },
			shutdown.Name("late"), shutdown.Timeout(s))
		p.runs(nothing)
		for _, l := range lines(t, p.log.String()) {
			if l["message"] == "abandoned step has ended" && strings.Contains(fmt.Sprint(l["stack"]), "throwInObserve") {
				return
			}
		}
		t.Errorf("no line has the stack of the panic:\n%s", p.log)
	})
}

// A panic of the log is logged in lines at which the log does not panic.
func TestAPanicInTheLogIsLogged(t *testing.T) {
	for name, set := range map[string]func(p *bubble, w panicky){
		"zerolog": func(p *bubble, w panicky) { l := zerolog.New(w); p.Logger = &l },
		"slog":    func(p *bubble, w panicky) { p.Slog = slog.New(slog.NewJSONHandler(w, nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				set(p, panicky{p.log, "stopping"})
				p.at(s, func() { p.Stop(nil) })
				p.runs(obey)
				log := p.log.String()
				if !strings.Contains(log, "the log cannot be written") || !strings.Contains(log, "panicky") || !strings.Contains(log, `"stopped"`) {
					t.Errorf("the log is\n%s\nwant the panic, with its stack, and the last line", log)
				}
			})
		})
	}
}

// panicky is a writer that panics at a line with this text.
type panicky struct {
	*buffer
	at string
}

func (w panicky) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(`"`+w.at+`"`)) {
		panic("the log cannot be written")
	}
	return w.buffer.Write(b)
}

// With AddSource a line would have the place where this package writes its log.
func TestALineHasNoSource(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Slog = slog.New(slog.NewJSONHandler(p.log, &slog.HandlerOptions{AddSource: true, Level: slog.LevelDebug}))
		eventful(p)
		for _, l := range lines(t, p.log.String()) {
			if l["source"] != nil {
				t.Fatalf("a line with the source %v: %v", l["source"], l)
			}
		}
	})
}

// A stubborn error blocks if one of its methods is called after the given instant, until the test
// is over.
type stubborn struct {
	p    *bubble
	from time.Duration
}

func (e *stubborn) block() {
	if e.p.now() >= e.from {
		<-e.p.release
	}
}

func (e *stubborn) Error() string    { e.block(); return "stubborn" }
func (e *stubborn) Unwrap() error    { e.block(); return nil }
func (e *stubborn) Is(error) bool    { e.block(); return false }
func (e *stubborn) As(any) bool      { e.block(); return false }
func (e *stubborn) String() string   { return "stubborn" }
func (e *stubborn) GoString() string { return "stubborn" }

// The methods of an error may block for ever. The exit code is known and the process ends without
// them.
func TestErrorsThatBlockDoNotDelayTheEnd(t *testing.T) {
	for name, play := range map[string]func(p *bubble, err error) *shutdown.Report{
		"main's": func(p *bubble, err error) *shutdown.Report {
			return p.runs(func(ctx context.Context) error { <-ctx.Done(); return err })
		},
		"main's, from the start": func(p *bubble, _ error) *shutdown.Report {
			p.Grace = 2 * s
			return p.runs(fails(&stubborn{p, 0}))
		},
		"a task's": func(p *bubble, err error) *shutdown.Report {
			var g group.Group
			g.Go("task", func(ctx context.Context) error { <-ctx.Done(); return err })
			return p.runs(g.Run)
		},
		"a started task's": func(p *bubble, err error) *shutdown.Report {
			p.Start(func(context.Context) error { time.Sleep(s / 2); return err })
			return p.runs(obey)
		},
		"a handler's": func(p *bubble, err error) *shutdown.Report {
			p.Register(fails(err))
			return p.runs(obey)
		},
		"a cause's": func(p *bubble, err error) *shutdown.Report {
			p.at(s/2, func() { p.Stop(err) })
			return p.runs(obey)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Reraise = true
				p.at(s, func() { p.Stop(nil) })
				p.Register(p.takes(s))
				report := play(p, errors.Join(&stubborn{p, 1500 * ms}, &shutdown.ExitError{Code: 3}))
				want := 3
				if strings.HasPrefix(name, "main's, from") || name == "a handler's" {
					want = 1
				}
				if code := report.ExitCode(); code != want || p.now() > 3500*ms {
					t.Errorf("exit code %d at %v; want %d, half a second after the end at the latest", code, p.now(), want)
				}
			})
		})
	}
}

func TestTheTextOfAnExcusedError(t *testing.T) {
	copied := func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("copied 3 of 10 files: %w", ctx.Err())
	}
	for _, tt := range []struct {
		name, step string
		returns    func(ctx context.Context) error
		play       func(p *bubble, f func(context.Context) error)
		want       string
	}{
		{"main's", "main", copied, func(p *bubble, f func(context.Context) error) { p.runs(f) }, "copied 3 of 10 files: context canceled"},
		{"a task's", "task", copied, func(p *bubble, f func(context.Context) error) {
			var g group.Group
			g.Go("task", f)
			p.runs(g.Run)
		}, "copied 3 of 10 files: context canceled"},
		{"a hold's", "hold", copied, func(p *bubble, f func(context.Context) error) {
			p.signalAt(2*s, sigint) // ends its context
			p.Go(context.Background(), "hold", f)
			p.runs(obey)
		}, "copied 3 of 10 files: context canceled"},
		{"a started task's", "started", copied, func(p *bubble, f func(context.Context) error) {
			p.Start(f, shutdown.Name("started"))
			p.runs(obey)
		}, "copied 3 of 10 files: context canceled"},
		{"after a status", "main", func(ctx context.Context) error {
			shutdown.SetStatus(ctx, "7 left")
			return copied(ctx)
		}, func(p *bubble, f func(context.Context) error) { p.runs(f) }, "7 left; copied 3 of 10 files: context canceled"},
		{"the bare end", "main", obey, func(p *bubble, f func(context.Context) error) { p.runs(f) }, ""},
		{
			"the cause", "main", func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
			func(p *bubble, f func(context.Context) error) { p.runs(f) }, "",
		},
		{"a join of both", "main", func(ctx context.Context) error {
			<-ctx.Done()
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}, func(p *bubble, f func(context.Context) error) { p.runs(f) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var ended []string
				p.Observe = func(e shutdown.Event) {
					if e, ok := e.(shutdown.StepEnded); ok && e.Name == tt.step {
						ended = append(ended, e.Status)
					}
				}
				p.signalAt(s, sigterm)
				tt.play(p, tt.returns)
				report := p.Report()
				got := step(t, report, tt.step)
				if got.Outcome != shutdown.OutcomeOK || got.Err != nil || got.Status != tt.want {
					t.Errorf("%v, %v, Status %q; want it OK, with %q", got.Outcome, got.Err, got.Status, tt.want)
				}
				if d := cmp.Diff([]string{tt.want}, ended); d != "" {
					t.Errorf("the event says (-want +got):\n%s", d)
				}
				if text := report.String(); tt.want != "" && !strings.Contains(text, "ok  "+tt.want) {
					t.Errorf("the timeline does not say it:\n%s", text)
				}
				var logged []string
				for _, l := range lines(t, p.log.String()) {
					if l["message"] == "step ended" && l["step"] == tt.step && l["level"] == "info" {
						logged = append(logged, fmt.Sprint(l["progress"]))
					}
				}
				if (tt.want != "") != (len(logged) == 1) || len(logged) == 1 && logged[0] != tt.want {
					t.Errorf("the log says %q, want %q at info", logged, tt.want)
				}
			})
		})
	}
}

// At level info a step that is OK has a line only for the text of an excused error.
func TestTheTextOfAnExcusedErrorIsLoggedAtInfo(t *testing.T) {
	inBubble(t, func(p *bubble) {
		l := p.Logger.Level(zerolog.InfoLevel)
		p.Logger = &l
		p.at(s, func() { p.Stop(nil) })
		p.runs(func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("3 of 10: %w", ctx.Err()) })
		if log := p.log.String(); !strings.Contains(log, `"step":"main","outcome":"ok"`) || !strings.Contains(log, "3 of 10") {
			t.Errorf("the log is\n%s", log)
		}
	})
}

// A step that returns after its deadline or a second signal may have left running what held it up.
func TestWhatAStepHasLeftRunning(t *testing.T) {
	for _, tt := range []struct {
		name    string
		signals int
		want    shutdown.Outcome
	}{
		{"after its deadline", 1, shutdown.OutcomeLate},
		{"after a second signal", 2, shutdown.OutcomeFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var ended shutdown.StepEnded
				p.Observe = func(e shutdown.Event) {
					if e, ok := e.(shutdown.StepEnded); ok && e.Name == "server" {
						ended = e
					}
				}
				for n := range tt.signals {
					p.signalAt(time.Duration(n+1)*s, sigterm)
				}
				report := p.runs(func(ctx context.Context) error {
					var g group.Group
					g.Go("server", func(ctx context.Context) error {
						go p.hangs(ctx)
						<-group.WorkContext(ctx).Done()
						return errTest
					})
					return g.Run(ctx)
				})
				synctest.Wait()
				got := step(t, report, "server")
				if got.Outcome != tt.want || !strings.Contains(got.WaitsFor, "hangs") || !strings.Contains(got.Stack, "hangs") {
					t.Errorf("%v, waits for %q, with the stack %q; want %v, and where the goroutine hangs", got.Outcome, got.WaitsFor, got.Stack, tt.want)
				}
				if ended.WaitsFor != got.WaitsFor || ended.Stack != got.Stack {
					t.Errorf("the event says %q, the report %q", ended.WaitsFor, got.WaitsFor)
				}
				told := 0
				for _, l := range lines(t, p.log.String()) {
					if l["message"] != "step failed" || l["step"] != "server" {
						continue
					}
					told++
					if l["waits_for"] != got.WaitsFor {
						t.Errorf("the line is %v, and the report says %q", l, got.WaitsFor)
					}
				}
				if told != 1 {
					t.Errorf("the log has %d lines of the failure, want 1", told)
				}
			})
		})
	}
}

// A progress line has the stacks of a step that then is late, and leaves nothing running.
func TestALateStepThatLeavesNothing(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error { <-ctx.Done(); return nil }, shutdown.Name("late"))
		got := step(t, p.runs(nothing), "late")
		if !strings.Contains(p.log.String(), `"waits_for"`) {
			t.Error("no progress line says what the step waits for")
		}
		if got.Outcome != shutdown.OutcomeLate || got.WaitsFor != "" || got.Stack != "" {
			t.Errorf("%v, waits for %q, with the stack %q; want late, and nothing", got.Outcome, got.WaitsFor, got.Stack)
		}
	})
}

// The line, the event, the report, its JSON, the timeline and the progress lines say what a stuck
// step waits for, the progress lines from 2 s on. The progress line of a step that has used half of
// its budget is at warn.
func TestWhatAStuckStepWaitsFor(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var ended shutdown.StepEnded
		var budgets []time.Duration
		p.Observe = func(e shutdown.Event) {
			switch e := e.(type) {
			case shutdown.StepEnded:
				if e.Name == "stuck" {
					ended = e
				}
			case shutdown.Waiting:
				for _, w := range e.Steps {
					budgets = append(budgets, w.Budget)
				}
			}
		}
		p.Register(p.takes(s/2), shutdown.Name("waits for the stacks"))
		p.Register(p.hangs, shutdown.Name("stuck"), shutdown.Timeout(8*s))
		p.Register(nothing, shutdown.Name("fine"))
		report := p.runs(nothing)
		synctest.Wait()
		got := step(t, report, "stuck")
		if !strings.Contains(got.WaitsFor, "chan receive") || !strings.Contains(got.WaitsFor, "hangs") || strings.Contains(got.WaitsFor, "\n") {
			t.Errorf("WaitsFor = %q", got.WaitsFor)
		}
		if step(t, report, "fine").WaitsFor != "" {
			t.Error("a step that is OK waits for something")
		}
		if ended.WaitsFor != got.WaitsFor {
			t.Errorf("the event says %q, the report %q", ended.WaitsFor, got.WaitsFor)
		}
		if d := cmp.Diff([]time.Duration{8 * s, 8 * s, 8 * s}, budgets); d != "" {
			t.Errorf("budgets in progress events (-want +got):\n%s", d)
		}
		b, _ := json.Marshal(report)
		quoted, _ := json.Marshal(got.WaitsFor)
		if want := `"waits_for":` + string(quoted); !bytes.Contains(b, []byte(want)) || !strings.Contains(p.log.String(), want) {
			t.Errorf("%s is not in the JSON or the log", want)
		}
		if !strings.Contains(report.String(), "waits for "+got.WaitsFor) {
			t.Errorf("the timeline does not say it:\n%v", report)
		}
		var levels []string
		for _, l := range lines(t, p.log.String()) {
			if l["message"] == "waiting for a step" {
				levels = append(levels, fmt.Sprint(l["level"], " ", l["elapsed_seconds"], " ", l["waits_for"] != nil))
			}
		}
		if d := cmp.Diff([]string{"info 1 false", "info 2 true", "warn 5 true"}, levels); d != "" {
			t.Errorf("progress lines (-want +got):\n%s", d)
		}
	})
}
