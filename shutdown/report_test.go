package shutdown_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

func TestBeingAskedToStopIsNoError(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  func(ctx context.Context) error
		want bool // excused
	}{
		{"nil", func(context.Context) error { return nil }, true},
		{"the context's error", context.Context.Err, true},
		{"its cause", context.Cause, true},
		{"wrapped", func(ctx context.Context) error { return fmt.Errorf("worker: %w", ctx.Err()) }, true},
		{"wrapped twice", func(ctx context.Context) error { return fmt.Errorf("a: %w", fmt.Errorf("b: %w", context.Cause(ctx))) }, true},
		{"a join of both", func(ctx context.Context) error { return errors.Join(ctx.Err(), context.Cause(ctx)) }, true},
		{"a join with another", func(ctx context.Context) error { return errors.Join(ctx.Err(), errTask) }, false},
		{"two wrapped, one another", func(ctx context.Context) error { return fmt.Errorf("%w: %w", errTask, ctx.Err()) }, false},
		{"another error", func(context.Context) error { return errTask }, false},
		{"a deadline of its own", func(context.Context) error { return context.DeadlineExceeded }, false},
		{"an error that says that it is context.Canceled", func(context.Context) error { return canceledToo{} }, true},
		{"one such, wrapped", func(context.Context) error { return fmt.Errorf("dial: %w", canceledToo{}) }, true},
		{"one such that wraps another", func(context.Context) error { return canceledWraps{errTask} }, false},
		{"a join with one such", func(context.Context) error { return errors.Join(canceledToo{}, errTask) }, false},
	} {
		for where, main := range map[string]func(p *bubble, f func(context.Context) error) func(context.Context) error{
			"main": func(_ *bubble, f func(context.Context) error) func(context.Context) error { return f },
			"task": func(_ *bubble, f func(context.Context) error) func(context.Context) error { return groupOf(f) },
			"started task": func(p *bubble, f func(context.Context) error) func(context.Context) error {
				p.Start(f)
				return obey
			},
		} {
			t.Run(where+" returns "+tt.name, func(t *testing.T) {
				inBubble(t, func(p *bubble) {
					p.signalAt(s, sigterm)
					report := p.runs(main(p, func(ctx context.Context) error {
						<-ctx.Done()
						return tt.err(ctx)
					}))
					if (report.Err() == nil) != tt.want || (report.ExitCode() == 0) != tt.want {
						t.Errorf("Err = %v, exit code %d; excused: want %v", report.Err(), report.ExitCode(), tt.want)
					}
				})
			})
		}
	}
}

// orRequested returns the cause that a Stop with err has.
func orRequested(cause error) error {
	if cause == nil {
		return shutdown.ErrStopRequested
	}
	return cause
}

// canceledWraps is an error whose Is says that it is context.Canceled, and that wraps another
// error.
type canceledWraps struct{ error }

func (canceledWraps) Is(target error) bool { return target == context.Canceled }
func (c canceledWraps) Unwrap() error      { return c.error }

type canceledToo struct{}

func (canceledToo) Error() string        { return "canceled, among other things" }
func (canceledToo) Is(target error) bool { return target == context.Canceled }

func TestAStepsOwnDeadlineIsNeverExcused(t *testing.T) {
	for name, result := range map[string]func(context.Context) error{"Err": context.Context.Err, "Cause": context.Cause} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Register(func(ctx context.Context) error {
					<-ctx.Done()
					time.Sleep(ms)
					return result(ctx)
				}, shutdown.Timeout(s))
				p.signalAt(s, sigterm)
				if report := p.runs(obey); !errors.Is(report.Err(), shutdown.ErrGrace) || report.ExitCode() != 1 {
					t.Errorf("Err = %v, exit code %d; want ErrGrace, 1", report.Err(), report.ExitCode())
				}
			})
		})
	}
}

