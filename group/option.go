package group

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
)

// An Option changes how one task is stopped.
type Option interface{ apply(*Task) }

type option func(*Task)

func (o option) apply(t *Task) { o(t) }

// MayFinish lets the task end by itself: a nil error from it, before it was asked to stop, does
// not stop the group. An error still does.
func MayFinish() Option {
	return option(func(t *Task) { t.policy().mayFinish = true })
}

// Expect names errors that the task may return once it was asked to stop, without that being a
// failure: those that match one of errs by errors.Is, such as http.ErrServerClosed. An error
// that joins others is excused only if each of them is. Before the request to stop the same
// errors are failures.
func Expect(errs ...error) Option {
	errs = slices.Clone(errs)
	return option(func(t *Task) {
		m := t.more()
		m.Expect = append(m.Expect, errs...)
	})
}

// Timeout is the most that the task's stop may take, from the moment it is told. Zero means as
// much as the group can give. It panics if d is negative.
func Timeout(d time.Duration) Option {
	site.MustNotBeNegative("group: Timeout", d)
	return option(func(t *Task) { t.node.Timeout = d })
}

// Reserve is the least that is kept back for the task's stop, whatever the ones before it do.
// Zero means the same share as every other task's, at most a second. It panics if d is
// negative.
func Reserve(d time.Duration) Option {
	site.MustNotBeNegative("group: Reserve", d)
	return option(func(t *Task) { t.node.Reserve = d })
}
