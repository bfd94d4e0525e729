package shutdown_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	internal "github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A line is a line of the log.
type line map[string]any

func lines(t *testing.T, log string) (all []line) {
	t.Helper()
	for text := range strings.Lines(log) {
		l := line{}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Errorf("%v in %q", err, text)
		}
		all = append(all, l)
	}
	return all
}

// normal gives the lines of both loggers the same form: lower-case levels, "message", no time.
func normal(l line) line {
	delete(l, "time")
	l["level"] = strings.ToLower(fmt.Sprint(l["level"]))
	if m, ok := l["msg"]; ok {
		l["message"] = m
		delete(l, "msg")
	}
	return l
}

func (l line) keys() (keys []string) {
	for k := range l {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// eventful runs a program with events of many kinds.
func eventful(p *bubble) {
	p.Delay = 2 * s
	p.Register(p.hangs, shutdown.Name("stuck"))
	p.Register(fails(errTask), shutdown.Name("failing"))
	p.Register(p.takes(2500*ms), shutdown.Name("slow"))
	p.at(s, func() { p.Quiesce(); p.Resume() })
	p.signalAt(2*s, sigint)
	p.signalAt(10300*ms, sigint)
	p.runs(obey)
}

func withSlog(p *bubble) {
	p.Logger = nil
	p.Slog = slog.New(slog.NewJSONHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestBothLoggersHaveTheSameFields(t *testing.T) {
	var zero, structured []line
	inBubble(t, func(p *bubble) {
		eventful(p)
		zero = lines(t, p.log.String())
	})
	inBubble(t, func(p *bubble) {
		withSlog(p)
		eventful(p)
		structured = lines(t, p.log.String())
	})
	if len(zero) != len(structured) || len(zero) == 0 {
		t.Fatalf("%d lines by zerolog, %d by slog", len(zero), len(structured))
	}
	for i := range zero {
		z, s := normal(zero[i]), normal(structured[i])
		if d := cmp.Diff(z.keys(), s.keys()); d != "" || z["message"] != s["message"] || z["level"] != s["level"] {
			t.Errorf("zerolog %v\nslog %v\nkeys (-zerolog +slog):\n%s", z, s, d)
		}
	}
}

func TestTheLogOfAStop(t *testing.T) {
	inBubble(t, func(p *bubble) {
		eventful(p)
		var got []string
		for _, l := range lines(t, p.log.String()) {
			text := fmt.Sprintf("%v: %v", l["level"], l["message"])
			if step, ok := l["step"]; ok {
				text += fmt.Sprintf(" [%v %v]", l["kind"], step)
			}
			if outcome, ok := l["outcome"]; ok {
				text += fmt.Sprintf(" %v", outcome)
			}
			got = append(got, text)
		}
		want := []string{
			"debug: shutdown plan",
			"info: not ready: a stop was announced",
			"info: ready again: no stop followed the announcement",
			"info: stopping",
			"debug: telling main and its tasks to stop",
			"debug: step ended [main main] ok",
			"info: waiting for a step [handler slow]", // at 1 s and 2 s
			"info: waiting for a step [handler slow]",
			"debug: step ended [handler slow] ok",
			"error: step failed [handler failing] failed",
			"info: waiting for a step [handler stuck]", // at 1 s and 2 s
			"info: waiting for a step [handler stuck]",
			"warn: second signal: each step gets only its minimum",
			"error: step failed [handler stuck] abandoned",
			"warn: stopped with failures",
		}
		got = slices.DeleteFunc(got, func(l string) bool { return strings.Contains(l, "step began") })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("log (-want +got):\n%s\n%s", d, p.log)
		}
	})
}

func TestTheFieldsOfTheLog(t *testing.T) {
	known := []string{
		"level", "message", "error", "cause", "plan", "grace_source", "delay_seconds", "grace_seconds", "grace_remaining_seconds",
		// of a step
		"step", "outcome", "waits_for", "elapsed_seconds", "remaining_seconds", "budget_seconds", "kind", "site", "progress", "stack",
		// of the end
		"slowest", "slowest_took_seconds", "slowest_waits_for", "abandoned", "late", "skipped", "main_budget_seconds", "steps", "exit_code",
	}
	inBubble(t, func(p *bubble) {
		eventful(p)
		for _, l := range lines(t, p.log.String()) {
			for _, k := range l.keys() {
				if !slices.Contains(known, k) {
					t.Errorf("an unknown field %q in %v", k, l)
				}
			}
			if l["message"] == "waiting for a step" {
				for _, k := range []string{"step", "kind", "elapsed_seconds", "remaining_seconds"} {
					if l[k] == nil {
						t.Errorf("a progress line has no %q: %v", k, l)
					}
				}
			}
			if (l["outcome"] == nil) != (l["message"] != "step ended" && l["message"] != "step failed") {
				t.Errorf("an outcome where there is none, or none where there is one: %v", l)
			}
		}
	})
}

// Left is the time until the step is abandoned, by the limits that are known at that time.
func TestTheRemainingTimeOfAStep(t *testing.T) {
	inBubble(t, func(p *bubble) {
		got := progressOf(p)
		var g group.Group
		g.Go("task", p.hangs)
		p.Register(p.hangs, shutdown.Name("handler"), shutdown.Reserve(3*s))
		p.signalAt(0, sigterm)
		p.signalAt(12500*ms, sigterm)
		report := p.runs(g.Run)
		ends := make(map[string]time.Duration)
		for _, name := range []string{"task", "handler"} {
			st := step(t, report, name)
			ends[name] = st.Start + st.Took
		}
		for _, w := range *got {
			want := ends[w.name]
			if w.at < 12500*ms {
				want = 21500 * ms // 22 s of 25 are main's, whose tasks end by its deadline, half a second earlier
			}
			if end := w.at + w.left; end != want {
				t.Errorf("%s at %v: %v remain, until %v; want %v", w.name, w.at, w.left, end, want)
			}
		}
		if len(*got) != 6 {
			t.Errorf("%v, want four lines of the task and two of the handler", *got)
		}
	})
}

// A progress has the fields of a step in a Waiting event.
type progress struct {
	at            time.Duration // since the bubble was made
	name          string
	elapsed, left time.Duration
}

// progressOf records the progress events of the steps.
func progressOf(p *bubble) *[]progress {
	all := new([]progress)
	p.Observe = func(e shutdown.Event) {
		if w, ok := e.(shutdown.Waiting); ok {
			for _, step := range w.Steps {
				*all = append(*all, progress{p.now(), step.Name, step.Elapsed, step.Left})
			}
		}
	}
	return all
}

func TestWhenProgressIsLogged(t *testing.T) {
	inBubble(t, func(p *bubble) {
		got := progressOf(p)
		p.Grace = 60 * s
		p.Register(p.hangs, shutdown.Name("b"), shutdown.Timeout(32*s))
		p.Register(p.takes(2500*ms), shutdown.Name("a"))
		p.runs(p.takes(300 * ms))
		want := []progress{
			{1300 * ms, "a", s, 58 * s},
			{2300 * ms, "a", 2 * s, 57 * s},
			{3800 * ms, "b", s, 31 * s},
			{4800 * ms, "b", 2 * s, 30 * s},
			{7800 * ms, "b", 5 * s, 27 * s},
			{12800 * ms, "b", 10 * s, 22 * s},
			{22800 * ms, "b", 20 * s, 12 * s},
			{32800 * ms, "b", 30 * s, 2 * s},
		}
		if d := cmp.Diff(want, *got, cmp.AllowUnexported(progress{})); d != "" {
			t.Errorf("progress (-want +got):\n%s", d)
		}
	})
}

func TestProgressNamesAScopeThatSomeoneElseCloses(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("tenant")
		scope.Register(p.takes(5*s), shutdown.Name("of the tenant"))
		p.at(s, func() { _ = scope.Close(context.Background()) })
		p.at(s, func() { p.Stop(nil) })
		p.runs(obey)
		if !strings.Contains(p.log.String(), `{"level":"info","step":"of the tenant","elapsed_seconds":1,`) {
			t.Errorf("no line names the step that the drain waits for:\n%s", p.log)
		}
	})
}

func TestABlockedLogDoesNotDelayTheDrain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		block func(p *bubble)
	}{
		{"zerolog", func(p *bubble) {
			l := zerolog.New(blocked{p.release})
			p.Logger = &l
		}},
		{"slog", func(p *bubble) {
			p.Slog = slog.New(slog.NewTextHandler(blocked{p.release}, nil))
		}},
		{"Observe", func(p *bubble) { p.Observe = func(shutdown.Event) { <-p.release } }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				tt.block(p)
				for range 10000 { // more than the queues can take
					p.Register(fails(errTask))
				}
				p.Register(p.takes(3 * s))
				report := p.runs(p.takes(s))
				if report.Took != 3*s || len(report.Steps) != 10002 {
					t.Errorf("took %v with %d steps, want 3 s and all", report.Took, len(report.Steps))
				}
				if got := p.now(); got != 4500*ms {
					t.Errorf("Run returned at %v, want half a second after the end, at 4.5 s", got)
				}
			})
			inBubble(t, func(p *bubble) {
				tt.block(p)
				p.Register(p.hangs)
				p.runs(nothing)
				if got := p.now(); got != 25025*ms {
					t.Errorf("Run returned at %v, want 25 ms after the grace period", got)
				}
			})
		})
	}
}

