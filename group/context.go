package group

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// WorkContext returns a context for work in hand: work that should be finished rather than
// dropped when its task is asked to stop. It keeps the values of ctx, outlives the request to
// stop, and ends at the task's deadline, a little before the task would be abandoned; or when
// the task returns.
//
//	for {
//		job, err := queue.Next(ctx) // ends with the request to stop
//		if err != nil {
//			return err
//		}
//		process(group.WorkContext(ctx), job)
//	}
//
// Its Deadline is known if the task has been asked to stop already; it is an upper bound: a
// limit that comes forward later ends the context earlier.
//
// It works for any context that descends from the one a task was given, from main under a
// shutdown.Coordinator, or from an HTTP request served by httpdrain. For any other it is
// context.WithoutCancel(ctx). There is nothing to release.
func WorkContext(ctx context.Context) context.Context {
	if n := tree.From(ctx); n != nil {
		return n.Work(ctx)
	}
	return context.WithoutCancel(ctx)
}
