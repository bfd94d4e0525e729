package campaign

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file calls Task.Shutdown, and checks that the error of a task is returned in one place.

// A shut is a call of Task.Shutdown.
type shut struct {
	at, end time.Duration
	back    bool          // it has returned
	vague   bool          // its context may have held it up
	limit   time.Duration // when its context ends at the latest; 0: not known
	by      *seen         // the caller, nil if no actor
	inside  bool          // the task, or one in it, is the caller
	err     error
	ended   error // of the context when it had returned
}

// asLongAsItTakes is the deadline of a context that ends when the task should end.
const asLongAsItTakes = time.Duration(1)

// within derives a context with a deadline. There is none for 0, and a negative one has passed.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// shuts shuts down a task. by is the actor that calls it.
func (w *world) shuts(by, sn *seen, ctx context.Context, d time.Duration, how *strange) {
	if d == asLongAsItTakes {
		d = sn.For
	}
	c := &shut{at: w.now(), by: by, vague: how.slack() > 0}
	if d != 0 && !c.vague && (by == nil || ctx == context.Background()) {
		c.limit = c.at + max(d, 0)
	}
	w.note(func() {
		c.inside = by.isWithin(sn, ctx) && !sn.over
		sn.shuts = append(sn.shuts, c)
	})
	ctx, cancel := within(ctx, d)
	defer cancel()
	err := sn.task.Shutdown(how.of(w, ctx))
	w.note(func() { c.back, c.end, c.err, c.ended = true, w.now(), err, ctx.Err() })
}

// isWithin reports whether sn is of, or runs within it, as far as the context tells that it gives.
func (sn *seen) isWithin(of *seen, ctx context.Context) bool {
	for ; sn != nil && sn != of; sn = either(sn.in, sn.by) {
		if sn.by != nil && ctx == context.Background() {
			return false
		}
	}
	return sn != nil
}

// runsIn reports whether sn is of, or a task in a group in it.
func (sn *seen) runsIn(of *seen) bool {
	for ; sn != nil && sn.actor != of.actor; sn = sn.in {
	}
	return sn != nil
}

// shutsOne is the act of an actor: a task may be the one that it shuts down itself.
func (w *world) shutsOne(sn *seen, work context.Context) {
	target := sn
	w.note(func() {
		if sn.task == nil || sn.Way > 1 {
			target = pick(w.tasks, sn.Way+sn.Code)
		}
	})
	if target != nil {
		w.shuts(sn, target, ifelse(sn.Code%2 == 0, work, context.Background()), sn.Within, sn.Ctx)
	}
}

// findOutsiders corrects inside. A handler that a step of the task closes is not within the task any
// more when that step has ended: nothing in the task waits for it.
func (m *model) findOutsiders() {
	for _, sn := range m.seen {
		for _, c := range sn.shuts {
			target := func(task *seen) bool { return task.actor == sn.actor }
			c.inside = c.inside && (c.by.runsIn(sn) || m.waitsFor(c.by, c.at, target, true))
		}
	}
}

// gaveUp reports whether the call returned because its context had ended. That is not known if the
// task may have had the same error.
func (c *shut) gaveUp(sn *seen) (yes, known bool) {
	yes = c.back && c.err != nil && c.err == c.ended
	return yes, !c.vague && (!yes || sn.err != c.err)
}

// refused reports whether the call would have waited for its caller.
func (c *shut) refused() bool { return errors.Is(c.err, shutdown.ErrInProgress) }

// checkShutdowns checks that a call returns when the task or the call's context has ended. If the task
// has ended, the call returns its error. The error must not be lost, and the group must not return
// it too.
func (m *model) checkShutdowns() {
	for _, sn := range m.seen {
		if sn.task == nil || sn.calls == 0 {
			continue
		}
		if m.vague(sn) {
			continue
		}
		for _, c := range sn.shuts {
			if !c.vague {
				m.checkShut(sn, c)
			}
		}
		m.checkOnePlace(sn)
	}
}