type blocked struct{ release <-chan struct{} }

func (b blocked) Write(p []byte) (int, error) {
	<-b.release
	return len(p), nil
}

func TestDroppedEventsAreCounted(t *testing.T) {
	inBubble(t, func(p *bubble) {
		gate := make(chan struct{})
		p.Observe = func(shutdown.Event) { <-gate }
		for range 10000 {
			p.Register(nothing)
		}
		p.Register(p.takes(s))
		p.at(s+100*ms, func() { close(gate) })
		p.runs(nothing)
		dropped := 0.0
		for _, l := range lines(t, p.log.String()) {
			if n, ok := l["dropped"].(float64); ok && l["queue"] == "observe" {
				dropped += n
			}
		}
		// Begin and end of each, less what fits.
		if dropped < 10000 || dropped > 20010-8192 {
			t.Errorf("%v events were dropped, want about %d", dropped, 20000-8192)
		}
	})
}

func TestALoggerThatPanicsLosesOnlyThatLine(t *testing.T) {
	inBubble(t, func(p *bubble) {
		n := 0
		p.Observe = func(e shutdown.Event) {
			n++
			if _, ok := e.(shutdown.StopRequested); ok {
				panic("boom")
			}
		}
		p.runs(nothing)
		if p.now() > 500*ms || n < 3 {
			t.Errorf("Run returned at %v after %d events", p.now(), n)
		}
	})
}

