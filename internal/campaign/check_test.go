package campaign

import (
	"errors"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// This file checks the guarantees that concern several steps.

// A row has the values that occur both in a step's event and in its line of the report.
type row struct {
	name        string
	start, took time.Duration
	outcome     shutdown.Outcome
	err         error
}

// checkEvents compares the events with the report.
func (m *model) checkEvents() {
	ended := make(map[row]int)
	var begun []string
	stopped := false
	for _, e := range m.events {
		switch e := e.Event.(type) {
		case shutdown.StopRequested:
			stopped = true
		case shutdown.StepBegan:
			if sn := m.byName[e.Name]; stopped && (sn == nil || !m.released(sn) && !m.vague(sn)) {
				begun = append(begun, e.Name)
			}
		case shutdown.StepEnded:
			if m.beganAfterTheStop(e) && !slices.Contains(begun, e.Name) {
				m.found("events", "%s ended and had not begun", e.Name)
			}
			if stopped {
				ended[row{e.Name, e.Start, e.Took, e.Outcome, e.Err}]++
			}
		}
	}
	var order []string
	for _, s := range m.report.Steps {
		r := row{s.Name, s.Start, s.Took, s.Outcome, s.Err}
		if sn := m.byName[s.Name]; sn != nil && sn.MayFail && m.began+s.Start+s.Took <= m.stop && ended[r] == 0 {
			m.checkEarly(s)
		} else if ended[r]--; ended[r] < 0 {
			m.found("events", "the report has %+v, and no event was like it", r)
		}
		if slices.Contains(begun, s.Name) {
			order = append(order, s.Name)
		}
	}
	for r, n := range ended {
		if n > 0 {
			m.found("events", "there was an event %+v, and nothing in the report is like it", r)
		}
	}
	if !slices.Equal(begun, order) {
		m.found("events", "the steps were begun in the order %q, and are in the report in the order %q", begun, order)
	}
	m.checkWaiting()
}

// checkEarly looks for the event of a failure before the stop.
func (m *model) checkEarly(s shutdown.Step) {
	at := m.began + s.Start + s.Took
	if s.Outcome == outcomeOK || !slices.ContainsFunc(m.events, func(n noted) bool {
		e, ok := n.Event.(shutdown.StepEnded)
		return ok && n.at == at && e.Name == s.Name && e.Took == s.Took && e.Outcome == s.Outcome && e.Err == s.Err
	}) {
		m.found("events", "the report has %+v, and at %v no event was like it", s, at)
	}
}

// beganAfterTheStop reports whether there must be an event for the beginning of a step that ended.
func (m *model) beganAfterTheStop(e shutdown.StepEnded) bool {
	sn := m.byName[e.Name]
	return e.Kind == shutdown.KindHandler && e.Outcome != outcomeSkipped && sn.begin > m.stop && !m.released(sn)
}

// checkWaiting checks that there is a line about each running step after 1, 2, 5 and 10 s, and then
// every 10 s, and that there is none at other times.
func (m *model) checkWaiting() {
	type line struct {
		name string
		at   time.Duration // since the step's beginning
	}
	lines := make(map[line]bool)
	for _, e := range m.events {
		w, ok := e.Event.(shutdown.Waiting)
		if !ok {
			continue
		}
		if !slices.ContainsFunc(w.Steps, func(s shutdown.WaitingStep) bool { return rings(s.Elapsed) }) {
			m.found("times", "a line at %v, for %d steps, of which none is due", e.at, len(w.Steps))
		}
		for _, s := range w.Steps {
			lines[line{s.Name, s.Elapsed}] = true
			sn := m.named(s.Kind, s.Name)
			if sn == nil || sn.task == nil || m.vague(sn) {
				continue
			}
			outer := m.groupOf(sn)
			if slices.ContainsFunc(w.Steps, func(o shutdown.WaitingStep) bool { return m.named(o.Kind, o.Name) == outer }) {
				m.found("waiting", "a line at %v for %s, which waits for %s", e.at, outer.Name, sn.Name)
			}
		}
	}
	for _, t := range m.steps {
		if t.Kind != shutdown.KindHandler || t.Outcome != shutdown.OutcomeAbandoned || t.seen.Does == closes || t.seen.Does == hands || t.seen.Does == makes || t.seen.Does == shuts {
			continue // a step that waits for others, or that nobody may be waiting for
		}
		for at := s; at < t.Took; at += s {
			if rings(at) && !lines[line{t.Name, at}] && t.begin+at > m.delayEnd && t.begin+at < m.drained {
				m.found("waiting", "%s has no line after %v of %v", t.Name, at, t.Took)
			}
		}
	}
}

// rings reports whether a step that is waited for has a line then.
func rings(after time.Duration) bool {
	return slices.Contains([]time.Duration{s, 2 * s, 5 * s}, after) || after > 0 && after%(10*s) == 0
}

// checkSignals checks the effects of a second and of a third signal.
func (m *model) checkSignals() {
	heard := m.heard()
	forced := 0
	for _, e := range m.events {
		if _, ok := e.Event.(shutdown.Forced); ok {
			forced++
		}
	}
	n := len(heard)
	if n > 1 && heard[n-1].at == m.drained {
		return // at the same instant
	}
	if m.report.Forced != (n > 1) || forced > 1 || (forced == 1) != m.report.Forced {
		m.found("signals", "%d signals count, and Forced is %t, with %d events", n, m.report.Forced, forced)
	}
	switch at := slices.IndexFunc(m.exits, func(e exit) bool { return e.at <= m.returned }); {
	case n < 3 && at >= 0 && m.codes == nil: // an abandoned step may call Exit just before the end
		m.found("signals", "the process ended at %v, by %d signals", m.exits[at].at, n)
	case n >= 3 && (at < 0 || m.exits[at].at > heard[2].at+100*ms || m.exits[at].code != 128+int(heard[2].sig)):
		m.found("signals", "the third signal came at %v, and the process ended so: %v", heard[2].at, m.exits)
	}
}

// checkForced checks that a second signal ends the contexts of the running steps, and that each step
// then has at most its minimum.
func (m *model) checkForced() {
	forced := m.forced
	if forced < 0 {
		return
	}
	floor := s
	if !m.changesThePlan() {
		floor = m.floor()
	}
	for _, t := range m.steps {
		from := max(t.begin, forced)
		most := atMost(max(floor, t.seen.Reserve), t.seen.Timeout)
		if t.Kind == shutdown.KindTask && !t.seen.started { // the tasks of a group share the budget of main
			most = atMost(max(s, t.seen.Reserve), t.seen.Timeout)
		}
		if t.end > forced && t.end-from > most && !(m.vague(t.seen) && t.seen.shuts != nil) { // Shutdown abandons nothing, and the group does not stop it
			m.found("forced", "%s had %v from %v on, want at most %v", t.Name, t.end-from, from, most)
		}
		if m.obeysAt(t.seen, forced) && t.begin < forced && t.end > forced && (t.Kind != shutdown.KindMain || m.p.Tasks == nil) {
			m.found("forced", "%s, which obeys, ended at %v, want %v", t.Name, t.end, forced)
		}
	}
}

// lookAgain is the longest time from the end of the last handler to that of the drain. The core scans
// several times before it reports a leak.
const lookAgain = 10 * ms

// checkTurns checks that no hold is refused before main is over, and no handler before everything is
// over. It also checks that a closed handler does not begin after the Close.
func (m *model) checkTurns() {
	mainEnd := ifelse(m.p.Alone, m.stop, m.drained)
	for _, t := range m.steps {
		if t.Kind == shutdown.KindMain {
			mainEnd = t.end
		}
	}
	for _, sn := range m.seen {
		open := sn.kind == shutdown.KindHold && sn.at < mainEnd || sn.home == m.top && sn.at < m.drained-lookAgain
		if sn.kind == shutdown.KindHold && !sn.refused && sn.at > mainEnd && sn.slack == 0 && m.new {
			m.found("refused", "%s was not refused at %v, and main ended at %v", sn.Name, sn.at, mainEnd)
		}
		if sn.kind == shutdown.KindHandler && !sn.refused && sn.home.released && sn.at > sn.home.releasedAt && !m.ranBy(sn.home, sn.home.releasedAt) {
			m.found("refused", "%s was not refused at %v, and what it is in was released at %v", sn.Name, sn.at, sn.home.releasedAt)
		}
		if sn.refused && open {
			m.found("refused", "%s was refused at %v, main ended at %v, the drain at %v", sn.Name, sn.at, mainEnd, m.drained)
		}
		if sn.refused && sn.home != nil && sn.home != m.top && (sn.at < m.delayEnd || m.holdsTheTurn(sn)) && !m.early(sn) {
			m.found("refused", "%s was refused at %v, and nobody had closed or released what it is in", sn.Name, sn.at)
		}
		if sn.kind == shutdown.KindHandler && sn.settled > 0 && sn.calls > 0 && sn.begin > sn.settled {
			m.found("once", "%s was closed at %v, and began at %v", sn.Name, sn.settled, sn.begin)
		}
	}
}

// holdsTheTurn reports whether the drain was waiting for the step that made the scope of sn. Then the
// scope had not had its turn.
func (m *model) holdsTheTurn(sn *seen) bool {
	maker := m.observation.named(sn.maker)
	if maker == nil || sn.home.maker != sn.maker || sn.home.parent != m.top || sn.at != sn.home.at || m.over(maker, sn.at) {
		return false
	}
	return maker.kind == shutdown.KindMain || maker.kind == shutdown.KindHandler && maker.home == m.top && !m.early(maker)
}

// A span is the time from the beginning of a child of a scope to its end.
type span struct {
	at         time.Duration // when it was registered
	order      int
	begin, end time.Duration
	first      time.Duration // the earliest time at which it may have begun, if a part of it was closed
	name       string
	maker      *actor // the actor that registered it, nil if none
}

// checkOrder checks that handlers run newest first, that tasks stop newest first, and that main and
// its holds are over before the first handler begins.
func (m *model) checkOrder() {
	main := m.delayEnd
	tasks := make(map[string][]span) // by their group
	for _, t := range m.steps {
		switch {
		case t.Kind == shutdown.KindMain, t.Kind == shutdown.KindHold:
			main = max(main, t.end)
		case t.Kind == shutdown.KindTask && !t.seen.started && t.seen.told && t.seen.shuts == nil && t.seen.alone == 0 && !t.seen.failedToStart():
			tasks[t.seen.group()] = append(tasks[t.seen.group()], span{order: t.seen.order, begin: t.begin, first: t.begin, end: t.end, name: t.Name})
		}
	}
	for _, t := range m.steps {
		if (t.Kind == shutdown.KindHandler || t.seen.started && t.seen.told) && t.begin < main && !m.early(t.seen) {
			m.found("order", "%s began at %v, main ended at %v", t.Name, t.begin, main)
		}
	}
	for group, tasks := range tasks {
		if in := m.byName[group]; in == nil && !m.p.Pool || in != nil && !in.Inner.Pool {
			m.checkSpans(tasks)
		}
	}
	m.spanOf(m.top)
}

// spanOf checks a scope and returns its span. ok is false if no part of it began in its turn.
func (m *model) spanOf(sc *scope) (all span, ok bool) {
	var spans []span
	for _, c := range sc.children {
		sp, ok := m.childSpan(c)
		if ok {
			spans = append(spans, sp)
		}
	}
	if !sc.Concurrent {
		m.checkSpans(spans)
	}
	if sc.closed || sc.released || spans == nil {
		return span{}, false
	}
	all = spans[0]
	all.at, all.order, all.maker, all.name = sc.at, sc.order, sc.maker, "a scope with "+all.name
	for _, sp := range spans {
		all.begin, all.first, all.end = min(all.begin, sp.begin), min(all.first, sp.first), max(all.end, sp.end)
	}
	for _, sn := range m.seen { // also those that were over before the stop, which have no line
		if sn.calls > 0 && sc.around(sn.home) && m.early(sn) { // but perhaps in its turn
			all.first = min(all.first, sn.begin)
		}
	}
	return all, true
}

// around reports whether sc is inner, or a scope that inner is in.
func (sc *scope) around(inner *scope) bool {
	for ; inner != nil; inner = inner.parent {
		if inner == sc {
			return true
		}
	}
	return false
}

func (m *model) childSpan(c child) (span, bool) {
	if c.scope != nil {
		return m.spanOf(c.scope)
	}
	i := slices.IndexFunc(m.steps, func(t *told) bool { return t.seen == c.seen })
	if i < 0 || c.seen.closed || c.seen.started && !c.seen.told {
		return span{}, false
	}
	t := m.steps[i]
	return span{c.seen.at, c.seen.order, t.begin, t.end, t.begin, t.Name, c.seen.maker}, true
}

func (m *model) checkSpans(spans []span) {
	for _, older := range spans {
		for _, newer := range spans {
			if older.at == newer.at && (newer.at > m.start || older.maker != nil && newer.maker != nil) {
				continue // by steps that run side by side, in unknown order
			}
			if older.order < newer.order && newer.at < older.first && newer.end > older.begin {
				m.found("order", "%s, which is newer, was over at %v, and %s began at %v", newer.name, newer.end, older.name, older.begin)
			}
		}
	}
}

// checkFloors checks that every step has its minimum, if the plan does not change, and that none has
// more than its Timeout.
func (m *model) checkFloors() {
	if m.changesThePlan() {
		m.checkBudgets(m.leastInAnyPlan())
		return
	}
	left, main, floor := m.left(), m.mainIsToCome(), m.floor()
	sum := m.minimumOf(m.top, floor)
	if main {
		sum += floor
	}
	scale := 1.0
	if most := 0.9 * float64(left); float64(sum) > most {
		scale = most / float64(sum)
	}
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d)*scale) - time.Microsecond }
	m.checkBudgets(func(sn *seen) time.Duration {
		if limited(sn) {
			return 1 // a Timeout of a scope may leave less
		}
		return scaled(minimum(sn.actor, floor))
	})
	for _, e := range m.events {
		if e, ok := e.Event.(shutdown.StepBegan); ok && e.Kind == shutdown.KindMain {
			// A difference of a microsecond may come from rounding.
			want := left - time.Duration(float64(sum-floor)*scale)
			if d := budget(e) - want; d > time.Microsecond || d < -time.Microsecond {
				m.found("budget", "main may take %v, want %v", budget(e), want)
			}
		}
	}
}

