package campaign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// A model compares an observation with the guarantees of the documentation. It shares no code with
// the core.
type model struct {
	*observation
	new      bool // it also checks newGuarantees
	findings []string
	ends     map[string]noted

	requested shutdown.StopRequested
	stop      time.Duration // the time of that event
	delayEnd  time.Duration // when main was told
	drained   time.Duration
	forced    time.Duration // when a second signal came, negative if none did
	steps     []*told
	stops     []stimulus // those that count
	byName    map[string]*seen
}

// told is a step of the report.
type told struct {
	shutdown.Step
	seen       *seen
	begin, end time.Duration // in the bubble
	want       shutdown.Outcome
}

// judge returns the findings. Each begins with the name of the broken guarantee and a colon.
func judge(o *observation) []string { return judgeBy(o, newCore) }

// judgeBy is judge with or without newGuarantees.
func judgeBy(o *observation, new bool) []string {
	findings := judgeOne(o, new)
	for _, in := range o.inners {
		findings = append(findings, judgeBy(in, new)...)
	}
	return findings
}

func newModel(o *observation, new bool) *model {
	m := &model{observation: o, new: new, byName: make(map[string]*seen), forced: -1, ends: ends(o.events)}
	for _, sn := range o.seen {
		m.byName[sn.Name] = sn
	}
	return m
}

func judgeOne(o *observation, new bool) []string {
	m := newModel(o, new)
	m.forgetReleased()
	for _, p := range o.problems {
		m.found("calls", "%s", p)
	}
	if !m.readEvents() {
		return m.findings
	}
	m.readSteps()
	m.findOutsiders()
	m.stops = m.sinceT0(m.stimuli)
	m.checkStop()
	m.checkDelay()
	m.checkResume()
	m.checkEnd()
	m.checkSteps()
	m.checkEvents()
	m.checkSignals()
	m.checkForced()
	m.checkEnds()
	m.checkGroup()
	m.checkGroupStop()
	m.checkGroupEnds()
	m.checkShutdowns()
	m.checkClosings()
	m.checkReports()
	m.checkUnregister()
	m.checkTurns()
	m.checkOnce()
	m.checkOrder()
	m.checkFloors()
	m.checkShares()
	m.checkCode()
	m.checkLeft()
	m.checkNew()
	m.checkStarts()
	m.checkRestarts()
	return m.findings
}

func (m *model) found(guarantee, format string, args ...any) {
	m.findings = append(m.findings, guarantee+": "+fmt.Sprintf(format, args...))
}

// forgetReleased removes events that come after the end, of steps in a released scope or in a group
// whose context blocks. The program does not wait for these steps.
func (m *model) forgetReleased() {
	last := slices.IndexFunc(m.events, func(n noted) bool { _, ok := n.Event.(shutdown.Drained); return ok })
	m.events = slices.DeleteFunc(slices.Clone(m.events), func(n noted) bool {
		e, ok := n.Event.(shutdown.StepEnded)
		if sn := m.byName[e.Name]; !ok || sn == nil || !m.released(sn) && !m.vague(sn) {
			return false
		}
		return slices.IndexFunc(m.events, func(o noted) bool { return o == n }) > last
	})
}

// settle corrects the times of events that were reported late. If the context of Run ends without a
// cause, the reason may be a signal, and events are held back until that is known.
func (m *model) settle() {
	m.events = slices.Clone(m.events)
	i := slices.IndexFunc(m.events, func(n noted) bool { _, ok := n.Event.(shutdown.StopRequested); return ok })
	if i < 0 || m.p.Ctx == nil {
		return
	}
	stop, told := m.began, m.events[i].at
	if slices.ContainsFunc(m.events, func(n noted) bool { _, ok := n.Event.(shutdown.Quiesced); return ok && n.at == m.began }) {
		// t0 is the time of the announcement. Without a delay the request is at the end of the delay, and
		// that event has the time since t0.
		end := slices.IndexFunc(m.events, func(n noted) bool { _, ok := n.Event.(shutdown.DelayEnded); return ok })
		if end < 0 || m.events[i].Event.(shutdown.StopRequested).Delay > 0 {
			return
		}
		stop += m.events[end].Event.(shutdown.DelayEnded).After
	}
	if told-stop > 200*ms {
		return
	}
	for j := i; j < len(m.events) && m.events[j].at == told; j++ {
		at := told
		switch e := m.events[j].Event.(type) {
		case shutdown.StopRequested:
			at = stop
		case shutdown.DelayEnded:
			at = m.began + e.After
		case shutdown.StepBegan:
			at = m.began + e.Start
		case shutdown.StepEnded:
			at = m.began + e.Start + e.Took
		}
		m.events[j].at = at
	}
}

