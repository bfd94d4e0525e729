package recipes_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A worker that takes its jobs from a queue outside of the program. A job that it has not
// taken stays there, for another process or the next start.
type worker struct {
	queue interface {
		Next(context.Context) (job, error)
	}
	process func(context.Context, job) error
}

// region worker
func (w *worker) run(ctx context.Context) error {
	for {
		job, err := w.queue.Next(ctx) // returns when the worker is told to stop
		if err != nil {
			return err
		}
		// The work context goes on until the deadline, so that the job is finished.
		if err := w.process(group.WorkContext(ctx), job); err != nil {
			return err
		}
	}
}

// endregion

// The job in hand is finished, and no other is taken.
func TestWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var finished, queued int
		q := queueFunc(func(ctx context.Context) (job, error) {
			queued++
			return job(queued), ctx.Err()
		})
		w := &worker{queue: q, process: func(ctx context.Context, _ job) error {
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
			finished++
			return nil
		}}
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			g.Go("worker", w.run)
			return g.Run(ctx)
		})
		time.Sleep(2500 * time.Millisecond)
		p.Signal(syscall.SIGTERM)
		p.Clean()
		if finished != 3 {
			t.Errorf("%d jobs finished, want 3", finished)
		}
	})
}

// A job is a number here.
type job int

type queueFunc func(context.Context) (job, error)

func (f queueFunc) Next(ctx context.Context) (job, error) { return f(ctx) }

// sleep waits, but no longer than until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A ticker.
func Example_ticker() {
	refreshed := make(chan struct{})
	first := sync.OnceFunc(func() { fmt.Println("refreshed"); close(refreshed) })
	refresh := func(context.Context) error { first(); return nil }

	// region ticker
	ticker := func(ctx context.Context) error {
		t := time.NewTicker(30 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := refresh(group.WorkContext(ctx)); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	}
	// endregion
	stopAfter(refreshed, func(ctx context.Context) error {
		var g group.Group
		g.Go("refresh", ticker)
		return g.Run(ctx)
	})
	// Output: refreshed
}
