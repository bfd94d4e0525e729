package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// linesAt returns the lines of this level: the message, the step, the error.
func (p *bubble) linesAt(level string) (got []string) {
	p.t.Helper()
	for _, l := range lines(p.t, p.log.String()) {
		if l["level"] != level {
			continue
		}
		text := fmt.Sprint(l["message"])
		for _, key := range []string{"step", "error"} {
			if v := l[key]; v != nil {
				text += fmt.Sprintf(" | %v", v)
			}
		}
		got = append(got, text)
	}
	return got
}

func TestOneFailureIsOneLineAtError(t *testing.T) {
	disk, net := errors.New("disk full"), errors.New("no route")
	tasks := func(errs ...error) func(context.Context) error {
		return func(ctx context.Context) error {
			var g group.Group
			for i, err := range errs {
				g.Go(fmt.Sprint("task", i), func(ctx context.Context) error { <-ctx.Done(); return err })
			}
			return g.Run(ctx)
		}
	}
	alone := func(task func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			var g group.Group
			g.Go("task", task)
			return g.Run(ctx)
		}
	}
	for _, tt := range []struct {
		name string
		main func(context.Context) error
		also func(p *bubble)
		want []string // at error
		last string   // the level of the last line
	}{
		{name: "a task's, which main returns", main: tasks(disk), want: []string{"step failed | task0 | disk full"}},
		{name: "two tasks'", main: tasks(disk, net), want: []string{"step failed | task1 | no route", "step failed | task0 | disk full"}},
		{name: "a task's, which main wraps", main: func(ctx context.Context) error {
			return fmt.Errorf("serving: %w", tasks(disk)(ctx))
		}, want: []string{"step failed | task0 | disk full"}},
		{name: "a task's, and main's own", main: func(ctx context.Context) error {
			return errors.Join(tasks(disk)(ctx), net)
		}, want: []string{"step failed | task0 | disk full", "step failed | main | task \"task0\": disk full\nno route"}},
		{name: "a panic of a task", main: alone(func(ctx context.Context) error {
			<-ctx.Done()
			panic("boom")
		}), want: []string{"step failed | task | panic: boom"}},
		{name: "a task's that returns late", main: alone(func(ctx context.Context) error {
			<-group.WorkContext(ctx).Done()
			time.Sleep(100 * ms)
			return nil
		}), want: []string{"step failed | task | returned only after its deadline"}},
		{name: "main's own", main: fails(disk), want: []string{"step failed | main | disk full"}},
		{name: "a handler's", main: obey, also: func(p *bubble) { p.Register(fails(disk), shutdown.Name("db")) }, want: []string{"step failed | db | disk full"}},
		{
			name: "a started task's", main: obey, also: func(p *bubble) { p.Start(fails(disk), shutdown.Name("admin")) },
			want: []string{"step failed | admin | disk full"},
		},
		{
			name: "a cause that is no step's error", main: obey, also: func(p *bubble) { p.Stop(disk) },
			want: []string{"stopped with failures | disk full"}, last: "error",
		},
		{name: "a cause that main returns as well", main: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.Join(disk, net)
		}, also: func(p *bubble) { p.Stop(disk) }, want: []string{"step failed | main | disk full\nno route"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				if tt.also != nil {
					p.at(s/2, func() { tt.also(p) })
				}
				p.at(s, func() { p.Stop(nil) })
				p.runs(tt.main)
				got := p.linesAt("error")
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("lines at error (-want +got):\n%s\n%s", d, p.log)
				}
				want := tt.last
				if want == "" {
					want = "warn"
				}
				all := lines(t, p.log.String())
				if last := all[len(all)-1]; last["message"] != "stopped with failures" || last["level"] != want {
					t.Errorf("the last line is %v, want it at %s", last, want)
				}
			})
		})
	}
}

// A handler that fails has a line of its own, unless the queue is full. The last line then says
// what was lost.
func TestFailuresWithoutALineAreInTheLast(t *testing.T) {
	inBubble(t, func(p *bubble) {
		gate := make(chan struct{})
		l := zerolog.New(gated{p.log, gate})
		p.Logger = &l
		p.Register(fails(errors.New("the last")), shutdown.Name("oldest"))
		for range 10000 { // more than the queue can take
			p.Register(fails(errTask))
		}
		report := p.runs(nothing)
		close(gate)
		synctest.Wait()
		all := lines(t, p.log.String())
		last := all[len(all)-1]
		first, _, _ := strings.Cut(report.Err().Error(), "\n")
		if want := first + " (and 10000 lines more)"; last["level"] != "error" || last["error"] != want {
			t.Errorf("the last line is %v\nwant it at error, with %s", last, want)
		}
	})
}

// gated is a writer that blocks until its gate is closed.
type gated struct {
	*buffer
	gate <-chan struct{}
}

func (g gated) Write(b []byte) (int, error) {
	<-g.gate
	return g.buffer.Write(b)
}

