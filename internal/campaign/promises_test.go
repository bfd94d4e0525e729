package campaign

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file is the promises that only the new core keeps. The model holds a program to them where
// its field new is set; that is newCore, but for a test of the model itself.

// newPromises are the names by which they are found broken, and what each says.
var newPromises = map[string]string{
	"named":    "the cause of a stop is never nil: it is main's return, the request, or the task that has ended",
	"alone":    "from t0 on a task that ends without an error ends alone: neither its group nor the delay ends with it",
	"again":    "a Close that comes while another one runs waits for it, and returns nil",
	"itself":   "a Close that would wait for its caller returns ErrInProgress at once, and no other does",
	"deadline": "Deadline of one context answers the same each time it is asked",
	"tie":      "what returns only because its context ends at its deadline is late",
	"nested":   "the limit of a Task.Shutdown reaches the groups within that task",
	"times":    "a progress line comes after 1, 2, 5 and 10 s, and then each 10 s",
	"descent":  "Shutdown called with a context that descends from a step's is in progress, also where a Coordinator is in between",
	"hidden":   "what a group has given up is an error, whatever the group was asked to stop with",
	"polite":   "an error that says of itself that it is context.Canceled is no failure of what was asked to stop",
}

// A polite error is no context.Canceled, wraps none, and says that it is one.
type polite struct{}

func (polite) Error() string        { return "operation was canceled" }
func (polite) Is(target error) bool { return target == context.Canceled }

// checkNew is for those that are not a variant of what is promised anyway.
func (m *model) checkNew() {
	if !m.new {
		return
	}
	for _, sn := range m.seen {
		if sn.moved {
			m.found("deadline", "the deadline of %s was %v ahead at its start, and is another one at its end", sn.Name, sn.left)
		}
	}
	for _, d := range m.descents {
		if d.descends && (!errors.Is(d.err, shutdown.ErrInProgress) || d.end > d.at+d.slack) {
			m.found("descent", "Shutdown of the program around returned %v, after %v", d.err, d.end-d.at)
		}
	}
	for _, c := range m.closings {
		switch {
		case c.slack > 0:
		case c.sc == nil || c.sc.released == c.hand:
			m.checkAgain(c)
		case !c.hand && c.at > c.sc.releasedAt && !m.ranBy(c.sc, c.sc.releasedAt) && (c.err != nil || c.end != c.at):
			m.found("again", "%v, which was released at %v, returned %v at %v: %+v", c, c.sc.releasedAt, c.err, c.end, *c)
		}
	}
}

// A descent is a call of Shutdown for the program around, by a step of one within.
type descent struct {
	at, end, slack time.Duration
	descends       bool // its context does, from a step of that program
	err            error
}

// sinceT0 takes away what stops nothing once t0 is stamped: a started task that has ended without
// an error. At the instant of t0 itself it may have been the first.
func (m *model) sinceT0(stimuli []stimulus) []stimulus {
	if !m.new {
		return stimuli
	}
	stimuli = slices.Clone(stimuli)
	for i := range stimuli {
		s := &stimuli[i]
		if _, known := m.begun(s.at); s.why == taskEnded && !s.fault && !known && (s.at != m.stop || ties(stimuli, s.at) > 1) {
			s.maybe = true
		}
	}
	return slices.DeleteFunc(stimuli, func(s stimulus) bool {
		yes, known := m.begun(s.at)
		return s.why == taskEnded && !s.fault && yes && known
	})
}

// A why is what a cause has to be that is not given.
type why int

const (
	given        why = iota
	asked            // by Stop(nil) or Shutdown
	mainReturned     // without an error
	taskEnded        // without an error
	byExitCall
)

// checkCause holds the cause of the stop against what it was: one of what happened at that instant.
func (m *model) checkCause(ties []stimulus) {
	got := m.report.Cause
	if got != m.requested.Cause {
		m.found("stop", "the cause is %v, in the report %v", m.requested.Cause, got)
		return
	}
	fits := func(s stimulus) bool {
		if s.cause != nil {
			return sameCause(got, s.cause)
		}
		return ifelse(m.new, m.names(got, s), got == nil)
	}
	if s := ties[0]; !slices.ContainsFunc(ties, fits) {
		m.found(ifelse(s.cause == nil && m.new, "named", "stop"), "the cause is %v, and it was %v, %d, of %s, or another of %d", got, s.cause, s.why, s.of, len(ties))
	}
}

