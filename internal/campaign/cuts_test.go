package campaign

import (
	"context"
	"errors"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// checkCuts holds that a context ends at its cut with ErrGrace, and by a second signal with
// that, that it ends at all, and that no step is given up while it has time.
func (m *model) checkCuts() {
	began := make(map[*seen]noted)
	for _, e := range m.events {
		if b, ok := e.Event.(shutdown.StepBegan); ok {
			began[m.named(b.Kind, b.Name)] = e
		}
	}
	for _, sn := range m.seen {
		if c := sn.cut; c != nil && !m.rightCut(sn) {
			m.found("cause", "the context of %s ended at %v with %v, because of %v", sn.Name, c.at, c.err, c.cause)
		}
	}
	for _, t := range m.steps {
		if sn := t.seen; t.Outcome == outcomeAbandoned && m.obeysAt(sn, t.end) && !sn.Bare && sn.cut == nil {
			m.found("cut", "%s, which obeys, was given up at %v, and its context had not ended", sn.Name, t.end)
		}
	}
	if m.forced >= 0 || m.changesThePlan() {
		return
	}
	for _, t := range m.steps {
		e, ok := began[t.seen]
		if !ok || t.Outcome != outcomeAbandoned || m.early(t.seen) || m.shutAround(t.seen) || m.vague(t.seen) || e.at < m.delayEnd || e.at == m.delayEnd && t.Kind == shutdown.KindTask {
			continue // the last: its group may have stopped before main was told, and had more time then
		}
		may, shortened := budget(e.Event.(shutdown.StepBegan)), false
		// What runs within a step is over at its cut. If that is told meanwhile, the time until
		// then is divided anew, also among those that are still to come.
		if outer, ok := began[m.byName[t.seen.group()]]; ok && t.seen.in != nil {
			all := budget(outer.Event.(shutdown.StepBegan))
			may, shortened = min(may, outer.at+all-margin(all)-t.begin), outer.at > t.begin
		}
		if d := t.Took - may; d > time.Microsecond || d < -time.Microsecond && !shortened {
			m.found("given up", "%s was given up after %v, and might take %v", t.Name, t.Took, may)
		}
	}
}

// shutAround reports whether somebody has shut down a task that sn runs within, whose limit is that of sn
// too.
func (m *model) shutAround(sn *seen) bool {
	for sn = sn.in; sn != nil; sn = sn.in {
		if sn.shuts != nil {
			return m.new
		}
	}
	return false
}

// rightCut reports whether a context may have ended so. The work in hand of a task that is told
// after the second signal ends then.
func (m *model) rightCut(sn *seen) bool {
	c, forced := sn.cut, m.forced
	var sig *signals.Error
	switch {
	case errors.As(c.cause, &sig):
		return c.err == context.Canceled && forced >= 0 && c.at >= forced
	case errors.Is(c.cause, shutdown.ErrGrace):
		return c.err == context.DeadlineExceeded && (c.at != forced || c.due || sn.expiresAt(forced))
	}
	return false
}

// named is the step of this name, which the program gives to main.
func (m *model) named(kind shutdown.StepKind, name string) *seen {
	if kind == shutdown.KindMain {
		name = m.p.Main.Name
	}
	return m.byName[name]
}