func (m *model) checkShut(sn *seen, c *shut) {
	m.checkNested(sn, c)
	gaveUp, known := c.gaveUp(sn)
	stuck := new(group.StuckError)
	if left := c.limit - c.at; left > 0 && sn.Does == obeys && (!sn.over || sn.end > c.limit-margin(left)) && !c.inside && c.at < m.returned {
		m.found("shut", "%s, which obeys, ended at %v; its deadline should be a little before %v", sn.Name, sn.end, c.limit)
	}
	if c.limit > 0 && c.back && c.end > max(c.limit, c.at) {
		m.found("shut", "Shutdown of %s, whose context ended at %v, returned at %v", sn.Name, c.limit, c.end)
	}
	target := func(task *seen) bool { return task.actor == sn.actor }
	switch {
	case c.refused():
		if c.inside && c.by.runsIn(sn) || c.end != c.at || !m.waitsFor(c.by, c.at, target, true) {
			m.found("itself", "Shutdown of %s, which ended at %v, does not wait for its caller: %+v", sn.Name, sn.end, *c)
		}
	case m.new && !c.inside && m.waitsFor(c.by, c.at, target, false):
		m.found("itself", "Shutdown of %s, which ended at %v, would wait for its caller: %+v", sn.Name, sn.end, *c)
	case c.inside && m.given(sn) && m.over(sn, c.at): // it was abandoned, and is not told
	case c.inside:
		if !c.back || c.err != nil || c.end != c.at {
			m.found("shut", "%s shut itself down at %v: %+v", sn.Name, c.at, *c)
		}
	case !c.back:
		if sn.over || m.given(sn) || c.limit > 0 {
			m.found("shut", "Shutdown of %s does not return: %+v", sn.Name, *c)
		}
	case gaveUp:
		if known && (c.limit > 0 && c.end != c.limit || sn.over && sn.end < c.end) {
			m.found("shut", "Shutdown of %s, which ended at %v, gave up: %+v", sn.Name, sn.end, *c)
		}
	case errors.As(c.err, &stuck) && stuck.Name == sn.Name && m.given(sn):
	case !sn.over || c.end != max(c.at, sn.end):
		m.found("shut", "Shutdown of %s, which ended at %v (%t), returned: %+v", sn.Name, sn.end, sn.over, *c)
	case m.expired(sn):
	case sn.bad() && !sn.hasError(c.err) && sn.how == byReturn, sn.bad() != (c.err != nil) && !m.isLate(sn) && !m.wasLate(sn):
		m.found("shut", "Shutdown of %s, which ended with %v, returned: %+v", sn.Name, sn.err, *c)
	}
}

// checkOnePlace looks for the error of sn in what its group and its callers have returned.
func (m *model) checkOnePlace(sn *seen) {
	of := m.groupOf(sn)
	if !of.ran || !sn.over || !sn.bad() || m.expired(sn) || m.given(sn) || sn.end > of.ranAt {
		return
	}
	places := 0
	for _, name := range tasksOf(of.ranErr) {
		places += ifelse(name == sn.Name, 1, 0)
	}
	if places > 1 {
		m.found("one place", "%s is %d times in the error of its group: %v", sn.Name, places, of.ranErr)
	}
	stop, taken := m.mayStop(of), false
	// If a task, or one function of a pair, failed before the call, the group returns the error.
	before := sn.aloneErr != nil && !slices.ContainsFunc(sn.shuts, func(c *shut) bool { return c.at <= sn.alone })
	for _, c := range sn.shuts {
		gaveUp, known := c.gaveUp(sn)
		switch {
		case !known:
			return
		case c.inside || !c.back || gaveUp || c.refused():
			continue
		}
		taken = true
		if places > 0 && !before && c.at < stop && c.at < sn.end {
			m.found("one place", "the error of %s is the group's, and was returned: %+v", sn.Name, *c)
		}
	}
	if places == 0 && (!taken || before) {
		m.found("one place", "the error %v of %s is lost: %v", sn.err, sn.Name, of.ranErr)
	}
}

// tasksOf returns the names of the failed tasks in a group's error.
func tasksOf(err error) (names []string) {
	switch e := err.(type) {
	case *group.TaskError:
		return []string{e.Name}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			names = append(names, tasksOf(err)...)
		}
	}
	return names
}

// mayStop returns the earliest time at which the group that of runs may have begun to stop.
func (m *model) mayStop(of *seen) time.Duration { return m.mayStopWithout(of, nil) }

// mayStopWithout is mayStop without the end of one of its tasks.
func (m *model) mayStopWithout(of, but *seen) time.Duration {
	at := m.delayEnd
	if of.kind == shutdown.KindTask {
		at = ifelse(of.told, of.toldAt, of.ranAt)
	}
	return min(at, m.aTaskStops(of, but))
}

// aTaskStops returns the earliest time at which a task, other than but, may have stopped the group
// that of runs.
func (m *model) aTaskStops(of, but *seen) time.Duration {
	at := never
	for _, sn := range m.seen {
		switch {
		case sn.task == nil || m.groupOf(sn) != of || sn == but || sn.endsAlone():
		case sn.failedAt > 0:
			at = min(at, sn.failedAt)
		case (sn.over || sn.alone > 0) && (sn.bad() || m.isLate(sn) || !sn.Mild):
			at = min(at, ifelse(sn.alone > 0, sn.alone, sn.end))
		}
	}
	return at
}

// expiresAt reports whether the context of a Shutdown of sn ended then.
func (sn *seen) expiresAt(at time.Duration) bool {
	return slices.ContainsFunc(sn.shuts, func(c *shut) bool { return c.vague || c.back && c.ended != nil && c.end == at })
}

// ignoring reports whether the group certainly ignored the end of sn, because a caller of Shutdown
// waited for it.
func (sn *seen) ignoring() bool {
	return slices.ContainsFunc(sn.shuts, func(c *shut) bool {
		gaveUp, known := c.gaveUp(sn)
		return c.back && !c.inside && !gaveUp && known && c.at < sn.end && c.end == sn.end
	})
}