// names reports whether a cause says what it was, where there was no error.
func (m *model) names(cause error, s stimulus) bool {
	switch s.why {
	case asked:
		return errors.Is(cause, errStopRequested)
	case taskEnded:
		return endedTask(cause) == s.of
	case mainReturned:
		name := endedTask(cause)
		return errors.Is(cause, errReturned) || slices.ContainsFunc(m.seen, func(sn *seen) bool {
			return sn.Name == name && sn.ofMain() && !sn.Mild && (sn.over && sn.end <= s.at || sn.alone > 0 && sn.alone <= s.at)
		})
	}
	return cause != nil
}

// outcomePromise is which promise it is that a step's outcome breaks, if it does.
func (m *model) outcomePromise(t *told) string {
	stuck := new(group.StuckError)
	switch sn := t.seen; {
	case !m.new:
	case m.parent != nil && errors.As(sn.err, &stuck) && t.Outcome == outcomeOK:
		return "hidden"
	case t.want == outcomeLate && sn.expired && !sn.late:
		return "tie"
	case errors.As(sn.err, new(polite)):
		return "polite"
	}
	return "outcome"
}

// isLate reports whether sn has returned after its deadline, or, if only the new core has to see
// that, because of it.
func (m *model) isLate(sn *seen) bool {
	return sn.late || m.new && sn.expired && len(sn.shuts) == 0 // else it may have been a Shutdown that gave up
}

// inTime reports whether t ended certainly before its deadline.
func (m *model) inTime(t *told) bool {
	sn := t.seen
	return sn.kind == shutdown.KindHandler && sn.end < sn.begin+sn.left && !m.early(sn) && m.forced < 0 && sn.end == t.end
}

// mayBeLate reports whether t ended at its deadline or later, or that cannot be known: its function
// does not where its context has ended before, or was asked for before there was a deadline.
func (m *model) mayBeLate(t *told) bool {
	if m.forced >= 0 && t.end > m.forced && t.begin <= m.forced {
		return true // a second signal has brought the deadline forward
	}
	for _, e := range m.events {
		if b, ok := e.Event.(shutdown.StepBegan); ok && m.named(b.Kind, b.Name) == t.seen {
			return e.at+budget(b)-margin(budget(b))-t.end <= time.Microsecond
		}
	}
	return false
}

// wasLate reports whether it is said of sn that it was late.
func (m *model) wasLate(sn *seen) bool {
	e, ok := m.ends[sn.Name].Event.(shutdown.StepEnded)
	return m.new && ok && e.Outcome == outcomeLate
}

// checkNested holds that what obeys in a group within a task is cut before the limit of the Shutdown
// of that task.
func (m *model) checkNested(sn *seen, c *shut) {
	left := c.limit - c.at
	if !m.new || left <= 0 || c.inside || c.at >= m.returned || sn.Inner == nil || m.over(sn, c.at) {
		return
	}
	for _, in := range m.seen {
		if in.in != nil && in.in.actor == sn.actor && in.calls > 0 && m.obeysAt(in, c.at) && (!in.over || in.end > c.limit-margin(left)) {
			m.found("nested", "%s, which obeys, ended at %v, and %s was to be over at %v", in.Name, in.end, sn.Name, c.limit)
		}
	}
}

// checkAgain is for a Close that may have come while another one ran, or that may wait for itself.
func (m *model) checkAgain(c *closing) {
	refused := errors.Is(c.err, shutdown.ErrInProgress)
	byItself := c.reg != nil && c.caller != nil && c.caller.actor == c.reg.actor && c.reg.started
	switch {
	case byItself: // it is told, and does not wait
		if c.err != nil || c.end != c.at {
			m.found("itself", "%v by itself returned %v at %v: %+v", c, c.err, c.end, *c)
		}
	case refused && (c.end != c.at || !m.itself(c, true)):
		m.found("itself", "%v returned %v after %v, and does not wait for its caller", c, c.err, c.end-c.at)
	case !refused && !m.handedNothing(c) && m.itself(c, false):
		m.found("itself", "%v would wait for its caller, and returned %v at %v: %+v", c, c.err, c.end, *c)
	case c.back && !refused && c.at < m.delayEnd && !m.handedNothing(c) && !m.itself(c, true):
		m.checkWaits(c)
	}
}