// readEvents finds the events at the beginning and the end of the stop.
func (m *model) readEvents() bool {
	m.settle()
	var requests, delays, drains int
	for i, e := range m.events {
		switch e := e.Event.(type) {
		case shutdown.StopRequested:
			requests++
			m.requested, m.stop = e, m.events[i].at
		case shutdown.DelayEnded:
			delays++
			m.delayEnd = m.events[i].at
		case shutdown.Forced:
			m.forced = m.events[i].at
		case shutdown.Drained:
			drains++
			m.drained = m.events[i].at
			if i != len(m.events)-1 || e.Report != m.report && m.codes == nil { // Exit puts its code into a copy
				m.found("events", "Drained is no. %d of %d, with %v", i+1, len(m.events), e.Report)
			}
		}
	}
	if requests != 1 || delays != 1 || drains != 1 {
		m.found("events", "%d StopRequested, %d DelayEnded, %d Drained, want one of each", requests, delays, drains)
		return false
	}
	return true
}

// main returns the record of main, or nil if there is none.
func (m *model) main() *seen {
	if m.p.Main == nil {
		return nil
	}
	return m.byName[m.p.Main.Name]
}

func (m *model) readSteps() {
	for _, s := range m.report.Steps {
		t := &told{Step: s, seen: m.byName[s.Name], begin: m.began + s.Start, end: m.began + s.Start + s.Took}
		if s.Kind == shutdown.KindMain {
			t.seen = m.main()
		}
		if t.seen == nil {
			m.found("steps", "%v %q is in the report, and was never made", s.Kind, s.Name)
			continue
		}
		m.steps = append(m.steps, t)
	}
}

// checkStop checks that the first stimulus stopped the program.
func (m *model) checkStop() {
	first := -1
	for i, s := range m.stops {
		if first < 0 || s.at < m.stops[first].at {
			first = i
		}
	}
	if first < 0 {
		m.found("stop", "nothing asked the program to stop, at %v", m.stop)
		return
	}
	want := m.stops[first]
	ties := slices.DeleteFunc(slices.Clone(m.stops), func(s stimulus) bool { return s.at != want.at })
	if !slices.ContainsFunc(ties, func(s stimulus) bool { return !s.maybe }) {
		return
	}
	if m.stop != want.at {
		m.found("stop", "stopped at %v, want %v", m.stop, want.at)
	}
	m.checkCause(ties)
}

// tied reports whether more than one thing happened at the instant.
func (m *model) tied(at time.Duration) bool { return ties(m.stops, at) > 1 }

// ties is how many of them happened at the instant.
func ties(stimuli []stimulus, at time.Duration) (n int) {
	for _, s := range stimuli {
		n += ifelse(s.at == at, 1, 0)
	}
	return n
}

func sameCause(got, want error) bool {
	var gotSig, wantSig *signals.Error
	if errors.As(want, &wantSig) {
		return errors.As(got, &gotSig) && gotSig.Signal == wantSig.Signal
	}
	if want == errNotStarted {
		return errors.As(got, new(*group.StartError))
	}
	var panicked *group.PanicError
	return errors.Is(got, want) || want == errBoom && errors.As(got, &panicked)
}

