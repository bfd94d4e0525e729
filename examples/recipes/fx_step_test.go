package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/fx"

	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// An app that is one step stops as it did with app.Run: at a call of fx.Shutdowner, with its
// exit code, and after StartTimeout. A signal during the start stops all that has started.
func TestFxStep(t *testing.T) {
	const timeout = 3 * time.Second
	takes := func(d time.Duration) func(context.Context) error {
		return func(ctx context.Context) error { return sleep(ctx, d) }
	}
	fails := func(context.Context) error { return errors.New("no such queue") }
	shutsDown := func(options ...fx.ShutdownOption) func(fx.Shutdowner) error {
		return func(s fx.Shutdowner) error { return s.Shutdown(options...) }
	}
	for _, tt := range []struct {
		name   string
		start  func(context.Context) error // of the second part
		after  time.Duration
		do     func(fx.Shutdowner) error // nil: SIGTERM
		code   int
		cause  string
		ended  time.Duration
		events []string
	}{
		{
			"a signal", takes(0), 5 * time.Second, nil, 0, "received signal terminated",
			7 * time.Second,
			[]string{"opened", "started", "stopped", "closed"},
		},
		{
			"Shutdown", takes(0), 5 * time.Second, shutsDown(), 0, "received signal terminated",
			7 * time.Second,
			[]string{"opened", "started", "stopped", "closed"},
		},
		{
			"Shutdown with an exit code", takes(0), 5 * time.Second, shutsDown(fx.ExitCode(3)), 3,
			`task "fx": exit status 3`, 5 * time.Second,
			[]string{"opened", "started", "stopped", "closed"},
		},
		{
			"a signal during the start", takes(2 * time.Second), time.Second, nil, 0, "received signal terminated",
			2 * time.Second,
			[]string{"opened", "started", "stopped", "closed"},
		},
		{
			"an OnStart that fails", fails, time.Second, nil, 1, "no such queue",
			0,
			[]string{"opened", "closed"},
		},
		{
			"an OnStart that exceeds StartTimeout", takes(time.Hour), 5 * time.Second, nil, 1,
			"context deadline exceeded", timeout, nil, // whether fx calls OnStop is not defined
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// fx.App.Wait calls signal.Notify. The first such call starts goroutines, which must not
			// belong to a bubble.
			first := make(chan os.Signal, 1)
			signal.Notify(first, syscall.SIGTERM)
			signal.Stop(first)
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var e events
				var shutdowner fx.Shutdowner
				app := fx.New(fx.NopLogger, fx.StartTimeout(timeout), fx.Populate(&shutdowner), fx.Invoke(func(lc fx.Lifecycle) {
					lc.Append(e.hook(takes(0), "opened", "closed"))
					lc.Append(e.hook(tt.start, "started", "stopped"))
				}))
				c := shutdowntest.New(t)
				c.Grace, c.Delay = 20*time.Second, 2*time.Second
				if tt.after < timeout {
					c.Delay = 0
				}
				p := shutdowntest.Start(t, c, func(ctx context.Context) error { return runApp(ctx, app) })
				time.Sleep(tt.after)
				if tt.do == nil {
					p.Signal(syscall.SIGTERM)
				} else if err := tt.do(shutdowner); err != nil {
					t.Error(err)
				}
				report := p.Wait()
				if got := report.ExitCode(); got != tt.code {
					t.Errorf("exit code %d, want %d: %v", got, tt.code, report.Err())
				}
				if got := fmt.Sprint(report.Cause); got != tt.cause {
					t.Errorf("cause %q, want %q", got, tt.cause)
				}
				if got := report.Began.Add(report.Took).Sub(began); got != tt.ended {
					t.Errorf("the program ended after %v, want %v", got, tt.ended)
				}
				if diff := cmp.Diff(tt.events, e.list()); tt.events != nil && diff != "" {
					t.Errorf("the hooks differ (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// hook is a part of an app.
func (e *events) hook(start func(context.Context) error, started, stopped string) fx.Hook {
	return fx.Hook{
		OnStart: func(ctx context.Context) error {
			err := start(ctx)
			if err == nil {
				e.add(started)
			}
			return err
		},
		OnStop: func(context.Context) error { e.add(stopped); return nil },
	}
}
