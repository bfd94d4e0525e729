package shutdown_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// places are the places from which a program can call the Coordinator. Each calls f once, on the
// goroutine of the step, with the step's context.
var places = map[string]func(p *bubble, f func(context.Context)) (main func(context.Context) error){
	"main": func(_ *bubble, f func(context.Context)) func(context.Context) error {
		return func(ctx context.Context) error { f(ctx); return nil }
	},
	"a task": func(_ *bubble, f func(context.Context)) func(context.Context) error {
		return groupOf(obey, func(ctx context.Context) error { f(ctx); return obey(ctx) })
	},
	"a nested task": func(_ *bubble, f func(context.Context)) func(context.Context) error {
		return groupOf(groupOf(func(ctx context.Context) error { f(ctx); return obey(ctx) }))
	},
	"a started task": func(p *bubble, f func(context.Context)) func(context.Context) error {
		p.Start(func(ctx context.Context) error { f(ctx); return obey(ctx) })
		return obey
	},
	"a hold": func(p *bubble, f func(context.Context)) func(context.Context) error {
		return func(ctx context.Context) error {
			p.Go(ctx, "held", func(ctx context.Context) error { f(ctx); return nil })
			return obey(ctx)
		}
	},
	"a handler": func(p *bubble, f func(context.Context)) func(context.Context) error {
		p.Register(func(ctx context.Context) error { f(ctx); return nil })
		return nothing
	},
	"a handler of a concurrent scope": func(p *bubble, f func(context.Context)) func(context.Context) error {
		p.Scope("", shutdown.Concurrent()).Register(func(ctx context.Context) error { f(ctx); return nil })
		return nothing
	},
	"a handler of a scope that main closes": func(p *bubble, f func(context.Context)) func(context.Context) error {
		s := p.Scope("")
		s.Register(func(ctx context.Context) error { f(ctx); return nil })
		return func(ctx context.Context) error { _ = s.Close(ctx); return obey(ctx) }
	},
}

func TestShutdownInsideAStepReturnsAtOnce(t *testing.T) {
	calls := map[string]func(p *bubble, ctx context.Context) error{
		"with its context": func(p *bubble, ctx context.Context) error { return p.Shutdown(ctx) },
		"with a context derived from it": func(p *bubble, ctx context.Context) error {
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, key("k"), 1), time.Hour)
			defer cancel()
			return p.Shutdown(ctx)
		},
		"with its work context": func(p *bubble, ctx context.Context) error { return p.Shutdown(group.WorkContext(ctx)) },
		"on its goroutine":      func(p *bubble, _ context.Context) error { return p.Shutdown(context.Background()) },
		"elsewhere with its context": func(p *bubble, ctx context.Context) error {
			result := make(chan error)
			go func() { result <- p.Shutdown(ctx) }()
			return <-result
		},
	}
	for where, prepare := range places {
		for how, call := range calls {
			t.Run(where+" "+how, func(t *testing.T) {
				inBubble(t, func(p *bubble) {
					called := false
					report := p.runs(prepare(p, func(ctx context.Context) {
						called = true
						if err := call(p, ctx); err != shutdown.ErrInProgress {
							t.Errorf("Shutdown = %v, want ErrInProgress", err)
						}
						if !isClosed(p.Stopping()) {
							t.Error("the stop has not begun")
						}
					}))
					if !called || report.Took != 0 || report.Err() != nil {
						t.Errorf("called: %v, took %v, Err = %v; want true, nothing, nil", called, report.Took, report.Err())
					}
				})
			})
		}
	}
}

func TestShutdownElsewhereWaits(t *testing.T) {
	inBubble(t, func(p *bubble) {
		failure := errors.New("flush failed")
		p.Register(func(context.Context) error { time.Sleep(3 * s); return failure })
		p.at(s, func() {
			ctx, cancel := context.WithTimeout(context.Background(), s)
			defer cancel()
			if err := p.Shutdown(ctx); err != context.DeadlineExceeded || p.now() != 2*s {
				t.Errorf("Shutdown = %v at %v, want its context's error at 2 s", err, p.now())
			}
			if err := p.Shutdown(context.Background()); !errors.Is(err, failure) || p.now() != 4*s {
				t.Errorf("Shutdown = %v at %v, want the report's error at 4 s", err, p.now())
			}
		})
		// A goroutine that a step has started is not the step.
		p.runs(func(ctx context.Context) error {
			go func() {
				time.Sleep(2 * s)
				if err := p.Shutdown(context.Background()); !errors.Is(err, failure) {
					t.Errorf("Shutdown in main's child = %v, want the report's error", err)
				}
			}()
			return obey(ctx)
		})
	})
}