// leastInAnyPlan returns the least minimum that a step has in its turn, for any early closing or
// unregistration of handlers before the end of the delay. All minimums may be reduced by
// late registrations, and by a step that closes another one and has no time left for it.
func (m *model) leastInAnyPlan() func(*seen) time.Duration {
	n, sum := 1, s
	late := !m.new || slices.ContainsFunc(m.closings, func(c *closing) bool {
		return (c.caller != nil || c.slack > 0) && (!c.back || c.end > c.at || c.err != nil)
	})
	var walk func(*scope)
	walk = func(sc *scope) {
		late = late || sc.at >= m.delayEnd
		sum += sc.Reserve
		for _, c := range sc.children {
			switch {
			case c.scope != nil:
				walk(c.scope)
			case !c.seen.refused:
				late = late || c.seen.at >= m.delayEnd
				sum += minimum(c.seen.actor, s)
				n++
			}
		}
	}
	walk(m.top)
	floor, scale := min(s, m.left()/time.Duration(2*n)), min(1, 0.9*float64(m.left())/float64(sum))
	return func(sn *seen) time.Duration {
		if late || m.early(sn) || limited(sn) {
			return 0
		}
		return time.Duration(float64(minimum(sn.actor, floor))*scale) - time.Microsecond
	}
}

