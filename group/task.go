package group

import (
	"context"
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A Task is one member of a group. Its methods may be called by any goroutine.
type Task struct {
	group     *Group
	execute   step.Func
	interrupt step.Func // nil: the task is asked to stop through its context

	step    step.Step
	turn    step.Turn
	told    step.Context // the context of a task without an interrupt
	stopper *stopper     // who stops it; guarded by the run lock until it is told

	// Guarded by the group's lock.
	prev, next *Task
	cause      error // why it is asked to stop
	result     step.Result
	err        error
	done       chan struct{} // made when asked for
	gone       chan struct{} // made when waited for: closed when the task has been given up
	waiters    int           // calls of Shutdown that will have its result, which is then not the group's
	running    int8          // of execute and interrupt, how many have not returned
	mayFinish  bool
	asked      bool // to stop
	stopped    bool // by the group
	ended      bool
	stuck      bool // it has been given up
}

// Done is closed when the task has ended: its function has returned, and its
// interrupt if it has one. For a task that is stuck it stays open.
func (t *Task) Done() <-chan struct{} {
	t.group.mu.Lock()
	defer t.group.mu.Unlock()
	if t.done == nil {
		t.done = make(chan struct{})
		if t.ended {
			close(t.done)
		}
	}
	return t.done
}

// over is the end of the task. The group is locked.
func (t *Task) over() {
	t.ended = true
	if t.done != nil {
		close(t.done)
	}
}

// Shutdown asks this one task to stop and waits until it has ended, or until ctx
// has. It does not stop the group.
//
// It returns the task's own error, which is then not the group's. If ctx ends
// first it returns ctx's error: the task's work context has ended a little before,
// and the task stays a member of the group, which goes on waiting for it. For a
// task that was added too late to be started it is ErrStopped. A task that is shut
// down before Run is never started. For one that the group has given up it is its
// *StuckError.
//
// Called by the task itself, it asks and returns nil at once. On the goroutine of a step, with
// a ctx that is not the task's, all goroutines are looked through to find that out, which takes
// the longer the more there are: who shuts down thousands of tasks one by one does so on a
// goroutine that it has started.
func (t *Task) Shutdown(ctx context.Context) error {
	g := t.group
	g.mu.Lock()
	if g.state == open && g.unlink(t) {
		t.over()
	}
	if t.ended || t.stuck {
		defer g.mu.Unlock()
		return t.err
	}
	g.mu.Unlock()
	inside := t.step.Calls(ctx)
	g.mu.Lock()
	mine := !inside && !t.stopped && t.result.Err == nil && t != g.first
	if mine {
		t.waiters++
	}
	g.mu.Unlock()
	t.tell(context.Canceled, step.Asked(context.Canceled), false)
	if inside {
		return nil
	}
	return t.wait(ctx, mine)
}

// wait waits for the end of the task, or of ctx. If the task's result is this caller's,
// it is not lost where ctx ends first: the group will have it.
func (t *Task) wait(ctx context.Context, mine bool) error {
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		cut := time.AfterFunc(left-step.Margin(left), t.step.Expire)
		defer cut.Stop()
	}
	select {
	case <-t.Done():
	case <-t.givenUp():
	case <-ctx.Done():
		t.step.Expire()
	}
	ended := ctx.Err() // before the lock: ctx may be the user's
	t.group.mu.Lock()
	defer t.group.mu.Unlock()
	if t.ended || t.stuck {
		return t.err // perhaps just now, when ctx ended: nobody else has it
	}
	if mine {
		t.waiters--
	}
	return ended
}

// givenUp is closed when the task is stuck, and the group has stopped without it.
func (t *Task) givenUp() <-chan struct{} {
	t.group.mu.Lock()
	defer t.group.mu.Unlock()
	if t.gone == nil {
		t.gone = make(chan struct{})
		if t.stuck {
			close(t.gone)
		}
	}
	return t.gone
}

