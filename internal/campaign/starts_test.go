package campaign

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file has the starts of main and of tasks with Warmup, and checks them.

// warmups gives main and the tasks of a program warm-ups. A signal may come during the start.
func (g *generator) warmups(p *program) {
	if *starts {
		p.Ctx, p.Group = nil, nil
	}
	if g.depth > 0 || p.Alone || p.Ctx != nil || p.Group != nil {
		return
	}
	p.Warms = true
	if g.chance(40) {
		g.warmup(p.Main)
		p.Main.Warm = max(p.Main.Warm, 0) // that is Coordinator.Warmup, which has no other word for "no limit"
	}
	for _, a := range p.Tasks {
		if g.chance(60) {
			g.warmup(a)
		}
		if a.Inner != nil {
			a.Inner.Ctx = nil
			for _, a := range a.Inner.Tasks {
				if g.chance(60) {
					g.warmup(a)
				}
			}
		}
	}
	for _, e := range p.Events {
		if e.What == addedTask && e.Sub.Inner == nil && g.chance(60) {
			g.warmup(e.Sub)
		}
	}
	if *starts || g.chance(50) {
		p.Events = append(p.Events, &event{At: g.unique(ifelse(*starts, 2000, 8000)), What: signalled, N: g.IntN(2)})
	}
}

func (g *generator) warmup(a *actor) {
	a.Warm = -1
	if g.chance(70) {
		a.Warm = g.unique(6000)
	}
	if g.chance(85) {
		a.Up = g.unique(3000)
	}
}

// errNotStarted stands for a StartError.
var errNotStarted = errors.New("it has not started")

// warmup is the limit of the start of a.
func (a *actor) warmup() time.Duration { return ifelse(a.Warm < 0, math.MaxInt64, a.Warm) }

// later calls f after d, unless the program has ended.
func (w *world) later(d time.Duration, f func()) {
	w.note(func() { w.timers = append(w.timers, time.AfterFunc(d, f)) })
}

// starts has an actor call Started at its time, and records when it exceeds the limit of its start.
func (w *world) starts(sn *seen, ctx context.Context) {
	if sn.Up > 0 {
		w.later(sn.Up, func() {
			w.note(func() { sn.upAt = w.now() })
			group.Started(ctx)
		})
	}
	if sn.Warm > 0 {
		w.later(sn.Warm, func() {
			failed, shut := false, false
			w.note(func() {
				m := newModel(&w.obs, newCore)
				now := w.now()
				shut = sn.shuts != nil
				failed = (!sn.over || sn.end == now) && (!sn.told || sn.toldAt == now) && m.startedAt(sn) == never && !m.asked(now)
				if failed {
					sn.failedAt = now
				}
			})
			switch {
			case !failed || sn.MayFail:
			case sn.kind == shutdown.KindMain:
				w.stimulus(stimulus{cause: errNotStarted, fault: true})
			default:
				w.fails(sn, stimulus{cause: errNotStarted, maybe: shut || sn.in != nil})
			}
		})
	}
}

// endedTooEarly reports whether sn, which returns nil now, should have called Started. The mutex is
// held.
func (w *world) endedTooEarly(sn *seen) bool {
	now, m := w.now(), newModel(&w.obs, newCore)
	if sn.Warm == 0 || sn.Mild || sn.told || sn.shuts != nil || sn.failedAt > 0 || m.asked(now+1) || m.quiet(now) || m.announcedAt(now) || m.startedAt(sn) != never {
		return false
	}
	return sn.in == nil || !slices.ContainsFunc(m.seen, func(o *seen) bool { // otherwise the group may have begun to stop
		return o.in == sn.in && o != sn && (o.over || o.failedAt > 0 || o.alone > 0)
	})
}

// wasShut reports whether somebody shut sn down before it had returned.
func (sn *seen) wasShut() bool {
	return slices.ContainsFunc(sn.shuts, func(c *shut) bool { return c.at <= ifelse(sn.alone > 0, sn.alone, sn.end) })
}

// hasError reports whether err is the error of sn.
func (sn *seen) hasError(err error) bool {
	want := either(sn.aloneErr, sn.err)
	if sn.failedAt > 0 || want == errNotStarted {
		return errors.As(err, new(*group.StartError))
	}
	return errors.Is(err, want)
}

// asked reports whether a stop was requested before at. The event may come later.
func (m *model) asked(at time.Duration) bool {
	if slices.ContainsFunc(m.stimuli, func(s stimulus) bool { return s.at < at && !s.maybe }) {
		return true
	}
	return slices.ContainsFunc(m.events, func(n noted) bool { _, ok := n.Event.(shutdown.StopRequested); return ok && n.at < at })
}

// quiet reports whether a stop was announced at that time.
func (m *model) quiet(at time.Duration) (quiet bool) {
	for _, n := range m.events {
		switch n.Event.(type) {
		case shutdown.Quiesced:
			quiet = quiet || n.at <= at
		case shutdown.Resumed:
			quiet = quiet && n.at > at
		}
	}
	return quiet
}