// left is the rest of the grace period when the delay is over.
func (m *model) left() time.Duration { return m.began + m.report.Grace - m.delayEnd }

// mainIsToCome reports whether main, or a hold, is still running then.
func (m *model) mainIsToCome() bool {
	return slices.ContainsFunc(m.events, func(n noted) bool {
		e, ok := n.Event.(shutdown.StepBegan)
		return ok && (e.Kind == shutdown.KindMain || e.Kind == shutdown.KindHold) && n.at == m.delayEnd
	})
}

// floor is the floor of all minimums, fixed at that time.
func (m *model) floor() time.Duration {
	n := m.count(m.top)
	if m.mainIsToCome() {
		n++
	}
	return min(s, m.left()/time.Duration(2*max(n, 1)))
}

// checkBudgets compares the budgets of handlers and started tasks with their minimums and their
// Timeouts.
func (m *model) checkBudgets(least func(*seen) time.Duration) {
	for _, n := range m.events {
		e, ok := n.Event.(shutdown.StepBegan)
		if !ok {
			continue
		}
		sn := m.byName[e.Name]
		if sn != nil && sn.Timeout > 0 && budget(e) > sn.Timeout {
			m.found("timeout", "%s may take %v, and asked for at most %v", e.Name, budget(e), sn.Timeout)
		}
		if sn == nil || sn.home == nil {
			continue
		}
		if want := least(sn); n.at >= m.delayEnd && budget(e) < want { // an earlier one was closed early
			m.found("floor", "%s may take %v, and its minimum is %v", e.Name, budget(e), want)
		}
		// If somebody closes it, the limit may come at the instant of its beginning.
		shortened := !m.new && m.early(sn)
		if d := sn.left - (budget(e) - margin(budget(e))); sn.kind == shutdown.KindHandler && sn.calls > 0 && (d > time.Microsecond || d < -time.Microsecond && !shortened) {
			m.found("deadline", "%s may take %v, and its deadline is %v ahead", e.Name, budget(e), sn.left)
		}
	}
}

