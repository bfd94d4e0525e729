package httpdrain

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
)

// These functions are all that this package uses of internal/tree and internal/notify.

// inStep reports whether ctx belongs to a step, which limits the time of the task's stop.
func inStep(ctx context.Context) bool { return tree.From(ctx) != nil }

// inProgram reports whether the step of ctx belongs to a Coordinator, which announces its stop.
func inProgram(ctx context.Context) bool { return !tree.From(ctx).Tree().Alone() }

// ofRequest marks the parent of the contexts of requests. net/http panics if it is nil.
func ofRequest(base context.Context) context.Context {
	if base == nil {
		return nil
	}
	return tree.Request(base)
}

// describe has progress called for the progress lines of the step of ctx, with no lock held.
func describe(ctx context.Context, progress func() string) { tree.Describe(ctx, progress) }

// serves adds the server to the plan of the Coordinator, if there is one.
func serves(ctx context.Context) {
	if inProgram(ctx) {
		notify.Serves(shutdown.FromContext(ctx), tree.From(ctx), requestTime)
	}
}

// margin is the time between the deadline and the end of a step with this budget.
func margin(budget time.Duration) time.Duration { return tree.Margin(budget) }

// budget is the budget of a step that has this much time from its start to its deadline.
func budget(left time.Duration) time.Duration { return tree.Budget(left) }

// untilEnd is the time until the step of ctx, which stops, is abandoned.
func untilEnd(ctx context.Context) time.Duration {
	if n := tree.From(ctx); n != nil {
		return n.Left()
	}
	return 0 // Attach, in no step
}

// never is longer than any wait.
const never = tree.Never

// isStepKey reports whether key is the key under which a context holds its step.
func isStepKey(key any) bool { return tree.IsKey(key) }

// endedByStop reports whether ctx has ended because its step was told to stop.
func endedByStop(ctx context.Context) bool {
	told := tree.From(ctx).RunContext
	return told != nil && told.Err() != nil && tree.In(context.Cause(ctx), context.Cause(told))
}