func TestStopCauses(t *testing.T) {
	failure := errors.New("disk full")
	for _, tt := range []struct {
		name  string
		cause error
		want  error
		code  int
	}{
		{"nil", nil, nil, 0},
		{"a signal", &signals.Error{Signal: sigint}, nil, 0},
		{"context.Canceled", context.Canceled, nil, 0},
		{"another error", failure, failure, 1},
		{"a failure joined with a signal", errors.Join(failure, &signals.Error{Signal: sigint}), failure, 1},
		{"a failure that wraps a signal as well", fmt.Errorf("%w after %w", failure, &signals.Error{Signal: sigint}), failure, 1},
		{"context.DeadlineExceeded", context.DeadlineExceeded, context.DeadlineExceeded, 1},
		{"an exit code", &shutdown.ExitError{Code: 3}, &shutdown.ExitError{}, 3},
		{"an exit code with an error", &shutdown.ExitError{Code: 3, Err: failure}, failure, 3},
		{"the exit code 0", &shutdown.ExitError{}, nil, 0},
		{"the exit code 0 with an error", &shutdown.ExitError{Err: failure}, failure, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.at(s, func() { p.Stop(tt.cause) })
				report := p.runs(obey)
				err := report.Err()
				var exit *shutdown.ExitError
				switch {
				case tt.want == nil && err != nil:
					t.Errorf("Err = %v, want nil", err)
				case tt.want != nil && !errors.Is(err, tt.want) && !errors.As(err, &exit):
					t.Errorf("Err = %v, want %v", err, tt.want)
				}
				if report.ExitCode() != tt.code || report.Cause != orRequested(tt.cause) {
					t.Errorf("exit code %d, Cause = %v; want %d and the cause of Stop", report.ExitCode(), report.Cause, tt.code)
				}
			})
		})
	}
}

func TestExitCodes(t *testing.T) {
	panics := func(context.Context) error { panic("boom") }
	exits := func(code int, err error) func(context.Context) error {
		return fails(&shutdown.ExitError{Code: code, Err: err})
	}
	for _, tt := range []struct {
		name    string
		main    func(*bubble) func(context.Context) error
		handler func(context.Context) error
		reraise bool
		signal  bool
		want    int
	}{
		{name: "clean", want: 0},
		{name: "main fails", main: only(fails(errTask)), want: 1},
		{name: "a handler fails", handler: fails(errTask), want: 1},
		{name: "a handler panics", handler: panics, want: 1},
		{name: "main panics", main: only(panics), want: 2},
		{name: "main returns an ExitError", main: only(exits(7, nil)), want: 7},
		{name: "wrapped", main: only(fails(fmt.Errorf("x: %w", &shutdown.ExitError{Code: 7}))), want: 7},
		{name: "from a task", main: only(groupOf(exits(7, nil))), want: 7},
		{name: "with an error", main: only(exits(7, errTask)), handler: fails(errTask), want: 7},
		{name: "the code 0", main: only(exits(0, nil)), want: 0},
		{name: "the code 0 with an error", main: only(exits(0, errTask)), want: 1},
		{name: "a nil ExitError that is not nil", main: only(func(context.Context) error {
			var e *shutdown.ExitError
			return e
		}), want: 1},
		{name: "the code 0 and a failing handler", main: only(exits(0, nil)), handler: fails(errTask), want: 1},
		{name: "Exit and main panics after", main: func(p *bubble) func(context.Context) error {
			return func(context.Context) error {
				p.Go(context.Background(), "", func(context.Context) error { p.Exit(5); return nil })
				time.Sleep(ms)
				panic("boom")
			}
		}, want: 2},
		{name: "Exit before an ExitError", main: func(p *bubble) func(context.Context) error {
			return func(context.Context) error {
				p.Go(context.Background(), "", func(context.Context) error { p.Exit(5); return nil })
				time.Sleep(ms)
				return &shutdown.ExitError{Code: 7}
			}
		}, want: 5},
		{name: "Exit(0) does not hide a failure", main: func(p *bubble) func(context.Context) error {
			return func(context.Context) error { p.Exit(0); return nil }
		}, handler: fails(errTask), want: 1},
		{name: "a signal", signal: true, want: 0},
		{name: "a signal with Reraise", signal: true, reraise: true, want: 130},
		{name: "a signal with Reraise and a failure", signal: true, reraise: true, handler: fails(errTask), want: 1},
		{name: "a signal with Reraise and an ExitError", signal: true, reraise: true, main: func(*bubble) func(context.Context) error {
			return func(ctx context.Context) error { <-ctx.Done(); return &shutdown.ExitError{Code: 9} }
		}, want: 9},
		{name: "Reraise without a signal", reraise: true, want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Reraise = tt.reraise
				main := nothing
				if tt.signal {
					main = obey
					p.signalAt(s, sigint)
				}
				if tt.main != nil {
					main = tt.main(p)
				}
				if tt.handler != nil {
					p.Register(tt.handler)
				}
				if report := p.runs(main); report.ExitCode() != tt.want {
					t.Errorf("exit code %d, want %d:\n%v", report.ExitCode(), tt.want, report)
				}
			})
		})
	}
}

