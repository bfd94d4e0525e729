package campaign

import (
	"context"
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// checkEnds checks that each context ends: at its deadline with ErrGrace, or with a second signal as
// its cause. It also checks that no step is abandoned before its end.
func (m *model) checkEnds() {
	began := make(map[*seen]noted)
	for _, e := range m.events {
		if b, ok := e.Event.(shutdown.StepBegan); ok {
			began[m.named(b.Kind, b.Name)] = e
		}
	}
	for _, sn := range m.seen {
		if c := sn.ended; c != nil && !m.rightEnd(sn) {
			m.found("cause", "the context of %s ended at %v with %v, because of %v", sn.Name, c.at, c.err, c.cause)
		}
	}
	for _, t := range m.steps {
		if sn := t.seen; t.Outcome == outcomeAbandoned && m.obeysAt(sn, t.end) && !sn.Bare && !m.hadNoTime(sn) && !m.begunAfterForce(sn) && sn.ended == nil {
			m.found("deadline", "%s, which obeys, was abandoned at %v, and its context had not ended", sn.Name, t.end)
		}
	}
	if m.forced >= 0 || m.changesThePlan() {
		return
	}
	for _, t := range m.steps {
		e, ok := began[t.seen]
		if !ok || t.Outcome != outcomeAbandoned || m.early(t.seen) || m.shutAround(t.seen) || m.vague(t.seen) || e.at < m.delayEnd || e.at == m.delayEnd && t.Kind == shutdown.KindTask {
			continue // in the last case its group may have stopped before main was told, with more time
		}
		may, shortened := budget(e.Event.(shutdown.StepBegan)), false
		// A task ends by the deadline of the step around it. If that step is told to stop while the
		// task runs, the time is divided again, and later tasks have a part of it.
		if outer, ok := began[m.byName[t.seen.group()]]; ok && t.seen.in != nil {
			all := budget(outer.Event.(shutdown.StepBegan))
			may, shortened = min(may, outer.at+all-margin(all)-t.begin), outer.at > t.begin
		}
		if d := t.Took - may; d > time.Microsecond || d < -time.Microsecond && !shortened {
			m.found("abandoned", "%s was abandoned after %v, and its budget is %v", t.Name, t.Took, may)
		}
	}
}

// shutAround reports whether a task around sn was shut down. The limit of that task holds for sn too.
func (m *model) shutAround(sn *seen) bool {
	for sn = sn.in; sn != nil; sn = sn.in {
		if sn.shuts != nil {
			return m.new
		}
	}
	return false
}

// rightEnd reports whether a context may have ended at this time and with this cause. The work context
// of a task that is told to stop after the second signal ends at once.
func (m *model) rightEnd(sn *seen) bool {
	c, forced := sn.ended, m.forced
	var sig *signals.Error
	switch {
	case errors.As(c.cause, &sig):
		return c.err == context.Canceled && forced >= 0 && c.at >= forced
	case errors.Is(c.cause, shutdown.ErrGrace):
		return c.err == context.DeadlineExceeded && (c.at != forced || c.due || sn.expiresAt(forced))
	}
	return false
}

// named returns the step of this name. The program chooses the name of main.
func (m *model) named(kind shutdown.StepKind, name string) *seen {
	if kind == shutdown.KindMain {
		name = m.p.Main.Name
	}
	return m.byName[name]
}
