package campaign

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A tally counts what happened in the programs of a campaign. For example, a campaign in which no step
// is ever stuck would find no fault in the handling of stuck steps.
type tally struct {
	outcomes [outcomeSkipped + 1]int
	forced   int
	ended    int // by a third signal
	quiet    int
	resumed  int
	reraised int // ended by the signal
	leaks    int
	shut     int            // errors of Task.Shutdown
	closed   int            // of a Close
	handed   int            // calls of functions that Release returned
	taken    int            // handlers that were unregistered
	inner    int            // programs within steps of others
	alone    int            // of those, without a Run
	inStart  int            // stops in the middle of a start
	hung     int            // starts that have exceeded their limit
	never    int            // tasks that never began
	again    int            // restarts
	tooOften int            // tasks that have failed too often
	dropped  int            // stops of a task that waits to be called again
	early    int            // failures of tasks with MayFail before the stop
	made     map[string]int // handlers that ran in scopes made by a kind of step
}

func (t *tally) count(o *observation) {
	for _, in := range o.inners {
		t.count(in)
		t.inner++
		t.alone += ifelse(in.p.Alone, 1, 0)
	}
	for _, s := range o.report.Steps {
		t.outcomes[s.Outcome]++
		t.early += ifelse(s.Start < 0, 1, 0)
	}
	if o.report.Forced {
		t.forced++
	}
	if len(o.exits) > 0 && o.exits[0].at <= o.returned {
		t.ended++
	}
	for _, e := range o.events {
		switch e.Event.(type) {
		case shutdown.Quiesced:
			t.quiet++
		case shutdown.Resumed:
			t.resumed++
		}
	}
	if o.code > 128 {
		t.reraised++
	}
	for _, c := range o.closings {
		n := len(c.failures())
		t.closed += n
		t.handed += ifelse(c.hand, n, 0)
	}
	starting := false
	for _, sn := range o.seen {
		t.hung += ifelse(sn.failedAt > 0, 1, 0)
		t.never += ifelse(sn.task != nil && sn.calls == 0 && o.p.Warms, 1, 0)
		starting = starting || newModel(o, newCore).startsAt(sn, o.began)
		t.taken += ifelse(sn.won, 1, 0)
		t.again += max(0, len(sn.tries)-1)
		t.tooOften += ifelse(sn.tries != nil && sn.tries[len(sn.tries)-1].err != nil && sn.exhausted(len(sn.tries)-1), 1, 0)
		t.dropped += ifelse(sn.waits, 1, 0)
		if maker := o.named(sn.maker); maker != nil && sn.home.at > o.start && sn.calls > 0 {
			t.made[maker.kindName()]++
		}
		for _, c := range sn.shuts {
			t.shut += ifelse(c.err != nil && c.err != c.ended, 1, 0)
		}
	}
	t.inStart += ifelse(starting, 1, 0)
	t.leaks += len(o.report.Leaks)
}

// kindName returns the kind of a step, with different names for the two kinds of tasks.
func (sn *seen) kindName() string { return ifelse(sn.started, "started task", sn.kind.String()) }

// named returns the record of an actor, or nil if there is none.
func (o *observation) named(a *actor) *seen {
	if i := slices.IndexFunc(o.seen, func(sn *seen) bool { return a != nil && sn.actor == a }); i >= 0 {
		return o.seen[i]
	}
	return nil
}

// missing lists what should have happened in a campaign of some length, and did not.
func (t *tally) missing() (what []string) {
	for o, n := range t.outcomes {
		if n == 0 {
			what = append(what, shutdown.Outcome(o).String())
		}
	}
	for name, n := range map[string]int{
		"forced": t.forced, "ended": t.ended, "announced": t.quiet, "resumed": t.resumed, "reraised": t.reraised, "leaks": t.leaks,
		"shut": t.shut, "closed": t.closed, "handed": t.handed, "unregistered": t.taken,
		"stops in the middle of a start": t.inStart, "starts that hang": t.hung, "tasks that never begin": t.never,
		"restarts": t.again, "tasks that fail too often": t.tooOften, "tasks that wait to be called again at the end": t.dropped,
		"failures before the stop": t.early,
		"programs within":          t.inner, "programs without a Run": t.alone,
	} {
		if n == 0 {
			what = append(what, name)
		}
	}
	for _, kind := range []string{"main", "task", "started task", "hold", "handler"} {
		if t.made[kind] == 0 {
			what = append(what, "scopes made by a "+kind)
		}
	}
	return what
}

func (t *tally) String() string {
	var parts []string
	for o, n := range t.outcomes {
		parts = append(parts, fmt.Sprintf("%d %v", n, shutdown.Outcome(o)))
	}
	return fmt.Sprintf("%s; %d leaks; %d announced, %d resumed, %d forced, %d ended by a third signal, %d raised again; "+
		"%d stopped in the middle of a start, %d starts hung, %d tasks never began; %d restarts, %d failed too often, %d waited at the end; %d failures before the stop; %d unregistered; ran in scopes made at run time by: %v; %d programs within steps, %d of those without a Run; errors: %d of Task.Shutdown, %d of a Close, %d of those released",
		strings.Join(parts, ", "), t.leaks, t.quiet, t.resumed, t.forced, t.ended, t.reraised, t.inStart, t.hung, t.never, t.again, t.tooOften, t.dropped, t.early, t.taken, t.made, t.inner, t.alone, t.shut, t.closed, t.handed)
}
