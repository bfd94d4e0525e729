package group

import (
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// stop tells the tasks to stop and waits for them, within the time there is.
func (g *Group) stop() {
	g.mu.Lock()
	tasks := make([]*Task, 0, g.members)
	for t := g.newest; t != nil; t = t.prev {
		tasks = append(tasks, t)
	}
	cause := g.cause
	g.mu.Unlock()

	s := stopper{g: g, cause: cause, end: step.Asked(cause)}
	s.plan(tasks)
	if g.Concurrent {
		s.all(tasks)
	} else {
		for _, t := range tasks {
			s.one(t)
		}
	}
	g.run.Lock()
	s.clock.Close()
	g.run.Unlock()
}

// plan makes the clock of the stop and divides the time among the tasks.
func (s *stopper) plan(tasks []*Task) {
	run := s.g.run
	run.Lock()
	defer run.Unlock()
	now := run.Now()
	s.clock = run.NewClock(s.g.outer, now+s.g.grace())
	n := len(tasks)
	if s.g.Concurrent {
		n = 1
	}
	s.budget = s.clock.Plan(now, n)
	for _, t := range tasks {
		t.step.Promise = s.budget.Promise(t.step.Terms)
		if !s.g.Concurrent {
			s.budget.Owe(t.step.Promise)
		}
	}
	if s.budget.Fit(now) && run.Host != nil {
		run.Host.Scaled()
	}
}

func (g *Group) grace() time.Duration {
	switch {
	case g.Grace > 0:
		return g.Grace
	case g.run.Host != nil:
		return g.run.Host.Grace()
	}
	return DefaultGrace
}

// StepOver is called when a step that the stop waits for is over.
func (g *Group) StepOver(*step.Step) {
	if g.left--; g.left == 0 {
		g.wait <- struct{}{}
	}
}

// A stopper is one stop of a group.
type stopper struct {
	g      *Group
	clock  *step.Clock
	budget *step.Budget
	cause  error
	end    *step.Ending
}

// one stops a task and waits until it has ended or has been given up.
func (s *stopper) one(t *Task) {
	s.g.run.Lock()
	begun := s.begin(t)
	s.g.run.Unlock()
	t.tell(s.cause, s.end)
	if begun {
		<-s.g.wait
	}
	s.stuck(t)
}

// all stops the tasks side by side.
func (s *stopper) all(tasks []*Task) {
	s.g.run.Lock()
	begun := false
	for _, t := range tasks {
		begun = s.begin(t) || begun
	}
	s.g.run.Unlock()
	for _, t := range tasks {
		t.tell(s.cause, s.end)
	}
	if begun {
		<-s.g.wait
	}
	for _, t := range tasks {
		s.stuck(t)
	}
}

// begin starts the task's clock, and reports whether there is something to wait
// for. A task for which no time is left is told all the same, and given up.
func (s *stopper) begin(t *Task) bool {
	now := s.g.run.Now()
	if t.step.Over() { // ended by itself
		if !s.g.Concurrent {
			s.budget.Forgive(t.step.Promise)
		}
		return false
	}
	if s.g.Concurrent {
		s.budget.Owe(t.step.Promise)
	}
	if !s.clock.Begin(&t.step, s.budget, now) {
		t.step.Finish(now, step.Abandoned, step.Errors.Stuck(t.step.Name(), 0, ""))
		return false
	}
	t.step.Waiter = s.g
	s.g.left++
	return true
}

// stuck records a task that has been given up.
func (s *stopper) stuck(t *Task) {
	s.g.run.Lock()
	stuck, err := t.step.Outcome == step.Abandoned, t.step.Err
	s.g.run.Unlock()
	if !stuck {
		return
	}
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	if s.g.unlink(t) {
		t.err = err
		s.g.failed(t, err)
	}
}
