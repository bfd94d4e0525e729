package group

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// WorkContext returns a context for work in hand, which a task should finish rather than drop when
// it is asked to stop. The context has the values of ctx and outlives the request to stop. It ends
// at the task's deadline, a little before the task would be abandoned, or when the task returns.
//
//	for {
//		job, err := queue.Next(ctx) // ends with the request to stop
//		if err != nil {
//			return err
//		}
//		process(group.WorkContext(ctx), job)
//	}
//
// Its Deadline method returns a deadline only if the task was asked to stop before the call of
// WorkContext. The context may end earlier, if a limit comes forward.
//
// ctx has to descend from the context of a task, from the context of a shutdown.Coordinator's main
// function, or from that of a request served by httpdrain or grpcdrain. For any other ctx,
// WorkContext returns context.WithoutCancel(ctx). There is nothing to release.
func WorkContext(ctx context.Context) context.Context {
	if n := tree.From(ctx); n != nil {
		return n.Work(ctx)
	}
	return context.WithoutCancel(ctx)
}
