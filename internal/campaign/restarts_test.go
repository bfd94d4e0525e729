package campaign

import (
	"runtime"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file has the tasks with Restart and MayFail, and checks them.
//
// The record of a task with Restart is that of its last call. While it waits to be called again, it
// counts as over, without an error. Whether a failed task will be called again is known only from the
// event Restarted. If there is none, concludes gives the record its failure back.

// An again is the Restart of a task.
type again struct {
	group.Policy
	Tries int           // how many of its first calls fail by themselves
	Lasts time.Duration // how long each of these takes
}

// A try is a call of a task with Restart.
type try struct {
	begin, end time.Duration
	err        error // if it has failed before it was told to stop
	how        how
}

// failures gives the tasks of a program Restart and MayFail.
func (g *generator) failures(p *program) {
	if g.depth > 0 || p.Alone || p.Ctx != nil || p.Group != nil {
		return
	}
	p.Fails = true
	for _, a := range p.Tasks {
		g.failure(a)
		if a.Inner != nil {
			a.Inner.Ctx = nil
			for _, a := range a.Inner.Tasks {
				g.failure(a)
			}
		}
	}
	for _, e := range p.Events {
		if e.What == addedTask && e.Sub.Inner == nil {
			g.failure(e.Sub)
		}
	}
}

func (g *generator) failure(a *actor) {
	if a.MayFail = g.chance(35); a.MayFail && g.chance(60) && a.Inner == nil {
		a.does([]act{fails, panics, goexits}[g.IntN(3)])
		g.alone(a, 80)
	}
	if a.Inner != nil || a.Pair || a.Warm != 0 || !g.chance(50) {
		return
	}
	if a.Does > leaks { // only the last of its calls is recorded
		a.does(ifelse(g.chance(50), fails, obeys))
	}
	r := &again{Tries: g.IntN(6), Lasts: g.unique(3000)}
	r.Initial = time.Duration(10+g.IntN(1500)) * ms
	r.Max = r.Initial * time.Duration(1+g.IntN(8))
	r.Limit = ifelse(g.chance(30), -1, 1+g.IntN(4))
	r.Within = time.Duration(1+g.IntN(20000)) * ms
	a.Again = r
}

// policy returns the options for the failures of an actor.
func (a *actor) policy() (opts []group.Option) {
	if a.MayFail {
		opts = append(opts, group.MayFail())
	}
	if a.Again != nil {
		opts = append(opts, group.Restart(a.Again.Policy))
	}
	return opts
}

// isCalled begins the record of a call. The mutex is held.
func (sn *seen) isCalled(now time.Duration) (twice bool) {
	if sn.Again == nil {
		return false
	}
	twice = sn.tries != nil && !sn.waits
	sn.tries = append(sn.tries, &try{begin: now})
	sn.calls, sn.waits, sn.over, sn.end, sn.acts, sn.ended, sn.err = 0, false, false, 0, false, nil, nil
	return twice
}

// failsByItself reports whether this call of sn fails by itself.
func (sn *seen) failsByItself() bool { return sn.Again != nil && len(sn.tries) <= sn.Again.Tries }

// failsOnce fails in one of three ways.
func (w *world) failsOnce(sn *seen, end func(how, error) error) error {
	switch n := len(sn.tries) + sn.Way; {
	case w.isReleased():
		return nil
	case n%3 == 0:
		return end(byReturn, failure{sn.Name})
	case n%3 == 1:
		_ = end(byPanic, errBoom)
		panic(errBoom)
	}
	_ = end(byGoexit, group.ErrGoexit)
	runtime.Goexit()
	return nil
}

// mayBeCalledAgain records the failure of a task with Restart. The mutex is held.
func (sn *seen) mayBeCalledAgain() {
	last := sn.tries[len(sn.tries)-1]
	last.end, last.err, last.how = sn.end, sn.err, sn.how
	sn.waits, sn.err, sn.how = true, nil, byReturn
}

// restoresFailures gives the records of tasks that were not called again their failures back.
func (o *observation) restoresFailures() {
	for _, sn := range o.seen {
		if !sn.waits || slices.ContainsFunc(o.events, func(n noted) bool {
			e, ok := n.Event.(shutdown.Restarted)
			return ok && e.Name == sn.Name && n.at == sn.end
		}) {
			continue
		}
		last := sn.tries[len(sn.tries)-1]
		sn.waits, sn.err, sn.how = false, last.err, last.how
		if !sn.MayFail {
			o.stimuli = append(o.stimuli, stimulus{at: sn.end, cause: sn.err, maybe: sn.shuts != nil || sn.in != nil})
		}
	}
}

// endsAlone reports whether the end of sn, so far, is no reason for its group to stop.
func (sn *seen) endsAlone() bool {
	switch {
	case sn.waits || sn.failedToStart():
		return true
	case sn.alone > 0:
		return sn.MayFail && (sn.aloneErr != nil || sn.Mild)
	}
	return sn.MayFail && sn.over && (sn.bad() || sn.late)
}

// failedToStart reports whether sn was told to stop alone, because its start has exceeded its limit.
func (sn *seen) failedToStart() bool { return sn.MayFail && sn.failedAt > 0 }

// firstBegin returns when sn was called first.
func (sn *seen) firstBegin() time.Duration {
	if sn.tries != nil {
		return sn.tries[0].begin
	}
	return sn.begin
}

// hasStopped returns a time at which the group of sn had begun to stop, or never.
func (m *model) hasStopped(sn *seen) time.Duration {
	at := ifelse(sn.in == nil, m.delayEnd, never)
	for _, o := range m.seen {
		if sn.in != nil && o.actor == sn.in.actor && o.told {
			at = min(at, o.toldAt)
		}
		if o.task != nil && m.groupOf(o) == m.groupOf(sn) && o.told && o.shuts == nil && o.alone == 0 && !o.failedToStart() {
			at = min(at, o.toldAt)
		}
	}
	return at
}

// mayHaveStopped returns the earliest time at which sn may have been told to stop, or its group may
// have begun to stop other than because of sn.
func (m *model) mayHaveStopped(sn *seen) time.Duration {
	at := min(m.mayStopWithout(m.groupOf(sn), sn), m.returned)
	for _, c := range sn.shuts {
		at = min(at, c.at)
	}
	return at
}

// checkRestarts checks when tasks are called again, and that the report has it.
func (m *model) checkRestarts() {
	if !m.p.Fails {
		return
	}
	restarts := make(map[*seen][]noted)
	for _, n := range m.events {
		if e, ok := n.Event.(shutdown.Restarted); ok {
			sn := m.byName[e.Name]
			restarts[sn] = append(restarts[sn], n)
			if sn == nil || sn.Again == nil {
				m.found("restart", "%q is called again at %v, and has no Restart", e.Name, n.at)
			}
		}
	}
	for _, sn := range m.seen {
		if sn.tries != nil && !m.vague(sn) {
			m.checkTries(sn, restarts[sn])
		}
	}
	for _, t := range m.steps {
		told := restarts[t.seen]
		if t.Restarts != len(told) || len(told) > 0 && t.LastErr != told[len(told)-1].Event.(shutdown.Restarted).Err {
			m.found("restart", "the line of %s has %d restarts, the last after %v; want those of %d events", t.Name, t.Restarts, t.LastErr, len(told))
		}
		if t.seen.waits && (t.Took != 0 || t.end > m.hasStopped(t.seen)) {
			m.found("restart", "%s has waited until %v, and its group had begun to stop at %v", t.Name, t.end, m.hasStopped(t.seen))
		}
	}
}

// checkTries compares the calls of sn with its policy and with the events that it is called again.
func (m *model) checkTries(sn *seen, restarts []noted) {
	stopped, longest, again := m.hasStopped(sn), sn.Again.Initial, false
	for i, call := range sn.tries {
		if i > len(restarts) {
			m.found("restart", "%s was called %d times, and there are %d events", sn.Name, len(sn.tries), len(restarts))
			return
		}
		if i > 0 {
			want := restarts[i-1].at + restarts[i-1].Event.(shutdown.Restarted).In
			shut := slices.ContainsFunc(sn.shuts, func(c *shut) bool { return !c.vague && c.at < call.begin })
			if call.begin != want || call.begin > stopped || shut || m.over(sn, call.begin) {
				m.found("restart", "%s was called again at %v, want %v; its group stopped at %v, somebody shut it down: %t", sn.Name, call.begin, want, stopped, shut)
			}
		}
		if again = i < len(restarts); !again {
			break
		}
		if call.end-call.begin >= sn.Again.Max {
			longest = sn.Again.Initial
		}
		e := restarts[i].Event.(shutdown.Restarted)
		if restarts[i].at != call.end || call.end > stopped || e.Count != i+1 || !sameCause(e.Err, call.err) || sn.exhausted(i) {
			m.found("restart", "%s failed with %v at %v, too often: %t; its group stopped at %v, and the event at %v is %+v", sn.Name, call.err, call.end, sn.exhausted(i), stopped, restarts[i].at, e)
		}
		if e.In > longest || e.In < longest/2 {
			m.found("restart", "%s waits for %v after its failure at %v, want at most %v and at least half of that", sn.Name, e.In, call.end, longest)
		}
		longest = min(2*longest, sn.Again.Max)
	}
	switch last := sn.tries[len(sn.tries)-1]; {
	case again != sn.waits || len(restarts) > len(sn.tries):
		m.found("restart", "%s was called %d times, with %d events; it waits: %t", sn.Name, len(sn.tries), len(restarts), sn.waits)
	case again && restarts[len(restarts)-1].at+restarts[len(restarts)-1].Event.(shutdown.Restarted).In < m.mayHaveStopped(sn):
		m.found("restart", "%s, which has failed at %v, was not called again; its group may have stopped at %v", sn.Name, last.end, m.mayHaveStopped(sn))
	case !again && last.err != nil && !sn.exhausted(len(sn.tries)-1) && last.end < m.mayHaveStopped(sn):
		m.found("restart", "%s failed at %v, and was not called again; its group may have stopped at %v", sn.Name, last.end, m.mayHaveStopped(sn))
	}
}

// exhausted reports whether the i-th call is one failure too many.
func (sn *seen) exhausted(i int) bool {
	n := 0
	for _, call := range sn.tries[:i+1] {
		n += ifelse(sn.tries[i].end-call.end <= sn.Again.Within, 1, 0)
	}
	return sn.Again.Limit >= 0 && n > sn.Again.Limit
}