// giveUp is the end of waiting for the task. The group is locked.
func (t *Task) giveUp() {
	t.stuck = true
	if t.gone != nil {
		close(t.gone)
	}
}

// A teller tells a task on behalf of the group, when its clock has been started.
type teller Task

func (t *teller) Unlocked() { (*Task)(t).tell(t.stopper.cause, t.stopper.end, true) }

// tell asks the task to stop, once.
func (t *Task) tell(cause error, end *step.Ending, byGroup bool) {
	t.group.mu.Lock()
	t.stopped = t.stopped || byGroup
	if t.asked {
		t.group.mu.Unlock()
		return
	}
	t.asked, t.cause = true, cause
	t.group.mu.Unlock()
	if t.interrupt == nil {
		t.step.Tell(end)
		return
	}
	go step.Serve((*interrupter)(t))
}

// An executor runs the task's function, and takes its result.
type executor Task

func (e *executor) Next(last *step.Step, r step.Result) (*step.Step, step.Func, context.Context) {
	t := (*Task)(e)
	if last != nil {
		if t.returned(t.step.Excuse(r)) { // before anybody is told because of it
			t.end()
		}
		return nil, nil, nil
	}
	if t.interrupt == nil {
		return &t.step, t.execute, &t.told
	}
	return &t.step, t.execute, &t.step.Ctx
}

// An interrupter runs the task's interrupt.
type interrupter Task

func (i *interrupter) Next(last *step.Step, r step.Result) (*step.Step, step.Func, context.Context) {
	t := (*Task)(i)
	if last != nil {
		if t.back(t.step.Excuse(r)) {
			t.end()
		}
		return nil, nil, nil
	}
	return &t.step, t.interrupt, &t.step.Ctx
}

// returned is told that the task's function has come back. It reports whether that was the
// last that the task consists of: end is then called by who calls this, not here, since it
// goes on to tell the next task, for which the stack that a goroutine begins with shall do.
func (t *Task) returned(r step.Result) (ended bool) {
	g := t.group
	early := r.How == step.Returned && g.parentEnded(r.Err)
	if early {
		r.Err = nil // it has seen the end of the group's context, perhaps before its turn
	}
	g.mu.Lock()
	if t.asked {
		if t.interrupt != nil && r.How == step.Returned {
			r.Err = nil // http.ErrServerClosed: the stop's result is the interrupt's
		}
		defer g.mu.Unlock()
		return t.backLocked(r)
	}
	g.mu.Unlock()
	switch {
	case early:
		g.begin(nil, context.Cause(g.ctx))
	case r.Err != nil:
		g.begin(t, &TaskError{t.step.Name(), r.Err})
	case !t.mayFinish:
		g.begin(nil, nil)
	case t.interrupt != nil:
		t.tell(nil, nil, false)
	}
	return t.back(r)
}

// back is told that one of the task's functions has come back. When both have, the
// task has ended.
func (t *Task) back(r step.Result) (ended bool) {
	t.group.mu.Lock()
	defer t.group.mu.Unlock()
	return t.backLocked(r)
}

func (t *Task) backLocked(r step.Result) (ended bool) {
	t.result = merge(t.result, r)
	t.running--
	return t.running == 0
}

// merge joins what execute and interrupt have come back with.
func merge(a, b step.Result) step.Result {
	switch {
	case b.Err == nil:
		return a
	case a.Err == nil:
		return b
	}
	if b.How == step.Panic {
		a, b = b, a // its stack is looked for first
	}
	how := max(a.How, b.How)
	if a.How == step.Panic {
		how = step.Panic
	}
	return step.Result{Err: errors.Join(a.Err, b.Err), How: how}
}

// end is the end of a task of which nothing runs any more.
func (t *Task) end() {
	run := t.step.Run()
	if t.group.ended(t, t.result) {
		return
	}
	t.step.Close()
	if run.Host != nil {
		run.Host.Zombie(&t.step, t.result)
	}
}