func only(f func(context.Context) error) func(*bubble) func(context.Context) error {
	return func(*bubble) func(context.Context) error { return f }
}

func TestEachOutcomeButOKIsAFailure(t *testing.T) {
	for o := shutdown.OutcomeOK; o <= shutdown.OutcomeSkipped; o++ {
		r := shutdown.Report{Steps: []shutdown.Step{{Kind: shutdown.KindHandler, Name: "h", Outcome: o, Err: errTask}}}
		if o == shutdown.OutcomeOK {
			r.Steps[0].Err = nil
		}
		want := 1
		if o == shutdown.OutcomeOK {
			want = 0
		}
		if (r.Err() == nil) != (want == 0) || r.ExitCode() != want {
			t.Errorf("%v: Err = %v, exit code %d; want %d", o, r.Err(), r.ExitCode(), want)
		}
	}
	leaks := shutdown.Report{Leaks: []shutdown.Leak{{Step: "h", Count: 3}}}
	if leaks.Err() != nil || leaks.ExitCode() != 0 {
		t.Errorf("leaks: Err = %v, exit code %d; want nil, 0", leaks.Err(), leaks.ExitCode())
	}
}

// aReport has one of everything, at fixed times.
func aReport() *shutdown.Report {
	return &shutdown.Report{
		Cause: &signals.Error{Signal: sigterm}, Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Took: 12300 * ms, Grace: 25 * s, Delay: 5 * s, Forced: true,
		Steps: []shutdown.Step{
			{Kind: shutdown.KindMain, Name: "main", Site: "app/main.go:9", Start: 5 * s, Took: 1500 * ms},
			{Kind: shutdown.KindTask, Name: "http", Site: "app/main.go:20", Start: 5 * s, Took: 1200 * time.Microsecond},
			{Kind: shutdown.KindHold, Name: "callback", Site: "app/hold.go:3", Start: 5 * s, Took: 900, Outcome: shutdown.OutcomeFailed, Err: errTask},
			{
				Kind: shutdown.KindHandler, Name: "flush", Site: "app/db.go:7", Start: 6500 * ms, Took: 5 * s,
				Outcome: shutdown.OutcomeAbandoned, Err: errors.New("still running\nand more"), Stack: "goroutine 1",
				Status: "3 rows left", WaitsFor: "sync.Mutex.Lock in db.flush (db.go:9)",
			},
		},
		Leaks: []shutdown.Leak{{Step: "http", Count: 2, Stack: "2 goroutines"}},
	}
}

func TestReportString(t *testing.T) {
	want := `stopped with failures in 12.30s of 25.00s: received signal terminated, after a second signal
    +5.00s     1.50s  main     main      ok
    +5.00s     1.2ms  task     http      ok
    +5.00s       0µs  hold     callback  failed     task failed (app/hold.go:3)
    +6.50s     5.00s  handler  flush     abandoned  waits for sync.Mutex.Lock in db.flush (db.go:9); 3 rows left; still running (and 1 line more) (app/db.go:7)
  left behind by http: 2 goroutines`
	if d := cmp.Diff(want, aReport().String()); d != "" {
		t.Errorf("String (-want +got):\n%s", d)
	}
}

func TestReportStringOfSimpleEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		report *shutdown.Report
		want   string
	}{
		{"empty", &shutdown.Report{}, "stopped in 0s of 0s"},
		{"main returned", &shutdown.Report{Grace: s, Cause: shutdown.ErrReturned}, "stopped in 0s of 1.00s: main returned"},
		{"a stop was requested", &shutdown.Report{Cause: shutdown.ErrStopRequested, Forced: true}, "stopped in 0s of 0s: stop requested, after a second signal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _, _ := strings.Cut(tt.report.String(), "\n"); got != tt.want {
				t.Errorf("String starts %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("a status of two lines", func(t *testing.T) {
		r := &shutdown.Report{Steps: []shutdown.Step{{Kind: shutdown.KindTask, Name: "queue", Status: "3 jobs\n2 more"}}}
		if got := r.String(); strings.Count(got, "\n") != 1 {
			t.Errorf("String = %q, want one line a step", got)
		}
	})
	t.Run("a failed step without an error", func(t *testing.T) {
		r := &shutdown.Report{Steps: []shutdown.Step{{Kind: shutdown.KindHandler, Name: "made by hand", Outcome: shutdown.OutcomeFailed}}}
		if got := r.String(); !strings.Contains(got, "made by hand") { // no panic
			t.Errorf("String = %q", got)
		}
		if err := r.Err(); err == nil {
			t.Error("Err = nil")
		}
	})
}