// margin is the time from the deadline of a step to its end.
func margin(budget time.Duration) time.Duration {
	return min(max(budget*5/100, 25*ms), budget/2, 500*ms)
}

// changesThePlan reports whether anything is registered, removed or closed early at the end of the
// delay or later. Earlier changes do not count: the plan is made after them.
func (m *model) changesThePlan() bool {
	if slices.ContainsFunc(m.changes, func(at time.Duration) bool { return at >= m.delayEnd }) {
		return true
	}
	if slices.ContainsFunc(m.closings, func(c *closing) bool { return c.slack > 0 && c.at+c.slack >= m.delayEnd }) {
		return true
	}
	return slices.ContainsFunc(m.seen, func(sn *seen) bool {
		ended := sn.over && sn.end < m.delayEnd
		switch {
		case sn.home == nil:
			return false
		case sn.kind == shutdown.KindHandler:
			return sn.calls > 0 && sn.begin < m.delayEnd && !ended
		}
		return !ended && (m.early(sn) || sn.over && !sn.told)
	})
}

// gone reports whether sn was no longer in the plan at the end of the delay.
func (m *model) gone(sn *seen) bool {
	return sn.refused || sn.won || sn.over && sn.end < m.delayEnd || m.gaveUpBefore(sn)
}

// plan returns the children of a scope that had not ended at the end of the delay.
func (m *model) plan(sc *scope) []child {
	return slices.DeleteFunc(slices.Clone(sc.children), func(c child) bool {
		if c.scope != nil {
			return c.scope.closed || c.scope.released
		}
		return m.gone(c.seen)
	})
}