// checkDelay predicts t0, the grace period and the end of the root context.
func (m *model) checkDelay() {
	delay := min(m.p.Delay, m.p.Grace/2)
	quiet := time.Duration(-1) // when Quiesce was called that is in effect
	for _, e := range m.events {
		switch e.Event.(type) {
		case shutdown.Quiesced:
			quiet = e.at
		case shutdown.Resumed:
			quiet = -1
		}
	}
	ready, known := m.wasReady()
	t0, grace, granted := m.stop, m.p.Grace, m.grantsDelay() && (ready || !known)
	if quiet >= 0 {
		if m.stop <= quiet+m.p.Grace {
			t0 = quiet
		} else {
			granted = false // it is over already
		}
		grace = max(t0+m.p.Grace, m.stop+min(2*s, m.p.Grace)) - t0
	}
	if m.began != t0 {
		m.found("t0", "t0 is %v, want %v", m.began, t0)
		return
	}
	if m.report.Grace != grace || m.requested.Grace != grace {
		m.found("grace", "the grace period is %v, in the event %v, want %v", m.report.Grace, m.requested.Grace, grace)
	}
	want := m.stop
	if granted {
		want = max(m.stop, t0+delay)
	}
	least := ifelse(known, want, m.stop)
	for _, s := range m.stops {
		if s.at >= m.stop && !s.delay {
			want = ifelse(s.maybe, want, min(want, s.at))
			least = min(least, s.at)
		}
	}
	if heard := m.heard(); len(heard) > 1 {
		want, least = min(want, max(m.stop, heard[1].at)), min(least, max(m.stop, heard[1].at))
	}
	if m.delayEnd > want || m.delayEnd < min(least, want) {
		m.found("delay", "the delay ended at %v, want %v", m.delayEnd, want)
	}
}

// checkResume checks that an announcement lasts, and that it can be undone until the stop.
func (m *model) checkResume() {
	for _, a := range m.announced {
		first := slices.ContainsFunc(m.events, func(n noted) bool { _, ok := n.Event.(shutdown.Quiesced); return ok && n.at == a.at })
		if first && a.over && a.at < m.stop && m.p.Delay > 0 && (m.p.Main == nil || m.p.Main.Warm == 0) { // else there may be no delay
			m.found("resume", "Quiesce at %v has returned a channel that is closed", a.at)
		}
	}
	for _, r := range m.resumes {
		quiet := false
		for _, e := range m.events {
			switch e.Event.(type) {
			case shutdown.Quiesced:
				quiet = quiet || e.at < r.at
			case shutdown.Resumed:
				quiet = quiet && e.at >= r.at
			}
		}
		if r.at < m.stop && r.done != quiet || r.at > m.stop && r.done {
			m.found("resume", "Resume at %v: %t, announced: %t, stopped at %v", r.at, r.done, quiet, m.stop)
		}
	}
}

// grantsDelay reports whether the stimulus that stopped the program allows a delay.
func (m *model) grantsDelay() bool {
	for _, s := range m.stops {
		if s.at == m.stop && !s.delay && !s.maybe {
			return false
		}
	}
	return true
}

// heard returns the signals that count.
func (m *model) heard() (heard []sent) {
	for _, s := range m.signals {
		if s.at <= m.drained && (heard == nil || s.at-heard[len(heard)-1].at > 200*ms) {
			heard = append(heard, s)
		}
	}
	return heard
}

// checkEnd checks that the program ends within the grace period.
func (m *model) checkEnd() {
	end := m.began + m.report.Grace
	if m.returned > end {
		m.found("grace", "Run returned at %v, %v after the end of the grace period", m.returned, m.returned-end)
	}
	last, awaited := m.delayEnd, m.delayEnd
	for _, t := range m.steps {
		last = max(last, t.end)
		if !m.released(t.seen) && !m.vague(t.seen) { // else it need not be waited for, and may end during the search for leaks
			awaited = max(awaited, t.end)
		}
		if t.end > end {
			m.found("grace", "%s ended at %v, %v after the end of the grace period", t.Name, t.end, t.end-end)
		}
	}
	if got := m.began + m.report.Took; got != last && got != awaited && got != m.drained || got > m.returned {
		m.found("took", "it took until %v, the last step until %v, Run until %v", got, last, m.returned)
	}
}