// startedAt returns when sn had started: when it called Started or began, or when all tasks of its
// group had started. It is never if it has not, or was told to stop before. Once the stop of the
// program was requested, a start has no limit.
func (m *model) startedAt(sn *seen) time.Duration {
	at := never
	switch {
	case sn.calls == 0:
		return never
	case sn.Warm == 0:
		return sn.firstBegin()
	case sn.upAt > 0:
		at = sn.upAt
	}
	if sn.kind == shutdown.KindMain && m.p.Tasks != nil || sn.Inner != nil {
		at = min(at, m.groupStartedAt(sn))
	}
	if limit := sn.begin + min(sn.warmup(), never); at >= limit && !m.asked(limit) || sn.told && sn.toldAt <= at || sn.over && sn.end <= at {
		return never
	}
	if slices.ContainsFunc(sn.shuts, func(c *shut) bool { return c.at < at }) { // it may not have noticed
		return never
	}
	return at
}

// groupStartedAt returns when all tasks of the group that of runs had started or ended.
func (m *model) groupStartedAt(of *seen) time.Duration {
	at, tasks, begun := of.runsAt, 0, false
	for _, sn := range m.seen {
		if sn.task == nil || m.groupOf(sn) != of || sn.at > at { // what is added before the group has started counts, too
			continue
		}
		tasks++
		begun = begun || sn.calls > 0
		stops := sn.bad() && !sn.MayFail || sn.told && sn.alone == 0 && !sn.failedToStart()
		if stops && !sn.wasShut() && m.startedAt(sn) == never {
			return never // the group stops
		}
		at = max(at, m.waitedFor(sn))
	}
	if !begun || tasks < len(ifelse(of.Inner != nil, of.innerTasks(), m.p.Tasks)) {
		return never // it has not begun, or has no tasks
	}
	return at
}

func (a *actor) innerTasks() []*actor {
	if a.Inner == nil {
		return nil
	}
	return a.Inner.Tasks
}

// waitedFor returns until when the tasks after sn wait for it: until it has started or ended.
func (m *model) waitedFor(sn *seen) time.Duration {
	switch {
	case sn.calls == 0 && slices.ContainsFunc(sn.shuts, func(c *shut) bool { return c.err != group.ErrStopped }): // it was removed, not refused
		return 0
	case sn.calls > 0 && sn.MayFail && m.given(sn): // it may return later
		return min(m.startedAt(sn), m.ends[sn.Name].at)
	case sn.calls > 0 && sn.over:
		return min(m.startedAt(sn), sn.end)
	}
	return m.startedAt(sn)
}

// checkStarts checks that each task begins when those before it have started, that none begins after
// the request to stop for which it would have to wait, and that Ready waits for the starts.
func (m *model) checkStarts() {
	if !m.p.Warms {
		return
	}
	for _, of := range m.seen {
		if of.runs && (of.Inner != nil || of.kind == shutdown.KindMain && m.p.Tasks != nil) {
			m.checkTasksBegin(of)
		}
	}
	for _, sn := range m.seen {
		if sn.Warm == 0 || sn.calls == 0 {
			continue
		}
		at, events := m.startedAt(sn), 0
		asked, _ := m.begun(sn.alone)
		finished := !sn.told || sn.toldAt > sn.end || sn.alone > 0 && sn.aloneErr == nil && (sn.Mild || asked) && sn.toldAt == sn.alone
		if at == never && sn.over && !sn.bad() && !sn.wasShut() && finished {
			if m.mayStopWithout(m.groupOf(sn), sn) <= sn.end {
				continue // it may have been told to stop before it had returned
			}
			at = sn.end // it has started and finished
		}
		for _, n := range m.events {
			e, ok := n.Event.(shutdown.Warmed)
			if ok && m.named(e.Kind, e.Name) == sn {
				events++
				// Each order is possible. A group has started and ended if its last task has failed to start.
				tied := n.at == m.stop || sn.told && n.at == sn.toldAt || sn.Inner != nil && sn.over && n.at == sn.end
				if !tied && (n.at != at || e.Took != at-sn.begin) {
					m.found("start", "there is an event at %v that %s has started, after %v; want %v", n.at, sn.Name, e.Took, at)
				}
			}
		}
		if at < m.stop && events != 1 || events > 1 {
			m.found("start", "%d events that %s has started, which did so at %v", events, sn.Name, at)
		}
	}
	for _, n := range m.events {
		if want, known := m.readyAt(n.at); known && n.ready != want {
			m.found("ready", "Ready is %t at %v, at %T", n.ready, n.at, n.Event)
		}
	}
}

func (m *model) checkTasksBegin(of *seen) {
	turn := of.runsAt // of the next task
	for _, sn := range m.seen {
		if sn.task == nil || m.groupOf(sn) != of {
			continue
		}
		want := max(turn, sn.at)
		waits := turn > max(of.runsAt, sn.at)
		switch {
		case m.vague(sn), sn.firstBegin() == m.stop: // at the instant of the stop each order is possible
			return
		case sn.calls > 0 && sn.firstBegin() != want:
			m.found("start", "%s began at %v, want %v", sn.Name, sn.firstBegin(), want)
		case sn.calls > 0 && waits && sn.firstBegin() > m.stop:
			m.found("start", "%s began at %v, the stop at %v", sn.Name, sn.firstBegin(), m.stop)
		case sn.calls == 0 && sn.shuts == nil && want < m.stop && want < m.mayStop(of) && !m.over(of, want):
			m.found("start", "%s never began, and its turn came at %v", sn.Name, want)
		}
		if sn.calls > 0 { // else nothing waits for it, neither a task that is added later
			turn = max(turn, m.waitedFor(sn))
		}
	}
}

// startsAt reports whether the start of sn was under way at that time.
func (m *model) startsAt(sn *seen, at time.Duration) bool {
	return sn.Warm != 0 && sn.calls > 0 && sn.begin <= at && at < m.waitedFor(sn)
}
