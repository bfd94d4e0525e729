package group_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// The limit of a Shutdown also bounds groups that the task runs.
func TestShutdownReachesGroupsWithinTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		var outer group.Group
		task := outer.Go("outer", func(ctx context.Context) error {
			var inner group.Group
			inner.Go("inner", func(ctx context.Context) error {
				<-group.WorkContext(ctx).Done()
				d.note("inner deadline")
				return nil
			})
			return inner.Run(ctx)
		})
		outer.Go("other", func(ctx context.Context) error { <-ctx.Done(); return nil })
		go func() {
			time.Sleep(s)
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if err := task.Shutdown(ctx); err == nil || errors.Is(err, group.ErrStopped) {
				t.Errorf("Shutdown = %v, want that the inner task was late", err)
			}
			d.note("Shutdown returns")
		}()
		parent, end := context.WithTimeout(context.Background(), 5*s)
		defer end()
		_ = outer.Run(parent)
		d.check(t, "1.25s inner deadline", "1.25s Shutdown returns")
	})
}
