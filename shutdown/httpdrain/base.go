package httpdrain

import "context"

// underOf makes the context that those of requests descend from, of the user's BaseContext
// and the values of the task's. cancel ends it.
func underOf(users, task context.Context) (under context.Context, cancel context.CancelCauseFunc) {
	switch {
	case users == nil:
		return nil, func(error) {} // as net/http has it, it panics
	case !inStep(users):
		return context.WithCancelCause(&bothContext{users, task})
	}
	// Most often that is main's: its end is the request to stop, which does not end requests.
	// What else may end it, does.
	under, end := context.WithCancelCause(&bothContext{context.WithoutCancel(users), task})
	stop := context.AfterFunc(users, func() {
		if !endedByStop(users) {
			end(context.Cause(users))
		}
	})
	return under, func(cause error) { stop(); end(cause) }
}

// A bothContext is the user's BaseContext, with what the task's context has in addition.
type bothContext struct {
	context.Context
	task context.Context
}

func (c *bothContext) Value(key any) any {
	if isStepKey(key) { // the request is the task's, whoever's context the user gives
		return c.task.Value(key)
	}
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.task.Value(key)
}
