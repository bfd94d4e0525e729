package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file checks the guarantees for groups and their tasks.

// checkGroup checks that the group of main reports each task that failed.
func (m *model) checkGroup() {
	main := m.main()
	if m.p.Group.slack() > 0 || main == nil || !main.over || main.how != byReturn {
		return
	}
	for _, t := range m.steps {
		if t.Kind != shutdown.KindTask || t.seen.started || t.seen.shuts != nil || t.seen.in != nil && t.seen.in.shuts != nil || t.Outcome == outcomeOK || t.end > main.end {
			continue
		}
		if t.seen.in != nil && (m.expired(t.seen.in) || m.vague(t.seen)) {
			continue
		}
		if main.err == nil || !strings.Contains(main.err.Error(), fmt.Sprintf("task %q", t.Name)) {
			m.found("group", "%s was %v, and the group's error is %v", t.Name, t.Outcome, main.err)
		}
	}
}

// checkGroupStop checks that main's group stops when main is told to, when a task fails, and when a
// task without MayFinish ends, and at no other time.
func (m *model) checkGroupStop() {
	if m.p.Group.slack() > 0 {
		return
	}
	want, guarantee := m.delayEnd, "group"
	var newest *seen // of the tasks that must be told then
	for _, sn := range m.seen {
		if sn.endsAlone() {
			continue
		}
		alone := false // it has ended without an error after t0
		if sn.ofMain() && m.new && (sn.over || sn.alone > 0) {
			yes, known := m.begun(ifelse(sn.alone > 0, sn.alone, sn.end))
			alone = yes && sn.aloneErr == nil
			switch {
			case !known:
				return
			case alone && !sn.Mild && sn.shuts == nil && sn.Inner == nil && !sn.late && (sn.alone > 0 || !sn.bad()):
				guarantee = "alone"
				continue
			}
		}
		if sn.ofMain() && sn.alone > 0 && (sn.aloneErr != nil || !sn.Mild && !alone) {
			want = min(want, sn.alone)
		}
		switch {
		case !sn.ofMain():
		case sn.failedAt > 0:
			want = min(want, sn.failedAt)
		case sn.shuts != nil && sn.over && sn.ignoring():
		case sn.shuts != nil, sn.Inner != nil, m.isLate(sn):
			return // somebody else may have waited for its end
		case sn.over && (sn.bad() || !sn.Mild):
			want = min(want, sn.end)
		}
	}
	for _, sn := range m.seen {
		if !sn.ofMain() || sn.calls == 0 {
			continue
		}
		if sn.told && sn.toldAt < want && sn.shuts == nil && sn.alone == 0 && !sn.failedToStart() {
			m.found(guarantee, "%s was told at %v, want %v", sn.Name, sn.toldAt, want)
		}
		if sn.begin < want && (!sn.over || sn.end > want) {
			newest = sn
		}
	}
	if newest != nil && newest.shuts == nil && newest.alone == 0 && !newest.failedToStart() && !newest.leaves(want) && (!newest.told || newest.toldAt != want) {
		m.found(guarantee, "%s, the newest of it, was told at %v (%t), want %v", newest.Name, newest.toldAt, newest.told, want)
	}
}

// checkGroupEnds checks that each group ends with its last task, stops within its grace period, tells
// all tasks at once if it is Concurrent, and takes no tasks while it stops. It also checks that a pair
// with MayFinish is told when its first function returns.
func (m *model) checkGroupEnds() {
	if !m.new {
		return
	}
	byGroup := make(map[*seen][]*seen)
	for _, sn := range m.seen {
		if sn.task != nil && sn.calls > 0 && !m.vague(sn) {
			of := m.groupOf(sn)
			byGroup[of] = append(byGroup[of], sn)
		}
	}
	for of, tasks := range byGroup {
		m.checkGroupEnd(of, tasks)
	}
}

