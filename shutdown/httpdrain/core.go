package httpdrain

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// What this package knows of the steps below packages group and shutdown.

// inStep reports whether ctx belongs to a step, which limits the stop of the task.
func inStep(ctx context.Context) bool { return tree.From(ctx) != nil }

// inProgram reports whether the step that ctx belongs to is one of a Coordinator, which announces
// its stop.
func inProgram(ctx context.Context) bool { return !tree.From(ctx).Tree().Alone() }

// describe has progress called for the progress lines of the step that ctx belongs to. No lock
// is held then.
func describe(ctx context.Context, progress func() string) { tree.Describe(ctx, progress) }

// margin is how long before the end of a step with this budget its context ends.
func margin(budget time.Duration) time.Duration { return tree.Margin(budget) }

// never is longer than anything lasts.
const never = tree.Never

// isStepKey reports whether key is the one under which a context has its step.
func isStepKey(key any) bool { return tree.IsKey(key) }

// endedByStop reports whether ctx has ended because the step that it belongs to was asked to
// stop.
func endedByStop(ctx context.Context) bool {
	told := tree.From(ctx).Told
	return told != nil && told.Err() != nil && tree.In(context.Cause(ctx), context.Cause(told))
}
