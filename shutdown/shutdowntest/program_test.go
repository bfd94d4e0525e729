package shutdowntest_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
	"github.com/lastcall-go/lastcall/signals"
)

var errMine = errors.New("broken")

const ms = time.Millisecond

// waitForStop is a main or task that returns when it is told to stop.
func waitForStop(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func nothing(context.Context) error { return nil }

// service is a program with a database, a server and a worker.
func service(ctx context.Context) error {
	shutdown.FromContext(ctx).Register(func(context.Context) error {
		time.Sleep(100 * ms)
		return nil
	}, shutdown.Name("db"))
	var g group.Group
	g.Go("worker", waitForStop)
	g.Go("http", waitForStop)
	return g.Run(ctx)
}

func stopSlowly(ctx context.Context) error {
	<-ctx.Done()
	time.Sleep(300 * ms)
	return nil
}

// stuckUntil returns a main or a handler that ignores its context, and returns after release.
func stuckUntil(release <-chan struct{}) func(context.Context) error {
	return func(context.Context) error { <-release; return nil }
}

func TestStops(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stop  func(p *shutdowntest.Program)
		code  int
		cause func(error) bool
	}{
		{"Stop", func(p *shutdowntest.Program) { p.Stop(nil) }, 0, func(err error) bool { return err == shutdown.ErrStopRequested }},
		{"a cause", func(p *shutdowntest.Program) { p.Stop(errMine) }, 1, func(err error) bool { return errors.Is(err, errMine) }},
		{"an exit code", func(p *shutdowntest.Program) { p.Stop(&shutdown.ExitError{Code: 7}) }, 7, nil},
		{"the context", func(p *shutdowntest.Program) { p.Cancel(errMine) }, 0, func(err error) bool { return errors.Is(err, errMine) }},
		{"a signal", func(p *shutdowntest.Program) { p.Signal(syscall.SIGTERM) }, 0, func(err error) bool {
			var sig *signals.Error
			return errors.As(err, &sig) && sig.Signal == syscall.SIGTERM
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := shutdowntest.Start(t, shutdowntest.New(t), service)
				synctest.Wait()
				tt.stop(p)
				r := p.Wait()
				if tt.cause != nil && !tt.cause(r.Cause) {
					t.Errorf("Cause = %v", r.Cause)
				}
				if got := p.ExitCode(); got != tt.code {
					t.Errorf("ExitCode() = %d, want %d", got, tt.code)
				}
				p.Order("main", "http", "worker", "db")
				p.Within(100 * ms)
				p.NothingStuck()
				p.NothingLeaked()
			})
		})
	}
}

// The same works without a bubble.
func TestStopsInRealTime(t *testing.T) {
	p := shutdowntest.Start(t, nil, service)
	p.Signal(os.Interrupt)
	p.Clean()
	p.NothingStuck()
	p.NothingLeaked()
}

// Each signal has its effect, however soon it is sent after the previous one.
func TestSecondAndThirdSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := shutdowntest.Start(t, shutdowntest.New(t), stuckUntil(release))
		p.Signal(syscall.SIGTERM)
		p.Signal(syscall.SIGINT)
		if r := p.Report(); r == nil || !r.Forced {
			t.Errorf("Report() = %v, want Forced", r)
		}
		began := time.Now()
		p.Signal(syscall.SIGINT)
		if got, want := p.ExitCode(), 130; got != want {
			t.Errorf("ExitCode() = %d, want %d", got, want)
		}
		if d := time.Since(began); d > 300*ms {
			t.Errorf("the third signal took %v", d)
		}
		p.NothingLeaked() // goroutines that run after a third signal are not leaks
		p.Signal(syscall.SIGTERM)
	})
}

