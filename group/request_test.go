package group_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// A group that runs in a request does not start the step that serves it. Within the group, starts count
// as in any other.
func TestNestedStartsInARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(tree.Request(t.Context()))
		var outer group.Group
		outer.Go("pool", func(ctx context.Context) error {
			var inner group.Group
			inner.Go("worker", func(ctx context.Context) error {
				group.Started(ctx)
				<-ctx.Done()
				return nil
			}, group.Warmup(time.Second))
			return inner.Run(ctx)
		}, group.Warmup(time.Second))
		begun := false
		outer.Go("next", func(ctx context.Context) error {
			begun = true
			cancel()
			<-ctx.Done()
			return nil
		})
		if err := outer.Run(ctx); err != nil || !begun {
			t.Errorf("Run() = %v, the next task has begun: %t", err, begun)
		}
	})
}
