package group

import (
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// An Option changes how one task is stopped.
type Option interface{ apply(*Task) }

type option func(*Task)

func (o option) apply(t *Task) { o(t) }

// MayFinish lets the task end by itself: a nil error from it, before it was asked
// to stop, does not stop the group. An error still does.
func MayFinish() Option {
	return option(func(t *Task) { t.mayFinish = true })
}

// Timeout is the most that the task's stop may take, from the moment it is told.
// Zero means as much as the group can give. It panics if d is negative.
func Timeout(d time.Duration) Option {
	step.MustNotBeNegative("group: Timeout", d)
	return option(func(t *Task) { t.step.Timeout = d })
}

// Reserve is the least that is kept back for the task's stop, whatever the ones
// before it do. Zero means the same share as every other task's, at most a
// second. It panics if d is negative.
func Reserve(d time.Duration) Option {
	step.MustNotBeNegative("group: Reserve", d)
	return option(func(t *Task) { t.step.Reserve = d })
}