func TestReportJSON(t *testing.T) {
	b, err := json.Marshal(aReport())
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	want := object{
		"cause": "received signal terminated", "began": "2026-01-02T03:04:05Z", "took_seconds": 12.3, "grace_seconds": 25.0,
		"delay_seconds": 5.0, "forced": true, "exit_code": 1.0,
		"error": aReport().Err().Error(),
		"steps": []any{
			object{"kind": "main", "name": "main", "site": "app/main.go:9", "start_seconds": 5.0, "took_seconds": 1.5, "outcome": "ok"},
			object{"kind": "task", "name": "http", "site": "app/main.go:20", "start_seconds": 5.0, "took_seconds": 0.0012, "outcome": "ok"},
			object{
				"kind": "hold", "name": "callback", "site": "app/hold.go:3", "start_seconds": 5.0, "took_seconds": 9e-7,
				"outcome": "failed", "error": "task failed",
			},
			object{
				"kind": "handler", "name": "flush", "site": "app/db.go:7", "start_seconds": 6.5, "took_seconds": 5.0,
				"outcome": "abandoned", "error": "still running\nand more", "stack": "goroutine 1",
				"progress": "3 rows left", "waits_for": "sync.Mutex.Lock in db.flush (db.go:9)",
			},
		},
		"leaks": []any{object{"step": "http", "count": 2.0, "stack": "2 goroutines"}},
	}
	if d := cmp.Diff(any(want), got); d != "" {
		t.Errorf("JSON (-want +got):\n%s", d)
	}
}

func TestKindsAndOutcomesAreTextInJSON(t *testing.T) {
	type both struct {
		K shutdown.StepKind
		O shutdown.Outcome
	}
	kinds := []string{"main", "task", "hold", "handler"}
	outcomes := []string{"ok", "failed", "panicked", "goexited", "late", "abandoned", "skipped"}
	for o, outcome := range outcomes {
		want := both{shutdown.StepKind(o % len(kinds)), shutdown.Outcome(o)}
		b, err := json.Marshal(want)
		if text := fmt.Sprintf(`{"K":%q,"O":%q}`, kinds[o%len(kinds)], outcome); err != nil || string(b) != text {
			t.Errorf("Marshal = %s, %v; want %s", b, err, text)
		}
	}
	if got := shutdown.Outcome(99).String(); got != "Outcome(99)" {
		t.Errorf("String = %q", got)
	}
}

func TestReportInZerolog(t *testing.T) {
	var b bytes.Buffer
	l := zerolog.New(&b)
	l.Info().Object("shutdown", aReport()).Send()
	var line struct {
		Shutdown struct {
			Cause    string
			Took     float64 `json:"took_seconds"`
			Grace    float64 `json:"grace_seconds"`
			Forced   bool
			ExitCode int `json:"exit_code"`
			Steps    int
			Failures []struct {
				Step, Kind, Outcome, Error, Progress string

				WaitsFor string  `json:"waits_for"`
				Elapsed  float64 `json:"elapsed_seconds"`
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, b.Bytes())
	}
	got := line.Shutdown
	if got.Cause != "received signal terminated" || got.Took != 12.3 || got.Grace != 25 || !got.Forced || got.ExitCode != 1 || got.Steps != 4 ||
		len(got.Failures) != 2 || got.Failures[1].Step != "flush" || got.Failures[1].Outcome != "abandoned" ||
		got.Failures[1].Elapsed != 5 || got.Failures[1].WaitsFor == "" || got.Failures[1].Progress != "3 rows left" {
		t.Errorf("the line is %s", b.Bytes())
	}
}

func TestLeaksAreListedAndNoFailure(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			go p.hangs(ctx)
			go p.hangs(ctx)
			go func() { // about to end
				time.Sleep(5 * ms)
			}()
			return nil
		}, shutdown.Name("leaky"))
		p.Register(nothing, shutdown.Name("tidy"))
		report := p.runs(groupOf(func(ctx context.Context) error {
			go p.hangs(ctx)
			return nil
		}))
		count := 0
		for _, l := range report.Leaks {
			if l.Step == "tidy" || l.Step == "main" || !strings.Contains(l.Stack, "hangs") {
				t.Errorf("a leak of %s: %s", l.Step, l.Stack)
			}
			count += l.Count
		}
		if count != 3 || report.Err() != nil || report.ExitCode() != 0 {
			t.Errorf("%d leaked goroutines, Err = %v, exit code %d; want 3, nil, 0:\n%+v", count, report.Err(), report.ExitCode(), report.Leaks)
		}
	})
}

