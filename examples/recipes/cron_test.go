package recipes_test

import (
	"context"
	"fmt"

	"github.com/go-co-op/gocron/v2"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A scheduler in the way of cron. It is gocron, since robfig/cron, on which it is built,
// has had no release since 2020: no job begins after the request to stop, and those that
// run are finished.
func Example_cron() {
	began := make(chan struct{})
	report := func(ctx context.Context) error {
		close(began)
		<-shutdown.FromContext(ctx).Stopping() // it takes longer than until the stop
		fmt.Println("the report is finished:", ctx.Err() == nil)
		return nil
	}

	stopAfter(began, func(ctx context.Context) error {
		var g group.Group
		g.Go("cron", func(ctx context.Context) error {
			// Its own limit, else of 10 s, must not be shorter than the task's.
			s, err := gocron.NewScheduler(gocron.WithStopTimeout(shutdown.DefaultGrace))
			if err != nil {
				return err
			}
			_, err = s.NewJob(
				gocron.CronJob("0 3 * * *", false),
				// The context of a job ends at once. What it does should not.
				gocron.NewTask(func(ctx context.Context) error { return report(group.WorkContext(ctx)) }),
				gocron.WithContext(ctx), // so that group knows it
				gocron.WithStartAt(gocron.WithStartImmediately()),
			)
			if err != nil {
				return err
			}
			s.Start()
			<-ctx.Done()
			return s.ShutdownWithContext(group.WorkContext(ctx))
		})
		return g.Run(ctx)
	})
	// Output: the report is finished: true
}
