package campaign

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file checks the guarantees that only the new core gives. The model checks them if its field new
// is set. That is newCore, except in a test of the model.

// newGuarantees has the name of each of them in findings, and its text.
var newGuarantees = map[string]string{
	"named":    "the cause of a stop is never nil: it is main's return, the request, or the task that has ended",
	"alone":    "from t0 on a task that ends without an error ends alone: neither its group nor the delay ends with it",
	"again":    "a Close that comes while another one runs waits for it, and returns nil",
	"itself":   "a Close that would wait for its caller returns ErrInProgress at once, and no other does",
	"constant": "Deadline of one context answers the same each time it is asked",
	"tie":      "a step that returns only because its context ends at its deadline is late",
	"nested":   "the limit of a Task.Shutdown reaches the groups within that task",
	"times":    "a progress line comes after 1, 2, 5 and 10 s, and then each 10 s",
	"descent":  "Shutdown with a context derived from a step's returns ErrInProgress, also through another Coordinator",
	"hidden":   "a task that its group has abandoned is an error, whatever the cause of the group's stop",
	"polite":   "an error whose Is matches context.Canceled is no failure of a step that was asked to stop",
}

// A polite error is not context.Canceled and does not wrap it, but its Is method matches it.
type polite struct{}

func (polite) Error() string        { return "operation was canceled" }
func (polite) Is(target error) bool { return target == context.Canceled }

