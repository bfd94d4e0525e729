package shutdown_test

import (
	"context"
	"errors"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// callsBack is an error whose methods call the Coordinator.
type callsBack struct{ c *shutdown.Coordinator }

func (e callsBack) Error() string { e.c.Ready(); return "callsBack" }

func (e callsBack) Unwrap() error { e.c.Report(); return context.Canceled }

func TestErrorsMayCallTheCoordinator(t *testing.T) {
	returns := func(p *bubble) func(context.Context) error {
		return func(ctx context.Context) error { <-ctx.Done(); return callsBack{p.Coordinator} }
	}
	for name, play := range map[string]func(p *bubble) *shutdown.Report{
		"main's": func(p *bubble) *shutdown.Report { return p.runs(returns(p)) },
		"a task's": func(p *bubble) *shutdown.Report {
			var g group.Group
			g.Go("task", returns(p))
			return p.runs(g.Run)
		},
		"a started task's": func(p *bubble) *shutdown.Report { p.Start(returns(p)); return p.runs(obey) },
		"a started task's, which ends first": func(p *bubble) *shutdown.Report {
			p.Start(fails(callsBack{p.Coordinator}))
			return p.runs(obey)
		},
		"a handler's": func(p *bubble) *shutdown.Report {
			p.Register(returns(p), shutdown.Timeout(s))
			return p.runs(obey)
		},
		"a hold's": func(p *bubble) *shutdown.Report {
			p.Go(context.Background(), "hold", returns(p))
			return p.runs(obey)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.at(s, func() { p.Stop(callsBack{p.Coordinator}) })
				if report := play(p); report.Cause == nil || report.ExitCode() > 1 {
					t.Errorf("Cause %v, exit code %d", report.Cause, report.ExitCode())
				}
			})
		})
	}
}

// angry is an error whose methods panic.
type angry struct{}

func (angry) Error() string { panic("angry: Error") }
func (angry) Unwrap() error { panic("angry: Unwrap") }
func (angry) Is(error) bool { panic("angry: Is") }
func (angry) As(any) bool   { panic("angry: As") }

func TestErrorsWhoseMethodsPanicAreFailuresLikeOthers(t *testing.T) {
	returns := func(ctx context.Context) error { <-ctx.Done(); return angry{} }
	for name, play := range map[string]func(p *bubble) *shutdown.Report{
		"main's":    func(p *bubble) *shutdown.Report { return p.runs(returns) },
		"a task's":  func(p *bubble) *shutdown.Report { var g group.Group; g.Go("task", returns); return p.runs(g.Run) },
		"a hold's":  func(p *bubble) *shutdown.Report { p.Go(context.Background(), "hold", returns); return p.runs(obey) },
		"a cause's": func(p *bubble) *shutdown.Report { p.at(s/2, func() { p.Stop(angry{}) }); return p.runs(obey) },
		"a handler's": func(p *bubble) *shutdown.Report {
			p.Register(func(context.Context) error { return angry{} })
			return p.runs(obey)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				ran := false
				p.Register(func(context.Context) error { ran = true; return nil })
				if name == "a handler's" {
					ran = true // it is called before
				}
				p.at(s, func() { p.Stop(nil) })
				report := play(p)
				if report.ExitCode() != 1 || report.Err() == nil || !ran {
					t.Errorf("exit code %d, Err %T, oldest handler ran %t; want 1, an error, true", report.ExitCode(), report.Err(), ran)
				}
				if text := report.String(); text == "" {
					t.Error("the timeline is empty")
				}
			})
		})
	}
}

// curious is a context whose methods call the Coordinator.
type curious struct {
	context.Context
	c *shutdown.Coordinator
}

func (x curious) Deadline() (time.Time, bool) { x.c.Ready(); return x.Context.Deadline() }
func (x curious) Done() <-chan struct{}       { x.c.Ready(); return x.Context.Done() }
func (x curious) Err() error                  { x.c.Ready(); return x.Context.Err() }
func (x curious) Value(key any) any           { x.c.Ready(); return x.Context.Value(key) }

func TestContextsMayCallTheCoordinator(t *testing.T) {
	inBubble(t, func(p *bubble) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		ctx = curious{ctx, p.Coordinator}
		var j journal
		p.Register(j.note("handler"))
		p.Start(obey)
		scope := p.Scope("scope")
		scope.Register(j.note("of the scope"))
		report := p.Run(ctx, func(main context.Context) error {
			p.Go(ctx, "hold", j.note("hold"))
			_ = p.Register(j.note("closed")).Close(ctx)
			_ = scope.Close(ctx)
			var g group.Group
			g.Go("task", j.note("task"))
			return g.Run(curious{main, p.Coordinator})
		})
		for _, what := range []string{"handler", "of the scope", "hold", "closed", "task"} {
			if !slices.Contains(j.lines, what) {
				t.Errorf("%q has not run", what)
			}
		}
		if err := report.Err(); err != nil {
			t.Error(err)
		}
	})
}

// guarded is a context whose Value takes a lock.
type guarded struct {
	context.Context
	mu *sync.Mutex
}

func (g guarded) Value(key any) any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Context.Value(key)
}

// A stuck handler holds the lock, but Run returns at its end. The clock of a bubble stands still
// while a goroutine waits for a lock, so this test runs in real time.
func TestTheParentContextMayBlockAtTheEnd(t *testing.T) {
	c := &shutdown.Coordinator{Grace: s / 2}
	shutdown.SetSignals(c, nil)
	var mu sync.Mutex
	base, cancel := context.WithCancel(context.Background())
	defer cancel()
	release := make(chan struct{})
	c.Register(func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		<-release
		return nil
	})
	done := make(chan *shutdown.Report)
	go func() { done <- c.Run(guarded{base, &mu}, nothing) }()
	select {
	case r := <-done:
		if last := r.Steps[len(r.Steps)-1]; last.Outcome != shutdown.OutcomeAbandoned {
			t.Errorf("the handler is %v, want abandoned", last.Outcome)
		}
	case <-time.After(20 * s):
		t.Error("Run has not returned")
	}
	close(release)
}

// mute is a context whose Err panics.
type mute struct{ context.Context }

func (mute) Err() error { panic("mute") }

func TestHandlersRunIfTheMethodsOfAContextPanic(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("handler"))
		report := p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("task", fails(errors.New("disk full")))
			return g.Run(mute{ctx})
		})
		if !slices.Contains(j.lines, "handler") || report.Err() == nil {
			t.Errorf("lines %q, error %v; want the handler's, and the task's error", j.lines, report.Err())
		}
	})
}

func TestTheLabelsOfTheRunsContextAreKept(t *testing.T) {
	ctx := pprof.WithLabels(context.Background(), pprof.Labels("service", "orders"))
	var c shutdown.Coordinator
	c.Signals = []os.Signal{}
	logger := zerolog.Nop()
	c.Logger = &logger
	check := func(what string) func(context.Context) error {
		return func(ctx context.Context) error {
			if got, _ := pprof.Label(ctx, "service"); got != "orders" {
				t.Errorf("%s: the label is %q", what, got)
			}
			if got, _ := pprof.Label(ctx, "lastcall"); !strings.HasPrefix(got, what+"#") {
				t.Errorf("%s: our label is %q", what, got)
			}
			return nil
		}
	}
	c.Register(check("handler"), shutdown.Name("handler"))
	var g group.Group
	g.Go("task", check("task"))
	if err := c.Run(ctx, g.Run).Err(); err != nil {
		t.Error(err)
	}
}
