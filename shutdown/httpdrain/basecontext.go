package httpdrain

import "context"

// requestBase returns the parent of the contexts of requests: the user's BaseContext, with the
// values of the task's context. cancel ends it.
func requestBase(users, task context.Context) (base context.Context, cancel context.CancelCauseFunc) {
	switch {
	case users == nil:
		return nil, func(error) {} // net/http panics
	case !inStep(users):
		return context.WithCancelCause(&bothContext{users, task})
	}
	// users usually derives from main's context. The request to stop ends that, and must not
	// end requests. Anything else that ends it ends them.
	base, end := context.WithCancelCause(&bothContext{context.WithoutCancel(users), task})
	stop := context.AfterFunc(users, func() {
		if !endedByStop(users) {
			end(context.Cause(users))
		}
	})
	return base, func(cause error) { stop(); end(cause) }
}

// A bothContext is the user's BaseContext, with the values of the task's context in addition.
type bothContext struct {
	context.Context
	task context.Context
}

func (c *bothContext) Value(key any) any {
	if isStepKey(key) { // requests belong to the task's step, whatever step the user's context has
		return c.task.Value(key)
	}
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.task.Value(key)
}
