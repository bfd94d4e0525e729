package campaign

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file checks reports that were taken before the end.

// A reportCall is a call of Report.
type reportCall struct {
	at     time.Duration
	report *shutdown.Report
	as     shutdown.Report // a copy, made then
}

// asksForReport asks for the report.
func (w *world) asksForReport() {
	l := &reportCall{at: w.now(), report: w.c.Report()}
	if l.report != nil {
		l.as = *l.report
		l.as.Steps = slices.Clone(l.report.Steps)
	}
	w.note(func() { w.obs.reports = append(w.obs.reports, l) })
}

// checkReports checks that there is a report from t0 on, with the final lines of all steps that are
// over, and that no report changes later.
func (m *model) checkReports() {
	if m.last != m.report && m.codes == nil { // Exit puts its code into a copy
		m.found("report", "after the end the report is %+v, and was %+v", m.last, m.report)
	}
	for _, l := range m.reports {
		begun, known := m.begun(l.at)
		switch {
		case !known:
		case begun != (l.report != nil):
			m.found("report", "there is a report at %v: %t", l.at, l.report != nil)
			continue
		}
		if l.report == nil {
			continue
		}
		if !slices.Equal(l.report.Steps, l.as.Steps) || l.report.Took != l.as.Took {
			m.found("report", "the report of %v has changed, from %+v to %+v", l.at, l.as, *l.report)
		}
		if l.at > m.stop {
			m.checkReport(l)
		} else if l.at < m.stop && (slices.ContainsFunc(l.as.Steps, func(s shutdown.Step) bool {
			return s.Outcome == outcomeOK || !m.byName[s.Name].MayFail
		}) || l.as.Cause != nil) {
			m.found("report", "before the stop, at %v, it was %+v", l.at, l.as)
		}
		failed := slices.ContainsFunc(l.as.Steps, func(s shutdown.Step) bool { return s.Outcome != outcomeOK })
		if failed && (l.as.Err() == nil || l.as.ExitCode() == 0) {
			m.found("report", "the failure at %v is not in %v, or not in the code %d", l.at, l.as.Err(), l.as.ExitCode())
		}
	}
}

// begun reports whether t0 was before that time. At the instant of t0 that is not known.
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

// checkReport compares a report that was taken during the stop with the final one.
func (m *model) checkReport(l *reportCall) {
	r, final := &l.as, m.report
	if r.Cause != final.Cause || r.Began != final.Began || r.Grace != final.Grace || r.Delay != final.Delay {
		m.found("report", "at %v it was %+v", l.at, *r)
	}
	if r.Took != l.at-m.began && (l.at < m.drained || r.Took != final.Took) {
		m.found("report", "it had taken %v at %v, since %v", r.Took, l.at, m.began)
	}
	forced := m.forced >= 0 && m.forced < l.at
	if forced && !r.Forced || r.Forced && !final.Forced {
		m.found("report", "at %v Forced was %t", l.at, r.Forced)
	}
	steps := r.Steps
	for _, s := range final.Steps {
		end := m.began + s.Start + s.Took
		switch {
		case len(steps) > 0 && sameStep(steps[0], s) && end <= l.at:
			steps = steps[1:]
		case end < l.at:
			m.found("report", "%s was over at %v, and not in the report at %v", s.Name, end, l.at)
			return
		}
	}
	if len(steps) > 0 {
		m.found("report", "at %v the report had %+v, and the final report does not", l.at, steps[0])
	}
}

// sameStep compares two lines of the same step. The stack may be added later.
func sameStep(then, now shutdown.Step) bool {
	if then.Stack == "" {
		then.Stack, then.WaitsFor = now.Stack, now.WaitsFor
	}
	return then == now
}