func TestShutdownOfAnotherCoordinatorInsideAStepWaits(t *testing.T) {
	inBubble(t, func(p *bubble) {
		other := p.another()
		other.Register(p.takes(3 * s))
		p.runs(func(ctx context.Context) error {
			if err := other.Shutdown(ctx); err != nil || p.now() != 3*s {
				t.Errorf("Shutdown = %v at %v, want nil at 3 s", err, p.now())
			}
			if isClosed(p.Stopping()) {
				t.Error("the program stops with the other Coordinator")
			}
			return nil
		})
	})
}

func TestExitInsideAStepEndsThatStep(t *testing.T) {
	for where, prepare := range places {
		t.Run(where, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				shutdown.SetExit(p.Coordinator, func(int) { t.Error("Run has ended the process") })
				var j journal
				p.Register(j.note("handler"))
				report := p.runs(prepare(p, func(context.Context) {
					defer j.add("deferred")
					p.Exit(7)
					t.Error("Exit has returned")
				}))
				if report.ExitCode() != 7 || report.Err() != nil || report.Took != 0 {
					t.Errorf("exit code %d, Err = %v, took %v; want 7, nil, nothing\n%v", report.ExitCode(), report.Err(), report.Took, report)
				}
				j.want(t, "deferred", "handler")
			})
		})
	}
}

func TestTheFirstExitCodeCounts(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(shutdown.Func(func() { p.Exit(9) }))
		if got := p.runs(func(context.Context) error { p.Exit(7); return nil }).ExitCode(); got != 7 {
			t.Errorf("exit code %d, want 7", got)
		}
	})
}

func TestExitElsewhereBlocksUntilTheProcessEnds(t *testing.T) {
	inBubble(t, func(p *bubble) {
		codes := make(chan int, 1)
		shutdown.SetExit(p.Coordinator, func(code int) {
			codes <- code
			runtime.Goexit() // nothing returns from the real one either
		})
		p.Register(p.takes(2 * s))
		p.at(s, func() {
			p.Exit(7)
			t.Error("Exit has returned")
		})
		report := p.runs(obey)
		if report.ExitCode() != 7 || report.Cause != shutdown.ErrStopRequested || report.Took != 2*s {
			t.Errorf("exit code %d, Cause %v, took %v; want 7, that a stop was requested, 2 s", report.ExitCode(), report.Cause, report.Took)
		}
		if code := <-codes; code != 7 || p.now() != 4*s {
			t.Errorf("exit(%d) at %v; want exit(7) a second after Run's return, at 4 s", code, p.now())
		}
	})
}

func TestExitOutsideOfARunDrains(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler func(context.Context) error
		code    int
		want    int
	}{
		{"clean", nothing, 0, 0},
		{"with a code", nothing, 3, 3},
		{"with a failure", fails(errTask), 0, 1},
		{"with both", fails(errTask), 3, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				codes := make(chan int, 1)
				shutdown.SetExit(p.Coordinator, func(code int) {
					codes <- code
					runtime.Goexit()
				})
				p.Register(tt.handler)
				go p.Exit(tt.code)
				if got := <-codes; got != tt.want || p.now() > 10*ms { // a second scan for leaks
					t.Errorf("exit(%d) at %v, want exit(%d) at once", got, p.now(), tt.want)
				}
				time.Sleep(s) // until the signals have been given back
			})
		})
	}
}

func TestShutdownAfterTheEndReturnsTheResult(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.runs(fails(errTask))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 50 {
			if err := p.Shutdown(ctx); !errors.Is(err, errTask) {
				p.t.Fatalf("Shutdown = %v, want the report's error: all is over", err)
			}
		}
	})
}

// If the goroutine of a step has replaced its profiler labels, Close of a started task cannot tell
// whether the task would wait for its own end. It returns at once, and the task is told to stop all
// the same.
func TestCloseOfATaskWithReplacedLabels(t *testing.T) {
	for _, who := range []string{"the task itself", "main"} {
		t.Run(who, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var task *shutdown.Registration
				closeTask := func() {
					pprof.SetGoroutineLabels(context.Background())
					if err := task.Close(context.Background()); err != shutdown.ErrInProgress || p.now() != s {
						t.Errorf("Close = %v at %v, want ErrInProgress at 1 s", err, p.now())
					}
				}
				task = p.Start(func(ctx context.Context) error {
					if who == "the task itself" {
						time.Sleep(s)
						closeTask()
					}
					<-ctx.Done()
					if p.now() != s {
						t.Errorf("the task is told to stop at %v, want 1 s", p.now())
					}
					return nil
				})
				p.runs(func(ctx context.Context) error {
					if who == "main" {
						time.Sleep(s)
						closeTask()
					}
					p.at(3*s, func() { p.Stop(nil) })
					return obey(ctx)
				})
			})
		})
	}
}
