package group

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
)

// An Option is given to Go, Add or AddActor, for one task.
type Option interface{ apply(*Task) }

type option func(*Task)

func (o option) apply(t *Task) { o(t) }

// MayFinish lets the task return nil before it is told to stop, without stopping the group. An
// error still stops the group.
func MayFinish() Option {
	return option(func(t *Task) { t.policy().mayFinish = true })
}

// Expect names errors that are no failures once the task was told to stop, such as
// http.ErrServerClosed: errors that match one of errs by errors.Is. An error that joins others is
// excused only if every joined error is. Before the task is told to stop, the same errors are
// failures.
func Expect(errs ...error) Option {
	errs = slices.Clone(errs)
	return option(func(t *Task) {
		m := t.more()
		m.Expect = append(m.Expect, errs...)
	})
}

// Timeout is the longest time that the task may take to stop, counted from when it is told to stop.
// Zero means no limit of its own. Timeout panics if d is negative.
func Timeout(d time.Duration) Option {
	site.MustNotBeNegative("group: Timeout", d)
	return option(func(t *Task) { t.node.Timeout = d })
}

// Reserve raises the task's minimum: the time for its stop that no task before it in the group can
// take away. It does not raise the minimum of the step that runs the group. Zero means the minimum
// that every task has, at most a second. A Reserve that exceeds the task's Timeout counts as the
// Timeout. Reserve panics if d is negative.
func Reserve(d time.Duration) Option {
	site.MustNotBeNegative("group: Reserve", d)
	return option(func(t *Task) { t.node.Reserve = d })
}