// count returns the number of steps that a scope runs one after the other. If its entries run side by
// side, that is the number of the largest entry.
func (m *model) count(sc *scope) (n int) {
	for _, c := range m.plan(sc) {
		k := 1
		if c.scope != nil {
			k = m.count(c.scope)
		}
		n = ifelse(sc.Concurrent, max(n, k), n+k)
	}
	return n
}

// minimumOf is the minimum of a scope, before scaling.
func (m *model) minimumOf(sc *scope, floor time.Duration) (sum time.Duration) {
	for _, c := range m.plan(sc) {
		var d time.Duration
		if c.scope == nil {
			d = minimum(c.seen.actor, floor)
		} else {
			d = m.minimumOf(c.scope, floor)
		}
		sum = ifelse(sc.Concurrent, max(sum, d), sum+d)
	}
	return atMost(max(sum, sc.Reserve), sc.Timeout)
}

func minimum(a *actor, floor time.Duration) time.Duration {
	return atMost(max(floor, a.Reserve), a.Timeout)
}

func atMost(d, limit time.Duration) time.Duration {
	if limit > 0 {
		return min(d, limit)
	}
	return d
}

// checkCode computes the exit code.
func (m *model) checkCode() {
	var fault error
	for _, s := range m.stops {
		if s.at == m.stop && s.fault {
			fault = m.report.Cause
		}
	}
	if n := len(m.codes); n > 0 && m.codes[0].at == m.drained || n > 1 && m.codes[0].at == m.codes[1].at {
		return // at the same instant
	}
	if m.tied(m.stop) || slices.ContainsFunc(m.stops, func(s stimulus) bool { return s.maybe && s.at <= m.stop }) {
		return
	}
	want, failed := 0, fault != nil
	var mainErr error
	for _, t := range m.steps {
		failed = failed || t.Outcome != outcomeOK
		if t.Kind != shutdown.KindMain || t.Outcome == outcomeAbandoned {
			continue
		}
		if mainErr = t.seen.err; t.seen.how == byPanic {
			want = 2
		}
	}
	if want == 0 && len(m.codes) > 0 && m.codes[0].at < m.drained {
		want = m.codes[0].code
	}
	for _, err := range []error{mainErr, fault} {
		var e *shutdown.ExitError
		if want == 0 && errors.As(err, &e) {
			want = e.Code
		}
	}
	if want == 0 && failed {
		want = 1
	}
	var sig *signals.Error
	if want == 0 && m.p.Reraise && errors.As(m.report.Cause, &sig) {
		want = sig.ExitCode()
	}
	if m.code != want {
		m.found("code", "the exit code is %d, want %d", m.code, want)
	}
	if failed != (m.report.Err() != nil) {
		m.found("error", "Err() = %v, failed is %t", m.report.Err(), failed)
	}
}

