package shutdown

import (
	"context"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/step"
)

// Start runs a task that must outlive main: an admin listener, metrics, an embedded
// broker. It starts now, or when Run begins. It is asked to stop, through its
// context, in its turn as a handler that was registered here: handlers registered
// after it find it running. If it returns before, the program stops, with its error
// if there is one. A nil task panics.
func (c *Coordinator) Start(task func(context.Context) error, opts ...Option) *Registration {
	at := step.CallSite().As("")
	if task == nil {
		panic("shutdown: Start was given a nil task, at " + at.Site())
	}
	r := &Registration{c: c, handler: task}
	r.step.Origin, r.step.Kind, r.step.Told, r.step.Turn = at.Named(task), step.Task, new(step.Context), new(step.Turn)
	for _, o := range opts {
		o.apply(r)
	}
	run := c.lock()
	defer run.Unlock()
	c.stack.add(r, run.Now)
	switch {
	case c.phase == fresh:
		c.tasks = append(c.tasks, r)
	case !r.late:
		c.startTask(r)
	}
	return r
}

// startTasks starts the tasks that Run is to start.
func (c *Coordinator) startTasks() {
	for _, r := range c.tasks {
		if r.member {
			c.startTask(r)
		}
	}
	c.tasks = nil
}

func (c *Coordinator) startTask(r *Registration) {
	r.running = true
	r.step.Init(c.run.Place(nil, c.run.Values(), r.step.Name(), ""))
	c.run.After(func() { go step.Serve((*starter)(r)) })
}

// A starter runs a task that was started.
type starter Registration

func (s *starter) Next(last *step.Step, res step.Result) (*step.Step, step.Func, context.Context) {
	r := (*Registration)(s)
	if last == nil {
		return &r.step, r.handler, r.step.Told
	}
	res = r.step.Excuse(res)
	run := r.c.lock()
	defer run.Unlock()
	now := run.Now()
	if r.unlink() && !r.closing { // before its turn
		_, err := r.step.Judge(now, res)
		if err != nil {
			err = &group.TaskError{Name: r.step.Name(), Err: err}
		}
		r.c.request(now, err, err, false)
	}
	r.c.finish(last, now, res)
	return nil, nil, nil
}
