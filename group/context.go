package group

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/step"
)

// WorkContext returns a context for work in hand: work that should be finished
// rather than dropped when its task is asked to stop. It keeps the values of ctx,
// outlives the request to stop, and ends at the cut, a little before the task would
// be given up.
//
//	for {
//		job, err := queue.Next(ctx) // ends with the request to stop
//		if err != nil {
//			return err
//		}
//		process(group.WorkContext(ctx), job)
//	}
//
// It works for any context that descends from the one a task was given, from main
// under a shutdown.Coordinator, or from an HTTP request served by httpdrain. For
// any other it is context.WithoutCancel(ctx). It costs nothing that would have to be
// released.
func WorkContext(ctx context.Context) context.Context {
	if s := step.From(ctx); s != nil {
		return s.Work(ctx)
	}
	return context.WithoutCancel(ctx)
}