func TestFailuresThatShareAnErrorAreAllInTheReportsError(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(fails(errTask), shutdown.Name("first"))
		p.Register(fails(errTask), shutdown.Name("second"))
		p.Go(context.Background(), "hold", func(ctx context.Context) error { <-ctx.Done(); return errTask })
		for _, name := range []string{"started", "started too"} {
			p.Start(func(ctx context.Context) error { <-ctx.Done(); return errTask }, shutdown.Name(name))
		}
		p.at(s, func() { p.Stop(nil) })
		err := p.runs(func(ctx context.Context) error { <-ctx.Done(); return errTask }).Err()
		for _, name := range []string{"first", "second", "hold", "started", "started too"} {
			if !strings.Contains(fmt.Sprint(err), `"`+name+`"`) {
				t.Errorf("%q is not in:\n%v", name, err)
			}
		}
	})
}

func TestNobodyWritesToTheFinalReport(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Timeout(s))
		closing := make(chan struct{})
		released := p.Scope("released")
		released.Register(p.takes(10 * s))
		closeIt := released.Release()
		p.at(s, func() { _ = closeIt(context.Background()); close(closing) })
		shutdown.SetExit(p.Coordinator, func(int) { runtime.Goexit() })
		var stuck *group.StuckError
		if err := p.Shutdown(context.Background()); !errors.As(err, &stuck) {
			t.Errorf("%v, want that of a stuck handler", err)
		}
		report := p.Report()
		steps := len(report.Steps)
		read := make(chan struct{})
		go func() { // the race detector watches
			defer close(read)
			for _, s := range append(report.Steps, shutdown.Step{Name: "the reader's"}) {
				_ = s.Stack
			}
			_ = report.ExitCode()
		}()
		go p.Exit(3)
		again := p.runs(nothing)
		<-read
		<-closing
		if len(report.Steps) != steps || report.ExitCode() != 1 {
			t.Errorf("%d steps, exit code %d; were %d, 1", len(report.Steps), report.ExitCode(), steps)
		}
		if got := step(t, again, "main"); got.Outcome != shutdown.OutcomeSkipped || got.Err != shutdown.ErrDrained {
			t.Errorf("main of a Run after the drain: %v, %v", got.Outcome, got.Err)
		}
		if code := p.Report().ExitCode(); code != 3 {
			t.Errorf("the exit code after Exit(3) is %d", code)
		}
	})
}

// The start of a step before t0 has no plus sign. Without a site the step has only its name.
func TestReportOfAnEarlyStepWithoutASite(t *testing.T) {
	r := &shutdown.Report{Steps: []shutdown.Step{
		{Kind: shutdown.KindHandler, Name: "early", Start: -5 * time.Millisecond, Outcome: shutdown.OutcomeFailed, Err: errTest},
	}}
	if got, want := r.Err().Error(), `handler "early": it went wrong`; got != want {
		t.Errorf("Err() = %q, want %q", got, want)
	}
	if got := r.String(); !strings.Contains(got, " -5.0ms ") {
		t.Errorf("String() = %q, want one with -5.0ms", got)
	}
}

// A copy of a report with more steps has their failures.
func TestReportOfACopy(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := *p.runs(nothing)
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		r.Steps = append(r.Steps, shutdown.Step{Kind: shutdown.KindHandler, Name: "more", Outcome: shutdown.OutcomeFailed, Err: errTest})
		if !errors.Is(r.Err(), errTest) || r.ExitCode() != 1 {
			t.Errorf("Err() = %v, ExitCode() = %d, want the failure that was added, 1", r.Err(), r.ExitCode())
		}
	})
}