// checkNew checks those that no other check covers.
func (m *model) checkNew() {
	if !m.new {
		return
	}
	for _, sn := range m.seen {
		if sn.moved {
			m.found("constant", "the deadline of %s was %v ahead at its start, and is another one at its end", sn.Name, sn.left)
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

// A descent is a call of Shutdown of the outer program, by a step of the inner one.
type descent struct {
	at, end, slack time.Duration
	descends       bool // its context is derived from that of a step of the outer program
	err            error
}

// sinceT0 removes the stimuli that stop nothing after t0: started tasks that end without an error. At
// the instant of t0 such a task may have been the first.
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

// A why says which cause is expected if the program gave none.
type why int

const (
	given        why = iota
	asked            // by Stop(nil) or Shutdown
	mainReturned     // without an error
	taskEnded        // without an error
	byExitCall
)

// checkCause checks that the cause of the stop is one of the stimuli at that instant.
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

// names reports whether a cause names the stimulus, if that had no error.
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

// outcomeGuarantee returns the name of the guarantee that a wrong outcome of a step breaks.
func (m *model) outcomeGuarantee(t *told) string {
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

// isLate reports whether sn returned after its deadline or, with the new core, because of it.
func (m *model) isLate(sn *seen) bool {
	return sn.late || m.new && sn.expired && len(sn.shuts) == 0 // otherwise the context of a Shutdown may have ended
}

// inTime reports whether t ended certainly before its deadline.
func (m *model) inTime(t *told) bool {
	sn := t.seen
	return sn.kind == shutdown.KindHandler && sn.end < sn.begin+sn.left && !m.early(sn) && m.forced < 0 && sn.end == t.end
}

// mayBeLate reports whether t may have ended at its deadline or later. Its function cannot tell if its
// context ended before, or was made before there was a deadline.
func (m *model) mayBeLate(t *told) bool {
	if m.forced >= 0 && t.end > m.forced && t.begin <= m.forced {
		return true // a second signal has brought the deadline forward
	}
	for of := t.seen.in; of != nil; of = of.in { // the limit of a Shutdown of a task around it holds for it too
		for _, c := range of.shuts {
			if c.at <= t.end && c.limit-margin(max(0, c.limit-c.at))-t.end <= time.Microsecond {
				return true
			}
		}
	}
	if at, ok := m.deadlineOf(t.seen); ok {
		return at-t.end <= time.Microsecond
	}
	d := t.seen.Timeout // of a task that was told before t0, of which there is no event
	return d > 0 && t.begin+d-margin(d)-t.end <= time.Microsecond
}

// deadlineOf returns the deadline that sn had when it began to stop.
func (m *model) deadlineOf(sn *seen) (at time.Duration, ok bool) {
	for _, e := range m.events {
		if b, ok := e.Event.(shutdown.StepBegan); ok && m.named(b.Kind, b.Name) == sn {
			return e.at + budget(b) - margin(budget(b)), true
		}
	}
	return 0, false
}

// hadNoTime reports whether sn is a task that began after the deadline of a step around it.
func (m *model) hadNoTime(sn *seen) bool {
	for of := sn; of != nil && of.task != nil; {
		of = m.groupOf(of)
		if at, ok := m.deadlineOf(of); ok && at-sn.begin <= time.Microsecond {
			return true
		}
	}
	return false
}

// begunAfterForce reports whether sn is a task that began after the second signal. Its work context
// has ended by then, and it may have no time.
func (m *model) begunAfterForce(sn *seen) bool {
	return sn.task != nil && m.forced >= 0 && sn.begin >= m.forced
}

// wasLate reports whether sn has the outcome late.
func (m *model) wasLate(sn *seen) bool {
	e, ok := m.ends[sn.Name].Event.(shutdown.StepEnded)
	return m.new && ok && e.Outcome == outcomeLate
}

// checkNested checks that the tasks of a group inside a task have deadlines before the limit of the
// Shutdown of that task.
func (m *model) checkNested(sn *seen, c *shut) {
	left := c.limit - c.at
	if !m.new || left <= 0 || c.inside || c.at >= m.returned || sn.Inner == nil || m.over(sn, c.at) {
		return
	}
	for _, in := range m.seen {
		if in.in != nil && in.in.actor == sn.actor && in.calls > 0 && m.obeysAt(in, c.at) && (!in.over || in.end > c.limit-margin(left)) {
			m.found("nested", "%s, which obeys, ended at %v, and the limit of %s was %v", in.Name, in.end, sn.Name, c.limit)
		}
	}
}

// checkAgain checks a Close that may have come while another one ran, or that may wait for itself.
func (m *model) checkAgain(c *closing) {
	refused := errors.Is(c.err, shutdown.ErrInProgress)
	byItself := c.reg != nil && c.caller != nil && c.caller.actor == c.reg.actor && c.reg.started
	switch {
	case byItself: // it begins to stop, and Close does not wait
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

// handedNothing reports whether c calls a function that Release returned for a scope that had begun.
func (m *model) handedNothing(c *closing) bool {
	return c.hand && m.ranBy(c.sc, c.sc.releasedAt)
}

// ranBy reports whether a step in a scope had begun by then. Such a scope cannot be released.
func (m *model) ranBy(sc *scope, at time.Duration) bool {
	return slices.ContainsFunc(m.seen, func(sn *seen) bool {
		return sc.around(sn.home) && sn.calls > 0 && sn.begin <= at
	})
}

// checkWaits checks that c waited for the steps that another Close runs.
func (m *model) checkWaits(c *closing) {
	if c.limit > 0 && c.end >= c.limit-margin(c.limit-c.at) || c.deadline > 0 && c.end >= c.deadline || c.end >= m.latest(c, c.at) {
		return // its time was over
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

// awaits reports whether c waits for a step: one that it closes, and that is not in a released scope.
// With may it includes steps of released scopes, since the release may have come too late.
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

// waitsFor reports whether a caller would wait for itself, directly or through others, if it waited
// for the steps that awaits selects. With may it counts steps that begin or end at the same instant.
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
			begin := o.at
			if !may { // its context may block it first
				begin += o.slack
			}
			if o.caller != nil && o.caller.actor == sn.actor && running(begin, o.end, o.back) {
				wait(o.awaits(may))
			}
		}
		wait(func(task *seen) bool {
			return slices.ContainsFunc(task.shuts, func(o *shut) bool {
				return o.by != nil && o.by.actor == sn.actor && !o.inside && (may || !o.vague) && running(o.at, o.end, o.back)
			})
		})
	}
	return visited[caller.actor]
}