// handedNothing reports whether c is what Release of a scope has returned that ran already.
func (m *model) handedNothing(c *closing) bool {
	return c.hand && m.ranBy(c.sc, c.sc.releasedAt)
}

// ranBy reports whether something in a scope had begun then: there is nothing to hand over any more.
func (m *model) ranBy(sc *scope, at time.Duration) bool {
	return slices.ContainsFunc(m.seen, func(sn *seen) bool {
		return sc.around(sn.home) && sn.calls > 0 && sn.begin <= at
	})
}

// checkWaits holds that c has waited for what another Close runs.
func (m *model) checkWaits(c *closing) {
	if c.limit > 0 && c.end >= c.limit-margin(c.limit-c.at) || c.cut > 0 && c.end >= c.cut || c.end >= m.latest(c, c.at) {
		return // it had no more time
	}
	for _, o := range m.closings {
		if *o == *c || o.slack > 0 || o.at >= c.at || o.back && o.end <= c.at || o.sc != nil && o.sc.released != o.hand {
			continue
		}
		for _, sn := range m.seen {
			end, ended := m.ends[sn.Name]
			if sn.kind != shutdown.KindHandler || !c.awaits(false)(sn) || !o.awaits(false)(sn) || sn.calls == 0 || sn.begin < o.at || sn.begin >= c.at {
				continue
			}
			if (!ended || end.at > c.end) && (!sn.over || sn.end > c.end) {
				m.found("again", "%v returned at %v, and %s, which %v has run since %v, had not ended (%t, %v)", c, c.end, sn.Name, o, sn.begin, ended, end.at)
			}
		}
	}
}

// awaits reports whether c waits for a step: one in what was closed, and not in a scope that was
// released from it. Whether that was possible any more is not known.
func (c *closing) awaits(may bool) func(*seen) bool {
	return func(sn *seen) bool {
		if may || c.sc == nil {
			return c.includes(sn)
		}
		for sc := sn.home; sc != nil; sc = sc.parent {
			switch {
			case sc == c.sc:
				return true
			case sc.released:
				return false
			}
		}
		return false
	}
}

// itself reports whether c waits for its caller.
func (m *model) itself(c *closing, may bool) bool {
	return m.waitsFor(c.caller, c.at, c.awaits(may), may)
}

// waitsFor reports whether a caller would wait for itself that waits from then on for those of which
// that is true: directly, or by what others wait for. What happens at that very instant counts if it
// may have.
func (m *model) waitsFor(caller *seen, at time.Duration, awaits func(*seen) bool, may bool) bool {
	if caller == nil || m.over(caller, ifelse(may, at-1, at)) {
		return false
	}
	running := func(begin, end time.Duration, over bool) bool {
		if may {
			return begin <= at && (!over || end >= at)
		}
		return begin < at && (!over || end > at)
	}
	visited := make(map[*actor]bool)
	var queue []*seen
	wait := func(awaits func(*seen) bool) {
		for _, sn := range m.seen {
			over := sn.over && (sn.end < at || sn.end == at && !may) || m.over(sn, at) && !may
			if !visited[sn.actor] && awaits(sn) && !over && !sn.refused && !sn.won {
				visited[sn.actor] = true
				queue = append(queue, sn)
			}
		}
	}
	wait(awaits)
	for len(queue) > 0 {
		sn := queue[0]
		queue = queue[1:]
		if sn.calls == 0 || !running(sn.begin, sn.end, sn.over) {
			continue
		}
		wait(func(in *seen) bool { return in.in != nil && in.in.actor == sn.actor })
		for _, o := range m.closings {
			if o.caller != nil && o.caller.actor == sn.actor && running(o.at, o.end, o.back) {
				wait(o.awaits(may))
			}
		}
		wait(func(task *seen) bool {
			return slices.ContainsFunc(task.shuts, func(o *shut) bool {
				return o.by != nil && o.by.actor == sn.actor && !o.inside && running(o.at, o.end, o.back)
			})
		})
	}
	return visited[caller.actor]
}