// checkSteps compares each step of the report with the record of its function.
func (m *model) checkSteps() {
	for _, t := range m.steps {
		sn := t.seen
		t.want = m.outcome(t)
		if got := t.Outcome; got != t.want && !m.excused(t) {
			m.found(m.outcomeGuarantee(t), "%s was %v, want %v", t.Name, got, t.want)
		}
		if t.Outcome == outcomeOK && t.Err != nil || t.Outcome != outcomeOK && t.Err == nil {
			m.found("outcome", "%s was %v with the error %v", t.Name, t.Outcome, t.Err)
		}
		if t.Outcome == outcomeSkipped && t.begin < m.began+m.report.Grace && !m.early(sn) && !limited(sn) {
			m.found("skipped", "%s was skipped at %v, with %v left", t.Name, t.begin, m.began+m.report.Grace-t.begin)
		}
		if sn.kind == shutdown.KindHandler && sn.calls > 0 && sn.begin != t.begin {
			m.found("steps", "%s was called at %v, in the report at %v", t.Name, sn.begin, t.begin)
		}
		m.checkStuck(t)
	}
	for _, sn := range m.seen {
		switch {
		case sn.calls == 0:
		case sn.ctxErr != nil && !sn.expiresAt(sn.begin) && !m.vague(sn) && !m.hadNoTime(sn) && !m.begunAfterForce(sn):
			m.found("context", "the context of %s had ended at its start: %v", sn.Name, sn.ctxErr)
		case sn.kind == shutdown.KindHandler && sn.left <= 0:
			m.found("context", "%s was called with a deadline %v ahead", sn.Name, sn.left)
		}
	}
}

// outcome returns the outcome that the step must have, according to the record of its function up to
// the end in the report.
func (m *model) outcome(t *told) shutdown.Outcome {
	sn := t.seen
	switch {
	case sn.calls == 0:
		return outcomeSkipped
	case sn.waits:
		return outcomeOK
	case !sn.over || sn.end > t.end:
		return outcomeAbandoned
	case sn.end < t.end:
		return -1
	case sn.how == byPanic:
		return outcomePanicked
	case sn.how == byGoexit:
		return outcomeGoexited
	case m.isLate(sn):
		return outcomeLate
	case m.new && errors.As(sn.err, new(polite)) && sn.failedAt == 0 && sn.aloneErr == nil:
		return outcomeOK
	case sn.bad():
		return outcomeFailed
	}
	return outcomeOK
}

// excused reports whether another outcome is allowed too.
func (m *model) excused(t *told) bool {
	sn := t.seen
	switch {
	case m.new && t.Outcome == outcomeLate && sn.expired && len(sn.shuts) > 0:
		return true // its deadline, and a Shutdown that gave up, end the same context
	case t.Outcome == outcomeAbandoned && sn.over && sn.end == t.end:
		return true // both happened at the same instant
	case m.vague(sn):
		return true
	case m.new && t.Outcome == outcomeLate && (t.want == outcomeOK || t.want == outcomeFailed) && m.mayBeLate(t):
		return true
	case t.want == outcomeLate && (m.new || !sn.late) && sn.shuts != nil: // it may be the end of a Shutdown's context
		return t.Outcome == ifelse(sn.bad(), outcomeFailed, outcomeOK)
	case t.want == outcomeFailed && m.expired(sn):
		return t.Outcome == outcomeOK
	case sn.Bare && t.Outcome == outcomeLate && t.want == outcomeOK:
		return true // its context has no deadline
	case t.want == outcomeLate && (sn.kind == shutdown.KindMain && m.p.Tasks != nil || sn.Inner != nil || sn.Does == closes || sn.Does == hands || sn.Does == makes || m.new && sn.Does == shuts):
		// It waited for other steps.
		return t.Outcome == ifelse(sn.bad(), outcomeFailed, outcomeOK) || t.Outcome == outcomeOK && m.expired(sn)
	}
	return false
}

// early reports whether the step may have been closed or stopped before its turn.
func (m *model) early(sn *seen) bool {
	if sn.closed || sn.won || sn.shuts != nil {
		return true
	}
	for sc := sn.home; sc != nil; sc = sc.parent {
		if sc.closed || sc.released {
			return true
		}
	}
	return false
}