// With Reraise the exit code of the signal is no failure, but only after a complete drain.
func TestCleanWithReraise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shutdowntest.Start(t, &shutdown.Coordinator{Reraise: true}, waitForStop)
		p.Signal(syscall.SIGTERM)
		p.Clean()
		p.NothingStuck()

		r := new(recorder)
		p = shutdowntest.Start(r, &shutdown.Coordinator{Reraise: true}, func(ctx context.Context) error {
			shutdown.FromContext(ctx).Exit(4)
			return nil
		})
		p.Clean()
		r.want(t, "exit code 4, want 0")
		r.end()

		r = new(recorder)
		release := make(chan struct{})
		p = shutdowntest.Start(r, &shutdown.Coordinator{Reraise: true}, stuckUntil(release))
		for range 3 {
			p.Signal(syscall.SIGTERM)
		}
		p.Clean()
		p.NothingStuck()
		r.want(t, "exit code 143, want 0", "the program was ended with exit code 143 while steps were running")
		close(release)
		r.end()
	})
}

func TestConcurrentSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		p := shutdowntest.Start(t, nil, stuckUntil(release))
		var all sync.WaitGroup
		defer all.Wait()
		for range 5 {
			all.Go(func() { p.Signal(syscall.SIGTERM) })
		}
		if got, want := p.ExitCode(), 143; got != want {
			t.Errorf("ExitCode() = %d, want %d", got, want)
		}
	})
}

// A signal that the Coordinator does not handle is a failure of the test.
func TestUnhandledSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		p := shutdowntest.Start(r, &shutdown.Coordinator{Signals: []os.Signal{syscall.SIGQUIT}}, waitForStop)
		p.Signal(syscall.SIGTERM)
		r.want(t, "the program handles [quit], not terminated")
		p.Signal(syscall.SIGQUIT)
		p.Clean()
		r.want(t, "the program handles")
		r.end()
	})
}

// A rule is a signal of an incomparable type.
type rule []string

func (rule) Signal()        {}
func (rule) String() string { return "rule" }

// A signal of an incomparable type is a failure of the test, and no panic.
func TestIncomparableSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		p := shutdowntest.Start(r, &shutdown.Coordinator{Signals: []os.Signal{rule{}}}, waitForStop)
		p.Signal(rule{})
		r.want(t, "the program handles [rule], not rule")
		r.end()
	})
}

// Exit on a goroutine of no step ends the program, not the test.
func TestExitOnAnotherGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shutdowntest.Start(t, nil, waitForStop)
		go p.Exit(3)
		p.Wait()
		if got := p.ExitCode(); got != 3 {
			t.Errorf("ExitCode() = %d, want 3", got)
		}
		time.Sleep(time.Second) // for Exit to return
	})
}

// After an Exit with a complete drain, NothingLeaked finds a leaked goroutine, both before and after
// Exit has ended its own. The goroutine in Exit is not a leak.
func TestLeakAfterExitOnAnotherGoroutine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		later time.Duration
	}{{"while Exit waits", 0}, {"after Exit", 2 * time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leave := make(chan struct{})
				r := new(recorder)
				p := shutdowntest.Start(r, nil, func(ctx context.Context) error {
					go func() { <-leave }()
					return waitForStop(ctx)
				})
				go p.Exit(3)
				p.Wait()
				time.Sleep(tt.later)
				p.NothingLeaked()
				r.want(t, "goroutines are left: found unexpected goroutines")
				close(leave)
				p.NothingLeaked()
				r.want(t, "goroutines are left")
				r.end()
				time.Sleep(time.Second) // for Exit to return
			})
		})
	}
}

func TestDrainedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shutdowntest.New(t)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		p := shutdowntest.Start(t, c, waitForStop)
		p.Signal(syscall.SIGTERM)
		if err := p.Wait().Err(); !errors.Is(err, shutdown.ErrDrained) {
			t.Errorf("Err() = %v, want ErrDrained", err)
		}
	})
}