func (m *model) checkGroupEnd(of *seen, tasks []*seen) {
	first, last := time.Duration(-1), time.Duration(0) // when the first was told by the group; when the last was over
	for _, sn := range tasks {
		if sn.told && sn.shuts == nil && sn.alone == 0 && !sn.failedToStart() && (first < 0 || sn.toldAt < first) {
			first = sn.toldAt
		}
		last = ifelse(sn.over && !sn.waits && last >= 0, max(last, sn.end), -1)
	}
	for _, sn := range tasks {
		if sn.alone >= m.mayStop(of) {
			continue // its turn will come
		}
		if sn.alone > 0 && ifelse(sn.aloneErr == nil, sn.Mild, sn.MayFail) && (!sn.told || sn.toldAt > sn.alone) && !m.over(sn, sn.alone) {
			m.found("group", "%s, whose first function returned at %v, was told at %v (%t)", sn.Name, sn.alone, sn.toldAt, sn.told)
		}
	}
	if last > 0 && (of.ran && of.ranAt > last || !of.ran && m.returned > last && !m.over(of, last)) {
		m.found("group", "the last task of %s was over at %v, and Run returned at %v (%t)", of.Name, last, of.ranAt, of.ran)
	}
	if first < 0 {
		return
	}
	pool := ifelse(of.kind == shutdown.KindMain, m.p.Pool, of.Inner != nil && of.Inner.Pool)
	for _, sn := range tasks {
		end, ended := m.ends[sn.Name]
		over := ifelse(sn.over, sn.end, m.returned+1)
		if ended {
			over = min(over, end.at)
		}
		switch {
		case sn.at > first && sn.shuts == nil:
			m.found("group", "%s was added at %v, and called; another task of %s was told at %v", sn.Name, sn.at, of.Name, first)
		case over > first+m.p.Grace && m.returned > first+m.p.Grace && sn.begin <= first:
			m.found("group", "%s was over at %v; a task of %s was told at %v", sn.Name, over, of.Name, first)
		case pool && sn.shuts == nil && sn.alone == 0 && !sn.failedToStart() && sn.begin < first && over > first && !sn.leaves(first) && (!sn.told || sn.toldAt > first):
			m.found("group", "%s was told at %v (%t), its group of equals at %v", sn.Name, sn.toldAt, sn.told, first)
		}
	}
}

// leaves reports whether sn, in its last call, had ceased by then to wait for the request to stop.
func (sn *seen) leaves(at time.Duration) bool {
	if sn.failsByItself() {
		return sn.begin+sn.Again.Lasts <= at
	}
	return sn.Alone != 0 && sn.begin+sn.Alone <= at
}

// ofMain reports whether sn is a task of main's group.
func (sn *seen) ofMain() bool { return sn.kind == shutdown.KindTask && !sn.started && sn.in == nil }

// groupOf is the step that is the group of a task.
func (m *model) groupOf(sn *seen) *seen {
	if sn.in == nil {
		return m.main()
	}
	return sn.in
}

// group is the name of the task that is the group of sn, "" for main's.
func (sn *seen) group() string {
	if sn.in == nil {
		return ""
	}
	return sn.in.Name
}

// checkShares checks that each task of main's group has its minimum of the time until main's deadline,
// if the group stops because main is told to, and there is no second signal.
func (m *model) checkShares() {
	if m.p.Group.slack() > 0 || m.aTaskStops(m.main(), nil) < m.delayEnd {
		return
	}
	var tasks []*seen
	for _, sn := range m.seen {
		switch {
		case !sn.ofMain() || sn.calls == 0 || sn.over && sn.end < m.delayEnd:
		case sn.over && sn.end == m.delayEnd, sn.alone > 0 && sn.alone <= m.delayEnd, sn.told && sn.toldAt < m.delayEnd, sn.begin > m.delayEnd:
			return // it may have stopped by itself, or begun when main's time was running
		default:
			tasks = append(tasks, sn)
		}
	}
	left := time.Duration(0)
	for _, e := range m.events {
		b, ok := e.Event.(shutdown.StepBegan)
		switch sn := m.byName[b.Name]; {
		case m.report.Forced || !ok:
		case b.Kind == shutdown.KindMain:
			left = budget(b) - margin(budget(b))
		case sn != nil && left > 0 && slices.Contains(tasks, sn):
			floor := min(s, left/time.Duration(2*len(tasks)))
			var sum time.Duration
			for _, sn := range tasks {
				sum += minimum(sn.actor, floor)
			}
			want := minimum(sn.actor, floor)
			if most := 0.9 * float64(left); float64(sum) > most {
				want = time.Duration(float64(want) * most / float64(sum))
			}
			if budget(b) < want-time.Microsecond {
				m.found("share", "%s may take %v, and its minimum is %v of the %v of main", sn.Name, budget(b), want, left)
			}
		}
	}
}
