package recipes_test

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A reporter makes a report at some times of the day. Its scheduler is gocron, because
// robfig/cron has had no release since 2020.
type reporter struct {
	times  gocron.JobDefinition // such as gocron.CronJob("0 3 * * *", false)
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