// A Coordinator runs once. A second Start fails its test and returns a Program whose methods return.
func TestStartTwice(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(p *shutdowntest.Program) // the first one
	}{
		{"the first program runs", func(*shutdowntest.Program) {}},
		{"the first program has ended", func(p *shutdowntest.Program) { p.Stop(nil); p.Wait() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := shutdowntest.Start(t, nil, waitForStop)
				tt.stop(first)
				synctest.Wait() // its goroutines wait, or have ended
				r := new(recorder)
				p := shutdowntest.Start(r, first.Coordinator, func(context.Context) error {
					t.Error("main was called")
					return nil
				})
				r.want(t, "this Coordinator was run before")
				p.Signal(syscall.SIGTERM)
				p.Within(0)
				p.NothingLeaked()
				if err := p.Wait().Err(); !errors.Is(err, shutdown.ErrDrained) {
					t.Errorf("Err() = %v, want ErrDrained", err)
				}
				if got := p.ExitCode(); got != 1 {
					t.Errorf("ExitCode() = %d, want 1", got)
				}
				r.end()
				r.want(t, "this Coordinator was run before")
				first.Signal(syscall.SIGTERM) // it still handles signals
				first.Clean()
			})
		})
	}
}

// A panic of Run fails the test, and does not end the process.
func TestStartOfAnInvalidProgram(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    *shutdown.Coordinator
		main func(context.Context) error
		want string
	}{
		{"a negative Grace", &shutdown.Coordinator{Grace: -1}, waitForStop, "the program was not run: shutdown: Grace -1ns is negative"},
		{"no main", nil, nil, "the program was not run: shutdown: main is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := new(recorder)
				p := shutdowntest.Start(r, tt.c, tt.main)
				p.Signal(syscall.SIGTERM)
				p.NothingStuck()
				if p.Wait() == nil {
					t.Error("Wait() = nil")
				}
				r.end()
				r.want(t, tt.want)
			})
		})
	}
}

// The program is stopped at the end of the test.
func TestEndOfTestStopsTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(loggingTest)
		p := shutdowntest.Start(l, shutdowntest.New(l), service)
		synctest.Wait()
		l.end()
		if r := p.Report(); r == nil || r.Err() != nil {
			t.Errorf("Report() = %v, want one without an error", r)
		}
		if !strings.Contains(strings.Join(l.lines, "\n"), "msg=stopped") {
			t.Errorf("log %q, want msg=stopped in it", l.lines)
		}
		n := len(l.lines)
		c := shutdowntest.New(l) // its test has ended
		l.end()
		_ = c.Shutdown(t.Context())
		if len(l.lines) != n {
			t.Errorf("logged after the end: %q", l.lines[n:])
		}
	})
}

func TestChecksFail(t *testing.T) {
	leave := make(chan struct{})
	for _, tt := range []struct {
		name  string
		main  func(ctx context.Context) error
		check func(p *shutdowntest.Program)
		want  []string
	}{
		{
			"a failure", func(context.Context) error { return errMine },
			(*shutdowntest.Program).Clean,
			[]string{"the program failed: broken\n    stopped with failures"},
		},
		{
			"an exit code", func(ctx context.Context) error {
				shutdown.FromContext(ctx).Exit(4)
				return nil
			},
			(*shutdowntest.Program).Clean,
			[]string{"exit code 4, want 0"},
		},
		{
			"another order", service,
			func(p *shutdowntest.Program) { p.Stop(nil); p.Order("worker", "http") },
			[]string{`step "http" did not begin after "worker", want the order ["worker" "http"]`},
		},
		{
			"no such step", service,
			func(p *shutdowntest.Program) { p.Stop(nil); p.Order("http", "cache") },
			[]string{`there is no step "cache"`},
		},
		{
			"a step that was skipped", func(ctx context.Context) error {
				c := shutdown.FromContext(ctx)
				c.Register(nothing, shutdown.Name("last"))
				s := c.Scope("short", shutdown.Timeout(1)) // 1 ns is no time for two handlers
				s.Register(nothing, shutdown.Name("skipped"))
				s.Register(stuckUntil(leave))
				return nil
			},
			func(p *shutdowntest.Program) { p.Order("main", "skipped", "last") },
			[]string{`step "skipped" did not begin: not run, no time is left for it`},
		},
		{
			"a slow stop", service,
			func(p *shutdowntest.Program) { synctest.Wait(); p.Stop(nil); p.Within(99 * ms) },
			[]string{`the stop took 100ms, want at most 99ms; the slowest step, "db", took 100ms`},
		},
		{
			"a slow stop of main alone", stopSlowly,
			func(p *shutdowntest.Program) { p.Stop(nil); p.Within(99 * ms) },
			[]string{"the stop took 300ms, want at most 99ms\n"},
		},
		{
			"a stuck step", func(ctx context.Context) error {
				shutdown.FromContext(ctx).Register(stuckUntil(leave), shutdown.Name("cache"))
				return nil
			},
			(*shutdowntest.Program).NothingStuck,
			[]string{`handler "cache" (shutdowntest/program_test.go:`},
		},
		{
			"a goroutine of a step", func(ctx context.Context) error {
				shutdown.FromContext(ctx).Register(func(context.Context) error {
					go func() { <-leave }()
					return nil
				}, shutdown.Name("cache"))
				return nil
			},
			(*shutdowntest.Program).NothingLeaked,
			[]string{`step "cache" left 1 goroutines behind`},
		},
		{
			"a goroutine of main", func(context.Context) error { go func() { <-leave }(); return nil },
			(*shutdowntest.Program).NothingLeaked,
			[]string{"goroutines are left: found unexpected goroutines"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leave = make(chan struct{})
				r := new(recorder)
				p := shutdowntest.Start(r, nil, tt.main)
				tt.check(p)
				r.want(t, tt.want...)
				close(leave)
				r.end()
			})
		})
	}
}