// The last line has the numbers for statistics over many programs, and to choose a grace period.
func TestTheLastLine(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 5 * s
		p.Register(p.hangs, shutdown.Name("stuck"), shutdown.Timeout(2*s))
		p.Register(p.takes(970*ms), shutdown.Name("late"), shutdown.Timeout(s))
		var g group.Group
		for _, name := range []string{"second", "first"} {
			g.Go(name, func(ctx context.Context) error { <-ctx.Done(); return p.takes(time.Duration(len(name)/2) * s)(ctx) })
		}
		p.signalAt(0, sigterm)
		p.runs(g.Run)
		all := lines(t, p.log.String())
		want := line{
			"level": "warn", "message": "stopped with failures", "cause": "received signal terminated",
			"slowest": "second", "slowest_took_seconds": 3.0, "elapsed_seconds": 12.97, "abandoned": 1.0, "late": 1.0,
			"delay_seconds": 5.0, "main_budget_seconds": 18.0, "grace_seconds": 25.0, "steps": 5.0, "exit_code": 1.0,
		}
		if d := cmp.Diff(want, all[len(all)-1]); d != "" {
			t.Errorf("the last line (-want +got):\n%s", d)
		}
	})
}

func TestTheLastLineSaysWhatTheSlowestStepWaitsFor(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("stuck"))
		p.runs(nothing)
		all := lines(t, p.log.String())
		if last := all[len(all)-1]; last["slowest"] != "stuck" || !strings.Contains(fmt.Sprint(last["slowest_waits_for"]), "hangs") {
			t.Errorf("slowest %v waits for %v, want stuck, and hangs", last["slowest"], last["slowest_waits_for"])
		}
	})
}

// The time that main waits for its tasks does not make it the slowest step.
func TestTheSlowestStep(t *testing.T) {
	for _, tt := range []struct {
		name string
		own  time.Duration // of main, after its tasks
		want string
	}{{"a task", s, "task"}, {"main", 5 * s, "main"}} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var g group.Group
				g.Go("task", func(ctx context.Context) error { <-ctx.Done(); return p.takes(3 * s)(ctx) })
				p.Start(func(ctx context.Context) error { <-ctx.Done(); return p.takes(2 * s)(ctx) }, shutdown.Name("started"))
				p.at(0, func() { p.Stop(nil) })
				p.runs(func(ctx context.Context) error { _ = g.Run(ctx); return p.takes(tt.own)(ctx) })
				all := lines(t, p.log.String())
				if got := all[len(all)-1]["slowest"]; got != tt.want {
					t.Errorf("the slowest is %v, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestLeaksAreOneLineAtWarn(t *testing.T) {
	inBubble(t, func(p *bubble) {
		leaks := func(n int) func(context.Context) error {
			return func(ctx context.Context) error {
				for range n {
					go p.hangs(ctx)
				}
				go p.leakElsewhere(ctx)
				return nil
			}
		}
		p.Register(leaks(2), shutdown.Name("cache"))
		p.Register(leaks(1), shutdown.Name("db"))
		p.at(s, func() { p.Stop(nil) })
		p.runs(obey)
		var got []line
		for _, l := range lines(t, p.log.String()) {
			if l["message"] == "goroutines left behind" && l["level"] == "warn" {
				got = append(got, l)
			}
		}
		named := len(got) == 1 && (got[0]["leaks"] == "cache (3), db (2)" || got[0]["leaks"] == "db (2), cache (3)")
		if !named || got[0]["count"] != 5.0 || !strings.Contains(fmt.Sprint(got[0]["stack"]), "goroutine") {
			t.Errorf("%v, want one line with the names, the numbers, and the first stack", got)
		}
		if n := len(p.linesAt("debug")); strings.Count(p.log.String(), "leakElsewhere") < 2 {
			t.Errorf("the stacks are not among the %d lines at debug", n)
		}
	})
}

//go:noinline
func (p *bubble) leakElsewhere(context.Context) { <-p.release }

// The normal end of a command logs nothing.
func TestACommandThatReturnsAtOnceLogsNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(p *bubble)
		want []string
	}{
		{"at once", func(p *bubble) { p.Register(nothing); p.runs(nothing) }, nil},
		{"within a second", func(p *bubble) { p.runs(p.takes(999 * ms)) }, nil},
		{"with the exit code 0", func(p *bubble) { p.runs(fails(&shutdown.ExitError{})) }, nil},
		{"without a Run", func(p *bubble) { _ = p.Shutdown(context.Background()) }, nil},
		{"long after it was made", func(p *bubble) { p.Register(nothing); time.Sleep(time.Minute); p.runs(nothing) }, nil},
		{"after a second", func(p *bubble) { p.runs(p.takes(s)) }, []string{"stopping", "stopped"}},
		{"with a slow handler", func(p *bubble) { p.Register(p.takes(1200 * ms)); p.runs(nothing) }, []string{"waiting for a step", "stopped"}},
		{"by Stop", func(p *bubble) { p.at(ms, func() { p.Stop(nil) }); p.runs(obey) }, []string{"stopping", "stopped"}},
		{"by a signal", func(p *bubble) { p.signalAt(ms, sigint); p.runs(obey) }, []string{"stopping", "stopped"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				l := p.Logger.Level(zerolog.InfoLevel)
				p.Logger = &l
				tt.play(p)
				var got []string
				for _, l := range lines(t, p.log.String()) {
					got = append(got, fmt.Sprint(l["message"]))
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("the log at info (-want +got):\n%s", d)
				}
			})
		})
	}
}
