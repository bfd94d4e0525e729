package recipes_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"
	"github.com/robfig/cron/v3"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A reporter makes a report at some times of the day. Its scheduler is gocron, because
// robfig/cron has had no release since 2020.
type reporter struct {
	times  gocron.JobDefinition // such as gocron.CronJob("0 3 * * *", false)
	spec   string               // the same for robfig/cron, such as "0 3 * * *"
	report func(context.Context) error
}

// region cron
func (r *reporter) run(ctx context.Context) error {
	// The scheduler stops when this task is told to. That may be long after the stop was
	// requested: the delay and the tasks that were added later come before. Until then, this
	// function keeps jobs from beginning.
	c := shutdown.FromContext(ctx)
	unlessStopping := gocron.BeforeJobRunsSkipIfBeforeFuncErrors(func(uuid.UUID, string) error {
		if !c.Ready() {
			return errors.New("stopping")
		}
		return nil
	})
	s, err := gocron.NewScheduler(
		gocron.WithStopTimeout(shutdown.DefaultGrace), // gocron's own limit of 10 s is too short
		gocron.WithGlobalJobOptions(gocron.WithContext(ctx), gocron.WithEventListeners(unlessStopping)),
	)
	if err != nil {
		return err
	}
	_, err = s.NewJob(r.times, gocron.NewTask(func(ctx context.Context) error {
		return r.report(group.WorkContext(ctx)) // ctx ends when the task is told to stop
	}))
	if err != nil {
		return err
	}
	s.Start()
	<-ctx.Done()
	return s.ShutdownWithContext(group.WorkContext(ctx)) // waits for the jobs that run
}

// endregion

// The same with robfig/cron. Its jobs have no error and no context.
//
// region robfig
func (r *reporter) runRobfig(ctx context.Context) error {
	c := shutdown.FromContext(ctx)
	s := cron.New(cron.WithChain(cron.Recover(cron.DefaultLogger))) // without Recover a panic of a job ends the process
	_, err := s.AddFunc(r.spec, func() {
		if !c.Ready() {
			return // the stop was requested
		}
		if err := r.report(group.WorkContext(ctx)); err != nil {
			slog.Error("report failed", "error", err)
		}
	})
	if err != nil {
		return err
	}
	s.Start()
	<-ctx.Done()
	select {
	case <-s.Stop().Done(): // the jobs that run have returned
		return nil
	case <-group.WorkContext(ctx).Done():
		return errors.New("a job still runs")
	}
}

// endregion

// No job begins after the request to stop, although the scheduler's task is told to stop only
// after the delay and after another task. The jobs that run are finished. It takes real time,
// because gocron does not sleep while it waits for jobs, so that a bubble's clock would stand
// still.
func TestCron(t *testing.T) {
	var stopping atomic.Bool
	var begun, late, finished atomic.Int32
	finish := make(chan struct{})
	r := &reporter{times: gocron.DurationJob(10 * time.Millisecond), report: func(ctx context.Context) error {
		if begun.Add(1); stopping.Load() {
			late.Add(1)
		}
		select {
		case <-finish:
			finished.Add(1)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	c := shutdowntest.New(t)
	c.Grace, c.Delay = time.Minute, 200*time.Millisecond
	p := shutdowntest.Start(t, c, func(ctx context.Context) error {
		var g group.Group
		g.Go("cron", r.run)
		g.Go("http", func(ctx context.Context) error {
			<-ctx.Done()
			return sleep(group.WorkContext(ctx), 300*time.Millisecond)
		})
		return g.Run(ctx)
	})
	for limit := time.Now().Add(30 * time.Second); begun.Load() < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("no three jobs have begun in 30 s")
		}
	}
	p.Signal(syscall.SIGTERM)
	<-p.Stopping()
	stopping.Store(true)
	time.AfterFunc(600*time.Millisecond, func() { close(finish) }) // when the scheduler waits for them
	p.Clean()
	if n := late.Load(); n > 5 { // a job may be between the check and its begin; without the check 50 begin
		t.Errorf("%d jobs have begun after the request to stop", n)
	}
	if b, f := begun.Load(), finished.Load(); b != f {
		t.Errorf("%d jobs have begun, and %d are finished", b, f)
	}
}

// With robfig/cron, too, no job begins after the request to stop, and those that run are
// finished. A job that does not heed its context costs the task, and nothing else, its time.
func TestRobfigCron(t *testing.T) {
	for _, tt := range []struct {
		name     string
		takes    time.Duration
		deaf     bool // the job does not heed its context
		finished int32
		code     int
	}{
		{"the jobs are finished", 3500 * time.Millisecond, false, 3, 0},
		{"the jobs are interrupted", time.Hour, false, 0, 1},
		{"the jobs do not heed their context", time.Minute, true, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var begun, finished atomic.Int32
				r := &reporter{spec: "@every 1s", report: func(ctx context.Context) error {
					begun.Add(1)
					if tt.deaf {
						time.Sleep(tt.takes)
						return nil
					}
					err := sleep(ctx, tt.takes)
					if err == nil {
						finished.Add(1)
					}
					return err
				}}
				c := shutdowntest.New(t)
				c.Grace, c.Delay = 10*time.Second, 2*time.Second
				p := shutdowntest.Start(t, c, func(ctx context.Context) error {
					var g group.Group
					g.Go("cron", r.runRobfig)
					g.Go("http", func(ctx context.Context) error {
						<-ctx.Done()
						return sleep(group.WorkContext(ctx), time.Second)
					})
					return g.Run(ctx)
				})
				time.Sleep(3500 * time.Millisecond)
				p.Signal(syscall.SIGTERM)
				report := p.Wait()
				if tt.deaf {
					time.Sleep(tt.takes) // until the jobs have returned
				}
				if got := report.ExitCode(); got != tt.code {
					t.Errorf("exit code %d, want %d: %v", got, tt.code, report.Err())
				}
				if b, f := begun.Load(), finished.Load(); b != 3 || f != tt.finished {
					t.Errorf("%d jobs have begun and %d are finished, want 3 and %d", b, f, tt.finished)
				}
				if report.Took > c.Grace {
					t.Errorf("the stop took %v of %v", report.Took, c.Grace)
				}
			})
		})
	}
}
