package campaign

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file is the report while there is more to come.

// A look is a call of Report.
type look struct {
	at     time.Duration
	report *shutdown.Report
	as     shutdown.Report // what it was then
}

// looks asks for the report.
func (w *world) looks() {
	l := &look{at: w.now(), report: w.c.Report()}
	if l.report != nil {
		l.as = *l.report
		l.as.Steps = slices.Clone(l.report.Steps)
	}
	w.note(func() { w.obs.looks = append(w.obs.looks, l) })
}

// checkLooks holds that there is a report from t0 on, of all that is over by then, as it is
// at the end; and that none changes.
func (m *model) checkLooks() {
	if m.last != m.report && m.codes == nil { // Exit puts its code into a copy
		m.found("look", "after the end the report is %+v, and was %+v", m.last, m.report)
	}
	for _, l := range m.looks {
		begun, known := m.begun(l.at)
		switch {
		case !known:
		case begun != (l.report != nil):
			m.found("look", "there is a report at %v: %t", l.at, l.report != nil)
			continue
		}
		if l.report == nil {
			continue
		}
		if !slices.Equal(l.report.Steps, l.as.Steps) || l.report.Took != l.as.Took {
			m.found("look", "what was reported at %v has changed, from %+v to %+v", l.at, l.as, *l.report)
		}
		if l.at > m.stop {
			m.checkLook(l)
		} else if l.at < m.stop && (len(l.as.Steps) > 0 || l.as.Cause != nil) {
			m.found("look", "before the stop, at %v, it was %+v", l.at, l.as)
		}
		failed := slices.ContainsFunc(l.as.Steps, func(s shutdown.Step) bool { return s.Outcome != outcomeOK })
		if failed && (l.as.Err() == nil || l.as.ExitCode() == 0) {
			m.found("look", "what has failed at %v is not in %v, nor in the code %d", l.at, l.as.Err(), l.as.ExitCode())
		}
	}
}

// begun reports whether t0 has been then. It is not known at the instant itself.
func (m *model) begun(at time.Duration) (yes, known bool) {
	known = true
	for _, e := range m.events {
		was := yes
		switch e.Event.(type) {
		case shutdown.Quiesced, shutdown.StopRequested:
			was = true
		case shutdown.Resumed:
			was = false
		default:
			continue
		}
		known = known && e.at != at
		if e.at <= at {
			yes = was
		}
	}
	return yes, known
}

// checkLook holds a report of the stop against the final one.
func (m *model) checkLook(l *look) {
	r, final := &l.as, m.report
	if r.Cause != final.Cause || r.Began != final.Began || r.Grace != final.Grace || r.Delay != final.Delay {
		m.found("look", "at %v it was %+v", l.at, *r)
	}
	if r.Took != l.at-m.began && (l.at < m.drained || r.Took != final.Took) {
		m.found("look", "it had taken %v at %v, since %v", r.Took, l.at, m.began)
	}
	forced := m.forced >= 0 && m.forced < l.at
	if forced && !r.Forced || r.Forced && !final.Forced {
		m.found("look", "at %v Forced was %t", l.at, r.Forced)
	}
	steps := r.Steps
	for _, s := range final.Steps {
		end := m.began + s.Start + s.Took
		switch {
		case len(steps) > 0 && sameStep(steps[0], s) && end <= l.at:
			steps = steps[1:]
		case end < l.at:
			m.found("look", "%s was over at %v, and not in the report at %v", s.Name, end, l.at)
			return
		}
	}
	if len(steps) > 0 {
		m.found("look", "at %v the report had %+v, and has it no more", l.at, steps[0])
	}
}

// sameStep compares a step with what it has become. Stacks may come later.
func sameStep(then, now shutdown.Step) bool {
	if then.Stack == "" {
		then.Stack, then.WaitsFor = now.Stack, now.WaitsFor
	}
	return then == now
}
