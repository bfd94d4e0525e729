package shutdown_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

var errTask = errors.New("task failed")

// failsAfter returns a task that fails at the given time.
func failsAfter(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return errTask
		case <-ctx.Done():
			return nil
		}
	}
}

func groupOf(tasks ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		var g group.Group
		for _, task := range tasks {
			g.Go("", task)
		}
		return g.Run(ctx)
	}
}

func TestT0(t *testing.T) {
	const delay = 4 * s
	cause := errors.New("disk full")
	for _, tt := range []struct {
		name    string
		prepare func(*bubble) // makes it happen at 10 s
		main    func(context.Context) error
		delayed bool
		cause   error
	}{
		{"a signal", func(p *bubble) { p.signalAt(10*s, sigterm) }, obey, true, &signals.Error{Signal: sigterm}},
		{"Stop", func(p *bubble) { p.at(10*s, func() { p.Stop(cause) }) }, obey, true, cause},
		{"Stop without a cause", func(p *bubble) { p.at(10*s, func() { p.Stop(nil) }) }, obey, true, shutdown.ErrStopRequested},
		{"Shutdown", func(p *bubble) { p.at(10*s, func() { _ = p.Shutdown(context.Background()) }) }, obey, true, shutdown.ErrStopRequested},
		{"main's return", func(*bubble) {}, func(context.Context) error {
			time.Sleep(10 * s)
			return nil
		}, false, shutdown.ErrReturned},
		{"main's failure", func(*bubble) {}, failsAfter(10 * s), false, errTask},
		{"a failing task of main's group", func(*bubble) {}, groupOf(obey, failsAfter(10*s)), false, errTask},
		{"a started task that fails", func(p *bubble) { p.Start(failsAfter(10 * s)) }, obey, false, errTask},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Delay = delay
				tt.prepare(p)
				var handled time.Duration
				p.Register(shutdown.Func(func() { handled = p.now() }))
				report := p.runs(tt.main)
				if got := report.Began.Sub(p.began); got != 10*s {
					t.Errorf("began at %v, want 10 s", got)
				}
				want := 10 * s
				if tt.delayed {
					want += delay
				}
				if handled != want {
					t.Errorf("the handlers ran at %v, want %v", handled, want)
				}
				if !errors.Is(report.Cause, tt.cause) {
					t.Errorf("Cause = %v, want %v", report.Cause, tt.cause)
				}
				if report.Grace != 25*s || report.Delay != delay {
					t.Errorf("Grace = %v, Delay = %v, want 25 s and %v", report.Grace, report.Delay, delay)
				}
			})
		})
	}
}

func TestTheParentsEndStopsTheProgram(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 4 * s
		cause := errors.New("the parent has had enough")
		ctx, cancel := context.WithCancelCause(context.Background())
		p.at(10*s, func() { cancel(cause) })
		var told time.Duration
		report := p.Run(ctx, func(ctx context.Context) error {
			<-ctx.Done()
			told = p.now()
			return context.Cause(ctx)
		})
		if told != 14*s || report.Began.Sub(p.began) != 10*s {
			t.Errorf("began at %v, told main at %v; want 10 and 14 s", report.Began.Sub(p.began), told)
		}
		if !errors.Is(report.Cause, cause) || report.Err() != nil {
			t.Errorf("Cause = %v, Err = %v; want the parent's cause, and no error", report.Cause, report.Err())
		}
	})
}

func TestAGroupInsideATaskDoesNotStopTheProgramAtOnce(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var inner time.Duration
		report := p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("outer", func(ctx context.Context) error {
				err := groupOf(failsAfter(s), func(ctx context.Context) error {
					<-ctx.Done()
					if !p.Ready() {
						t.Error("the program is stopping while the inner group still stops")
					}
					time.Sleep(s)
					inner = p.now()
					return nil
				})(ctx)
				return err
			})
			return g.Run(ctx)
		})
		if got := report.Began.Sub(p.began); got != 2*s || inner != 2*s {
			t.Errorf("began at %v, inner group over at %v; want 2 s", got, inner)
		}
		if !errors.Is(report.Err(), errTask) {
			t.Errorf("Err = %v, want the task's error", report.Err())
		}
	})
}

