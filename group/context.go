package group

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// WorkContext returns a context for work in hand, which a task should finish when it is told to
// stop. The context has the values of ctx, and does not end when the task is told to stop. It ends
// at the task's deadline, a little before the task would be abandoned, or when the task returns.
//
//	for {
//		job, err := queue.Next(ctx) // returns an error when the task is told to stop
//		if err != nil {
//			return err
//		}
//		process(group.WorkContext(ctx), job)
//	}
//
// Its Deadline method returns a deadline only if the task was told to stop before the call of
// WorkContext. The context may end earlier than that, for example after a second signal.
//
// ctx has to descend from the context of a task or of another step, such as the main function of a
// shutdown.Coordinator, or from that of a request served by httpdrain or grpcdrain. For any other ctx,
// WorkContext returns context.WithoutCancel(ctx). There is nothing to release.
func WorkContext(ctx context.Context) context.Context {
	if n := tree.From(ctx); n != nil {
		return n.Work(ctx)
	}
	return context.WithoutCancel(ctx)
}
