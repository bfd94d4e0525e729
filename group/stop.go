package group

import (
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A stopper is one stop of a group. It goes from task to task like a baton: whoever
// ends tells the next, so that the goroutine that called Run sleeps until the last.
type stopper struct {
	g      *Group
	clock  *step.Clock
	budget *step.Budget
	cause  error
	end    *step.Ending
	tasks  []*Task // newest first

	// Guarded by the run's lock.
	next    int // of tasks
	waiting int // steps that have been begun and are not over
	over    chan struct{}
}

// stop tells the tasks to stop and waits for them, within the time there is.
func (g *Group) stop() {
	s := &stopper{g: g, over: make(chan struct{})}
	g.mu.Lock()
	s.tasks = make([]*Task, 0, g.members)
	for t := g.newest; t != nil; t = t.prev {
		s.tasks = append(s.tasks, t)
	}
	s.cause, s.end = g.cause, step.Asked(g.cause)
	g.mu.Unlock()

	g.run.Lock()
	now := g.run.Now()
	s.plan(now)
	s.advance(now)
	g.run.Unlock()
	<-s.over
	g.run.Lock()
	s.clock.Close()
	g.run.Unlock()
	s.collect()
}

// plan makes the clock of the stop and divides the time among the tasks.
func (s *stopper) plan(now time.Duration) {
	run := s.g.run
	s.clock = run.NewClock(s.g.outer, s.g.limit(now))
	n := len(s.tasks)
	if s.g.Concurrent {
		n = 1
	}
	s.budget = s.clock.Plan(now, n)
	for _, t := range s.tasks {
		t.step.Promise = s.budget.Promise(t.step.Terms)
		if !s.g.Concurrent {
			s.budget.Owe(t.step.Promise)
		}
	}
	if s.budget.Fit(now) && run.Host != nil {
		run.Host.Scaled()
	}
}

// limit is when the stop has to be over. Where the step around is stopping as well, that
// is its affair: the clock knows its cut.
func (g *Group) limit(now time.Duration) time.Duration {
	switch {
	case g.outer != nil && g.outer.Running():
		return step.Never
	case g.Grace > 0:
		return step.Sum(now, g.Grace)
	case g.run.Host != nil:
		return step.Sum(now, g.run.Host.Grace())
	}
	return now + DefaultGrace
}

// StepOver is called when a step that the stop waits for is over.
func (s *stopper) StepOver(last *step.Step) {
	s.waiting--
	s.advance(last.End)
}

// advance begins the next task, or all that are left where they are concurrent.
func (s *stopper) advance(now time.Duration) {
	for s.next < len(s.tasks) && (s.waiting == 0 || s.g.Concurrent) {
		t := s.tasks[s.next]
		s.next++
		s.begin(t, now)
	}
	if s.waiting == 0 {
		close(s.over)
	}
}

// begin starts the task's clock and tells it. A task for which no time is left is told
// all the same, and given up.
func (s *stopper) begin(t *Task, now time.Duration) {
	switch {
	case t.step.Over(): // it has ended by itself
		if !s.g.Concurrent {
			s.budget.Forgive(t.step.Promise)
		}
		return
	case s.g.Concurrent:
		s.budget.Owe(t.step.Promise)
	}
	t.stopper = s
	s.g.run.Defer((*teller)(t))
	if !s.clock.Begin(&t.step, s.budget, now) {
		return
	}
	t.step.Waiter = s
	s.waiting++
}

// collect records the tasks that have been given up.
func (s *stopper) collect() {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	for _, t := range s.tasks {
		s.g.run.Lock()
		stuck, err := t.step.Outcome == step.Abandoned, t.step.Err
		s.g.run.Unlock()
		if stuck && s.g.unlink(t) {
			if t.result.Err != nil { // one of a pair has failed, and the other is stuck
				err = errors.Join(t.result.Err, err)
			}
			t.err = err
			t.giveUp()
			s.g.failed(t, err)
		}
	}
}