func TestTheEndOfARunningDelay(t *testing.T) {
	for _, tt := range []struct {
		name string
		main func(*bubble) func(context.Context) error
	}{
		{"main's return", func(p *bubble) func(context.Context) error { return p.takes(3 * s) }},
		{"a failing task", func(*bubble) func(context.Context) error { return groupOf(obey, failsAfter(3*s)) }},
		{"a started task that fails", func(p *bubble) func(context.Context) error {
			p.Start(failsAfter(3 * s))
			return obey
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Delay = 10 * s
				p.signalAt(s, sigterm)
				report := p.runs(tt.main(p))
				if report.Took != 2*s || report.Began.Sub(p.began) != s {
					t.Errorf("took %v from %v, want 2 s from 1 s", report.Took, report.Began.Sub(p.began))
				}
				var sig *signals.Error
				if !errors.As(report.Cause, &sig) {
					t.Errorf("Cause = %v, want the signal, which came first", report.Cause)
				}
			})
		})
	}
}

func TestAnotherRequestDoesNotEndTheDelay(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		p.at(s, func() { p.Stop(nil) })
		p.at(2*s, func() { p.Stop(errors.New("second")) })
		p.at(3*s, func() { _ = p.Shutdown(context.Background()) })
		p.signalAt(4*s, sigterm)
		p.at(5*s, func() { p.Quiesce() })
		report := p.runs(obey)
		if report.Took != 10*s || report.Cause != shutdown.ErrStopRequested || report.Err() != nil {
			t.Errorf("took %v, Cause %v, Err %v; want 10 s, that a stop was requested, nil", report.Took, report.Cause, report.Err())
		}
	})
}

func TestADelayOfMoreThanHalfIsReducedToHalf(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace, p.Delay = 10*s, 9*s
		p.at(1, func() { p.Stop(nil) })
		report := p.runs(obey)
		if report.Took != 5*s || report.Delay != 5*s {
			t.Errorf("took %v with a delay of %v, want 5 s", report.Took, report.Delay)
		}
		if n := strings.Count(p.log.String(), `"level":"warn"`); n != 1 {
			t.Errorf("%d warnings, want one:\n%s", n, p.log)
		}
	})
}

func TestMainsReturnEndsTheRootContext(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var root context.Context
		p.Register(shutdown.Func(func() {
			if root.Err() != context.Canceled {
				t.Errorf("the root context's Err is %v during the handlers, want Canceled", root.Err())
			}
		}))
		p.runs(func(ctx context.Context) error {
			root = ctx
			return nil
		})
	})
}

func TestReadyAndStopping(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 4 * s
		if p.Ready() {
			t.Error("Ready before Run")
		}
		if p.Report() != nil {
			t.Error("a report before t0")
		}
		p.at(s, func() {
			if !p.Ready() || isClosed(p.Stopping()) || p.Report() != nil {
				t.Error("before t0: want Ready, Stopping open and no report")
			}
		})
		p.signalAt(2*s, sigterm)
		p.at(3*s, func() {
			if p.Ready() || !isClosed(p.Stopping()) || isClosed(p.Done()) {
				t.Error("in the delay: want not Ready, Stopping closed, Done open")
			}
			r := p.Report()
			if r == nil || r.Took != s || r.Grace != 25*s || r.Began.Sub(p.began) != 2*s || r.Cause == nil || len(r.Steps) != 0 {
				t.Errorf("the snapshot in the delay is %+v", r)
			}
		})
		p.Register(p.takes(2 * s))
		p.Register(p.takes(s))
		p.at(8*s, func() {
			if r := p.Report(); len(r.Steps) != 2 || r.Took != 6*s {
				t.Errorf("the snapshot during the second handler has %d steps and took %v, want main and the first handler, 6 s", len(r.Steps), r.Took)
			}
		})
		report := p.runs(obey)
		if p.Ready() || !isClosed(p.Stopping()) || !isClosed(p.Done()) || p.Report() != report {
			t.Error("after the end: want not Ready, both channels closed, the same report")
		}
	})
}

func TestTheParentsDeadlineIsACleanStop(t *testing.T) {
	for name, result := range map[string]func(context.Context) error{"Err": context.Context.Err, "Cause": context.Cause} {
		t.Run("main returns "+name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				ctx, cancel := context.WithTimeout(context.Background(), 10*s)
				defer cancel()
				report := p.Run(ctx, func(ctx context.Context) error {
					<-ctx.Done()
					return result(ctx)
				})
				if report.Began.Sub(p.began) != 10*s || report.Err() != nil || !errors.Is(report.Cause, context.DeadlineExceeded) {
					t.Errorf("began at %v, Err = %v, Cause = %v; want 10 s, nil, DeadlineExceeded",
						report.Began.Sub(p.began), report.Err(), report.Cause)
				}
			})
		})
	}
}