// With Reraise neither the signal nor Exit ends the test's process.
func TestReraiseDoesNotEndTheTest(t *testing.T) {
	c := &shutdown.Coordinator{Grace: time.Second, Reraise: true}
	p := shutdowntest.Start(t, c, func(ctx context.Context) error { <-ctx.Done(); return nil })
	p.Signal(syscall.SIGTERM)
	p.Wait()
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		c.Exit(0)
	}()
	<-exited // by Goexit
	if code := p.ExitCode(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d, want 143", code)
	}
}

// The steps that run after a third signal go on in the test's process. They change neither the report
// of Wait nor the checks.
func TestThirdSignalEndsTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := new(recorder)
		p := shutdowntest.Start(r, nil, func(ctx context.Context) error {
			c := shutdown.FromContext(ctx)
			c.Register(nothing, shutdown.Name("db"))
			c.Register(stuckUntil(release), shutdown.Name("cache"))
			return waitForStop(ctx)
		})
		for range 3 {
			p.Signal(syscall.SIGTERM)
		}
		before := p.Wait().String()
		time.Sleep(time.Minute)
		if after := p.Wait().String(); after != before {
			t.Errorf("a minute later the report is\n%s\nwant\n%s", after, before)
		}
		p.Within(500 * ms)
		p.Clean()
		p.NothingStuck()
		r.want(t, `still running: handler "cache" (shutdowntest/program_test.go:`, `still running: handler "cache"`)
		close(release)
		r.end()
	})
}

// A program that is stopped by the end of the test must not fail.
func TestEndOfTestChecksTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		main := func(ctx context.Context) error {
			shutdown.FromContext(ctx).Register(func(context.Context) error { return errMine }, shutdown.Name("db"))
			return waitForStop(ctx)
		}
		r := new(recorder)
		shutdowntest.Start(r, nil, main)
		synctest.Wait()
		r.end()
		r.want(t, `the program failed: handler "db"`)

		r = new(recorder)
		p := shutdowntest.Start(r, nil, main)
		synctest.Wait()
		p.Stop(nil) // the test itself checks the result
		r.end()
		r.want(t)
	})
}

// A failure of main names the line of the test that calls Start.
func TestSiteOfMain(t *testing.T) {
	r := new(recorder)
	p := shutdowntest.Start(r, nil, func(context.Context) error { runtime.Goexit(); return nil })
	p.Clean()
	shutdowntest.Start(r, nil, nil)
	r.want(t, `main "main" (shutdowntest/program_test.go:`, "main is nil, at shutdowntest/program_test.go:")
	r.end()
}