func TestOKStepsAreLoggedAtDebugOnly(t *testing.T) {
	inBubble(t, func(p *bubble) {
		l := zerolog.New(p.log).Level(zerolog.InfoLevel)
		p.Logger = &l
		p.Register(nothing, shutdown.Name("fine"))
		p.Register(fails(errTask), shutdown.Name("bad"))
		p.runs(nothing)
		if log := p.log.String(); strings.Contains(log, "fine") || !strings.Contains(log, `"step":"bad"`) {
			t.Errorf("the log at level info is\n%s", log)
		}
	})
}

func TestProgressLinesAreFewHoweverManyStepsThereAre(t *testing.T) {
	inBubble(t, func(p *bubble) {
		for i := range 1000 {
			p.at(ms, func() { p.Hold(fmt.Sprint("hold", i)) })
		}
		p.at(s, func() { p.Stop(nil) })
		p.runs(p.takes(2500 * ms))
		waiting, more := 0, 0.0
		for _, l := range lines(t, p.log.String()) {
			switch {
			case l["message"] != "waiting for a step":
			case l["more"] != nil:
				more = l["more"].(float64)
			default:
				waiting++
			}
		}
		if waiting != 5*10 || more != 990 { // at 1, 2, 5, 10 and 20 s
			t.Errorf("%d lines, and %v more steps; want ten each time, and the number of the others", waiting, more)
		}
	})
}

func TestAStepMaySetAStatus(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			var status atomic.Value
			status.Store("2 requests left")
			internal.Describe(ctx, func() string { return status.Load().(string) })
			time.Sleep(1500 * ms)
			shutdown.SetStatus(ctx, "all requests finished")
			return nil
		}, shutdown.Name("server"))
		report := p.runs(nothing)
		if got := step(t, report, "server").Status; got != "all requests finished" {
			t.Errorf("Status = %q", got)
		}
		if text := report.String(); !strings.Contains(text, "ok  all requests finished") {
			t.Errorf("the status is not in the timeline:\n%s", text)
		}
		for _, l := range lines(t, p.log.String()) {
			if l["message"] == "waiting for a step" && l["progress"] != "2 requests left" {
				t.Errorf("a progress line without the status: %v", l)
			}
		}
	})
}