// limited reports whether sn is in a scope whose Timeout may be over.
func limited(sn *seen) bool {
	for sc := sn.home; sc != nil; sc = sc.parent {
		if sc.Timeout > 0 {
			return true
		}
	}
	return false
}

// checkStuck looks for the name of an abandoned step, and for the place where it is stuck.
func (m *model) checkStuck(t *told) {
	if t.Outcome == outcomeFailed && (t.Stack != "" || t.WaitsFor != "") && m.inTime(t) {
		m.found("stuck", "%s failed within its budget, and is shown as waiting for %q", t.Name, t.WaitsFor)
	}
	if t.Outcome != outcomeAbandoned {
		return
	}
	var stuck *group.StuckError
	if !errors.As(t.Err, &stuck) || !errors.Is(t.Err, shutdown.ErrGrace) || stuck.Name != t.Name {
		m.found("stuck", "the error of %s, which was abandoned, is %v", t.Name, t.Err)
	}
	if !strings.Contains(t.Site, "campaign/") {
		m.found("stuck", "the site of %s is %q", t.Name, t.Site)
	}
	// Only an act before the deadline counts: the stacks are taken a little later.
	if t.seen.Does == deaf && t.seen.acts && t.seen.actsAt < t.end-tree.Margin(t.Took) && !t.seen.Bare && t.Took > 0 && !strings.Contains(t.Stack, ").stuck") {
		m.found("stuck", "the stack of %s does not say where it is: %q", t.Name, t.Stack)
	}
}

// checkOnce checks that each step runs and is recorded once, or not at all for a reason.
func (m *model) checkOnce() {
	rows := make(map[*seen]int)
	for _, t := range m.steps {
		rows[t.seen]++
	}
	for _, sn := range m.seen {
		n := rows[sn]
		least, most := 1, 1
		switch {
		case sn.refused, sn.won, sn.calls == 0 && sn.kind != shutdown.KindHandler:
			least, most = 0, 0
		case m.released(sn): // the program does not wait for it if it ran before
			least = 0
		case m.vague(sn):
			least = 0
		case sn.waits: // if its group stops before the program, it has no line
			least = ifelse(sn.shuts == nil && sn.in == nil && m.aTaskStops(m.main(), sn) > m.stop, 1, 0)
		case sn.MayFail && (sn.over && sn.end < m.stop && sn.bad() || m.gaveUpBefore(sn)):
			least = ifelse(sn.shuts == nil, 1, 0)
		case sn.MayFail && sn.over && sn.end < m.stop && sn.told: // perhaps late
			least = 0
		case sn.over && sn.end < m.stop:
			least, most = 0, 0
		case m.new && sn.kind == shutdown.KindHold && sn.over && sn.end < m.delayEnd && !sn.bad():
			least, most = 0, 0
		case sn.over && sn.end == m.stop,
			sn.kind == shutdown.KindHold && sn.over && sn.end <= m.delayEnd,
			m.gaveUpBefore(sn):
			least = 0
		}
		if n < least || n > most {
			m.found("once", "%s was called %d times, and is %d times in the report, want %d to %d", sn.Name, sn.calls, n, least, most)
		}
		if sn.calls > 1 || sn.calls > 0 && (sn.refused || sn.won) {
			m.found("once", "%s was called %d times (refused %t, unregistered %t)", sn.Name, sn.calls, sn.refused, sn.won)
		}
	}
}

func (m *model) released(sn *seen) bool {
	for sc := sn.home; sc != nil; sc = sc.parent {
		if sc.released {
			return true
		}
	}
	return false
}

// gaveUpBefore reports whether a group or a Close abandoned sn, or had no time for it, before the
// program stopped.
func (m *model) gaveUpBefore(sn *seen) bool {
	return slices.ContainsFunc(m.events, func(n noted) bool {
		e, ok := n.Event.(shutdown.StepEnded)
		return ok && e.Name == sn.Name && n.at <= m.stop && (e.Outcome == outcomeAbandoned || e.Outcome == outcomeSkipped)
	})
}
