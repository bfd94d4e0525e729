package group_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// Shutdown brings the deadline of a task forward that the group's stop has already told.
func TestShutdownOfATaskThatHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		d := newDiary()
		var g group.Group
		task := g.Go("hung", d.hangs("hung", release))
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			time.Sleep(time.Second)
			cancel()
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			if err := task.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
			d.note("Shutdown gave up")
		}()
		_ = g.Run(ctx)
		d.note("abandoned")
		d.check(t, "1s hung told", "3.9s hung deadline", "4s Shutdown gave up", "26s abandoned")
	})
}

// A group within a task has its Grace if Task.Shutdown stops the task without a limit.
func TestShutdownWithoutALimitLeavesGroupsTheirGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		d := newDiary()
		var outer group.Group
		task := outer.Go("outer", func(ctx context.Context) error {
			inner := group.Group{Grace: 3 * time.Second}
			inner.Go("inner", d.hangs("inner", release))
			err := inner.Run(ctx)
			d.note("inner group over")
			return err
		})
		go func() {
			time.Sleep(time.Second)
			if err := task.Shutdown(context.Background()); !errors.As(err, new(*group.StuckError)) {
				t.Errorf("Shutdown: %v, want the inner task's StuckError", err)
			}
		}()
		_ = outer.Run(context.Background())
		d.check(t, "1s inner told", "3.85s inner deadline", "4s inner group over")
	})
}
