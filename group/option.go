package group

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
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

// Warmup says that the task needs time until it can do its work: to fill a cache, or to make a
// connection. The task calls Started when it can. Tasks that were added after it are not begun
// before that, in a Concurrent group too. A task that runs a group with warm-ups needs a Warmup
// itself. Otherwise it counts as started when it is begun.
//
// If the task has not called Started within atMost, its context ends, and the group stops, unless
// the task has Restart or MayFail. The task fails with a *StartError, which has the stacks of the
// task and of all tasks of groups within it. The group's Grace limits how long the task may take to
// return. Once the group or the program was asked to stop, atMost no longer applies. Zero and
// math.MaxInt64 mean no limit.
//
// A task that returns nil before it has called Started fails with a *StartError, too, unless it has
// MayFinish: then it has started and finished, like a migration.
//
// Under a Coordinator, the program is not Ready during the warm-ups of tasks of main's groups. Set
// Coordinator.Warmup as well: otherwise it is Ready until the first warm-up begins. Warmup panics if
// atMost is negative.
func Warmup(atMost time.Duration) Option {
	site.MustNotBeNegative("group: Warmup", atMost)
	if atMost == 0 {
		atMost = tree.Never
	}
	return option(func(t *Task) { t.more().Warmup = atMost })
}

// MayFail lets the task fail without stopping the group: by an error, a panic or runtime.Goexit.
// The task ends alone, and the group goes on. Run joins the task's error, after those of the other
// tasks, so the failure counts for the exit status of the program.
//
// With Warmup, such a task may also fail to start. Tasks that wait for it are then begun. If it has
// exceeded its Warmup, they wait until it has returned, or was abandoned after the group's Grace.
//
// The report of a Coordinator has a line for such a failure even if it was before the stop. Its
// Start is then negative. Run and the report have the first 100 of these failures, and the number of
// the others.
func MayFail() Option {
	return option(func(t *Task) { t.more().MayFail = true })
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