// checkLeft counts the goroutines that leaked, and looks for their names in the report.
func (m *model) checkLeft() {
	for _, l := range m.report.Leaks {
		if sn := m.byName[l.Step]; sn == nil || (!sn.leak || l.Count != 1) && !m.heldUp(sn) {
			m.found("leak", "%d goroutines of %q are said to be left: %s", l.Count, l.Step, l.Stack)
		}
	}
	for _, sn := range m.seen {
		if sn.leak && !m.vague(sn) {
			m.checkLeak(sn)
		}
		if sn.calls > 0 && !sn.over && !m.given(sn) && !m.released(sn) && !m.vague(sn) {
			m.found("left", "%s still runs, and is not named", sn.Name)
		}
	}
	if want, blocked := m.allLives(); m.outermost && (m.goroutines < want || m.goroutines > want && blocked == 0 && !m.groupsGoOn()) {
		m.found("left", "%d goroutines are left, want %d: %s", m.goroutines, want, m.stacks)
	}
}

// groupsGoOn reports whether a group may still run, with goroutines of its own: because the step that
// runs it was abandoned, or because nobody has told one of its tasks to stop.
func (m *model) groupsGoOn() bool {
	return slices.ContainsFunc(m.seen, func(sn *seen) bool {
		return sn.task != nil && (m.over(m.groupOf(sn), sn.begin) || sn.calls > 0 && !sn.over && !sn.told)
	}) || slices.ContainsFunc(m.inners, func(in *observation) bool {
		return newModel(in, m.new).groupsGoOn()
	})
}

// given reports whether the report has sn as abandoned.
func (m *model) given(sn *seen) bool {
	return slices.ContainsFunc(m.events, func(n noted) bool {
		e, ok := n.Event.(shutdown.StepEnded)
		return ok && e.Outcome == outcomeAbandoned && m.byName[nameOf(e, m.p)] == sn
	})
}

func nameOf(e shutdown.StepEnded, p *program) string {
	if e.Kind == shutdown.KindMain {
		return p.Main.Name
	}
	return e.Name
}

// checkLeak checks that a leaked goroutine of a task or a handler is reported, if there was time for a
// scan.
func (m *model) checkLeak(sn *seen) {
	looked := m.began+m.report.Grace-m.drained > 20*ms
	if m.released(sn) && sn.end >= m.drained-lookAgain { // nobody waited for it, and it may have ended after the scan
		looked = false
	}
	named := slices.ContainsFunc(m.report.Leaks, func(l shutdown.Leak) bool { return l.Step == sn.Name && l.Count > 0 })
	if looked && !named && sn.over && (sn.kind == shutdown.KindHandler || sn.kind == shutdown.KindTask) && !m.given(sn) {
		m.found("leak", "%s left a goroutine behind, and is not named among %v", sn.Name, m.report.Leaks)
	}
}
