package campaign

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A fault changes how a step is called, or what was observed of the program.
type fault struct {
	name   string
	breaks string // the name of the guarantee that must be found broken
	new    bool   // only the new core gives this guarantee
	called func(*seen, func(context.Context) error) func(context.Context) error
	see    func(*observation)
}

// maxSeeds is the number of programs in which a fault must be found.
const maxSeeds = 10_000

var faults = []fault{
	{name: "a handler is skipped", breaks: "outcome", called: only(func(ctx context.Context, f func(context.Context) error) error { return nil })},
	{name: "a handler is called twice", breaks: "once", called: only(func(ctx context.Context, f func(context.Context) error) error {
		_ = f(ctx)
		return f(ctx)
	})},
	{name: "a handler is called late", breaks: "steps", called: only(func(ctx context.Context, f func(context.Context) error) error {
		time.Sleep(ms)
		return f(ctx)
	})},
	{name: "a context has ended at the start", breaks: "context", called: only(func(ctx context.Context, f func(context.Context) error) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return f(ctx)
	})},
	{name: "a context never ends", breaks: "context", called: only(func(ctx context.Context, f func(context.Context) error) error {
		return f(context.WithoutCancel(ctx))
	})},
	{name: "an error is swallowed", breaks: "outcome", called: only(func(ctx context.Context, f func(context.Context) error) error {
		_ = f(ctx)
		return nil
	})},
	{name: "a panic is swallowed", breaks: "outcome", called: only(func(ctx context.Context, f func(context.Context) error) error {
		defer func() { _ = recover() }()
		return f(ctx)
	})},
	{name: "a goroutine is left", breaks: "left", called: only(func(ctx context.Context, f func(context.Context) error) error {
		go time.Sleep(time.Minute)
		return f(ctx)
	})},
	{name: "two handlers change places", breaks: "order", see: func(o *observation) {
		i := slices.IndexFunc(o.report.Steps, isHandler)
		if i < 0 || i+1 >= len(o.report.Steps) || !isHandler(o.report.Steps[i+1]) {
			return
		}
		a, b := &o.report.Steps[i], &o.report.Steps[i+1]
		a.Start, b.Start = b.Start, a.Start
	}},
	{name: "a task is told before a newer one has ended", breaks: "order", see: stepped(func(s *shutdown.Step) bool {
		if s.Kind != shutdown.KindTask || s.Start == 0 {
			return false
		}
		s.Start, s.Took = s.Start-1, s.Took+1
		return true
	})},
	{name: "a floor is ignored", breaks: "floor", see: beginning(func(e *shutdown.StepBegan) bool {
		setBudget(e, 24*ms)
		return e.Kind == shutdown.KindHandler
	})},
	{name: "a timeout is ignored", breaks: "timeout", see: beginning(func(e *shutdown.StepBegan) bool {
		setBudget(e, budget(*e)+10*s)
		return e.Kind == shutdown.KindHandler
	})},
	{name: "main takes from the minimums of handlers", breaks: "budget", see: beginning(func(e *shutdown.StepBegan) bool {
		setBudget(e, budget(*e)+100*ms)
		return e.Kind == shutdown.KindMain
	})},
	{name: "an event is dropped", breaks: "events", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.StepEnded); return ok })},
	{name: "a beginning is dropped", breaks: "events", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.StepBegan); return ok })},
	{name: "a progress line is dropped", breaks: "waiting", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.Waiting); return ok })},
	{name: "the second signal has no event", breaks: "signals", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.Forced); return ok })},
	{name: "the second signal has no effect", breaks: "signals", see: func(o *observation) { o.report.Forced = false }},
	{name: "the third signal has no effect", breaks: "signals", see: func(o *observation) { o.exits = nil }},
	{name: "the third signal has another code", breaks: "signals", see: func(o *observation) {
		for i := range o.exits {
			o.exits[i].code++
		}
	}},
	{name: "a step is not in the report", breaks: "once", see: func(o *observation) {
		if n := len(o.report.Steps); n > 0 {
			o.report.Steps = o.report.Steps[:n-1]
		}
	}},
	{name: "a step is twice in the report", breaks: "once", see: func(o *observation) {
		if n := len(o.report.Steps); n > 0 {
			o.report.Steps = append(o.report.Steps, o.report.Steps[n-1])
		}
	}},
	{name: "a late step is ok", breaks: "outcome", see: outcome(outcomeLate, outcomeOK)},
	{name: "an abandoned step has failed", breaks: "outcome", see: outcome(outcomeAbandoned, outcomeFailed)},
	{name: "a skipped step is ok", breaks: "outcome", see: outcome(outcomeSkipped, outcomeOK)},
	{name: "a step that panicked has failed", breaks: "outcome", see: outcome(outcomePanicked, outcomeFailed)},
	{name: "stacks are missing", breaks: "stuck", see: stepped(func(s *shutdown.Step) bool { had := s.Stack != ""; s.Stack = ""; return had })},
	{name: "restarts are missing", breaks: "restart", see: stepped(func(s *shutdown.Step) bool { had := s.Restarts > 0; s.Restarts = 0; return had })},
	{name: "a backoff ends late", breaks: "restart", see: stepped(func(s *shutdown.Step) bool {
		waited := s.Restarts > 0 && s.Took == 0
		s.Start += ifelse(waited, ms, 0)
		return waited
	})},
	{name: "a failure before the stop is missing", breaks: "once", see: func(o *observation) {
		o.report.Steps = slices.DeleteFunc(o.report.Steps, func(s shutdown.Step) bool { return s.Kind == shutdown.KindTask && s.Start < 0 })
	}},
	{name: "leaks are missing", breaks: "leak", see: func(o *observation) { o.report.Leaks = nil }},
	{name: "a leak is made up", breaks: "leak", see: func(o *observation) {
		if i := slices.IndexFunc(o.report.Steps, isHandler); i >= 0 {
			o.report.Leaks = append(o.report.Leaks, shutdown.Leak{Step: o.report.Steps[i].Name, Count: 1})
		}
	}},
	{name: "the exit code is 0 in spite of failures", breaks: "code", see: func(o *observation) {
		if o.code == 1 {
			o.code = 0
		}
	}},
	{name: "the exit code of a panic is 1", breaks: "code", see: func(o *observation) {
		if o.code == 2 {
			o.code = 1
		}
	}},
	{name: "the exit code given is lost", breaks: "code", see: func(o *observation) {
		if o.code > 2 && o.code < 128 {
			o.code = 1
		}
	}},
	{name: "the signal is not raised again", breaks: "code", see: func(o *observation) {
		if o.code > 128 {
			o.code = 0
		}
	}},
	{name: "the cause is another", breaks: "stop", see: func(o *observation) { o.report.Cause = errBoom }},
	{name: "the end is a millisecond late", breaks: "grace", see: func(o *observation) {
		if end := o.began + o.report.Grace; o.returned > end-ms {
			o.returned = end + ms
		}
	}},
	{name: "the delay is cut short", breaks: "delay", see: func(o *observation) {
		for i, e := range o.events {
			if _, ok := e.Event.(shutdown.DelayEnded); ok {
				o.events[i].at -= ms
			}
		}
	}},
	{name: "a context ends with another cause", breaks: "cause", see: func(o *observation) {
		for _, sn := range o.seen {
			if sn.ended != nil {
				sn.ended = &contextEnd{at: sn.ended.at, err: sn.ended.err, cause: context.Canceled}
			}
		}
	}},
	{name: "a step is abandoned a millisecond early", breaks: "abandoned", see: stepped(func(s *shutdown.Step) bool {
		s.Took -= ifelse(s.Outcome == outcomeAbandoned, ms, 0)
		return s.Outcome == outcomeAbandoned
	})},
	{name: "a task has no share of the budget of main", breaks: "share", see: beginning(func(e *shutdown.StepBegan) bool {
		setBudget(e, ms)
		return e.Kind == shutdown.KindTask
	})},
	{name: "a hold is refused", breaks: "refused", see: func(o *observation) {
		for _, sn := range o.seen {
			sn.refused = sn.refused || sn.kind == shutdown.KindHold
		}
	}},
	{name: "a task is told late", breaks: "group", see: func(o *observation) {
		for _, sn := range o.seen {
			sn.toldAt += ms
		}
	}},
	{name: "a step that obeys goes on after the second signal", breaks: "forced", see: func(o *observation) {
		at := slices.IndexFunc(o.events, func(n noted) bool { _, ok := n.Event.(shutdown.Forced); return ok })
		stepped(func(s *shutdown.Step) bool {
			hit := at >= 0 && o.began+s.Start < o.events[at].at && o.began+s.Start+s.Took == o.events[at].at
			s.Took += ifelse(hit, ms, 0)
			return hit
		})(o)
	}},
	{name: "the second signal leaves a step its budget", breaks: "forced", see: func(o *observation) {
		if o.report.Forced {
			stepped(func(s *shutdown.Step) bool {
				s.Took += ifelse(s.Outcome == outcomeAbandoned, o.report.Grace, 0)
				return s.Outcome == outcomeAbandoned
			})(o)
		}
	}},
	{name: "the group does not report a task", breaks: "group", see: func(o *observation) {
		for _, sn := range o.seen {
			if sn.kind == shutdown.KindMain {
				sn.err = nil
			}
		}
	}},
	{name: "a group returns nothing", breaks: "one place", see: func(o *observation) {
		for _, sn := range o.seen {
			sn.ranErr = nil
		}
	}},
	{name: "a report changes", breaks: "report", see: func(o *observation) {
		for _, l := range o.reports {
			if len(l.as.Steps) > 0 {
				l.as.Steps[0].Took++
			}
		}
	}},
	{name: "a report lacks the last step", breaks: "report", see: func(o *observation) {
		for _, l := range o.reports {
			if n := len(l.as.Steps); n > 0 {
				l.as.Steps = l.as.Steps[:n-1]
				*l.report = l.as
			}
		}
	}},
	{name: "Unregister takes nothing away", breaks: "unregister", see: func(o *observation) {
		for _, sn := range o.seen {
			for _, k := range sn.takings {
				k.won = false
			}
		}
	}},
	{name: "Resume says no", breaks: "resume", see: func(o *observation) {
		for i := range o.resumes {
			o.resumes[i].done = false
		}
	}},
	{name: "a Close returns no error", breaks: "close", see: func(o *observation) {
		for _, c := range o.closings {
			c.err = nil
		}
	}},
	{name: "a Close takes longer than its limit", breaks: "close", see: func(o *observation) {
		for _, c := range o.closings {
			c.limit -= ifelse(c.limit == c.end, ms, 0)
		}
	}},
	{name: "Task.Shutdown returns no error", breaks: "shut", see: func(o *observation) {
		for _, sn := range o.seen {
			for _, c := range sn.shuts {
				c.err = nil
			}
		}
	}},
	{name: "a step is said to be skipped", breaks: "skipped", see: stepped(func(s *shutdown.Step) bool {
		s.Outcome = outcomeSkipped
		return s.Kind == shutdown.KindHandler
	})},
	{name: "the report ends early", breaks: "took", see: func(o *observation) { o.report.Took-- }},
	{name: "a deadline is late", breaks: "deadline", see: func(o *observation) {
		for _, sn := range o.seen {
			sn.left += ms
		}
	}},
	{name: "t0 is late", breaks: "t0", see: func(o *observation) { o.began++ }},
	{name: "a step of an inner program is in the outer record", breaks: "steps", see: func(o *observation) {
		for _, in := range o.inners {
			o.report.Steps = append(o.report.Steps, in.report.Steps...)
		}
	}},
	{name: "a context belongs to no Coordinator", breaks: "calls", called: only(func(_ context.Context, f func(context.Context) error) error {
		return f(context.Background())
	})},
	{name: "a cause is nil", breaks: "named", new: true, see: everywhere(func(o *observation) {
		o.report.Cause = nil
		for i, n := range o.events {
			if e, ok := n.Event.(shutdown.StopRequested); ok {
				e.Cause = nil
				o.events[i].Event = e
			}
		}
	})},
	{name: "a task that ends after t0 stops its group", breaks: "alone", new: true, see: everywhere(func(o *observation) {
		for _, first := range o.seen {
			for _, sn := range o.seen {
				if first.ofMain() && sn.ofMain() && first.over && first.end > o.began && first.end < sn.toldAt {
					sn.toldAt = first.end
				}
			}
		}
	})},
	{name: "a second Close returns at once", breaks: "again", new: true, see: everywhere(func(o *observation) {
		ends := make(map[*closing]time.Duration)
		for _, c := range o.closings {
			ends[c] = c.end
		}
		for _, c := range o.closings {
			if slices.ContainsFunc(o.closings, func(f *closing) bool { return f.at < c.at && (!f.back || ends[f] > c.at) }) {
				c.end = c.at
			}
		}
	})},
	{name: "a Close that waits for its caller is not refused", breaks: "itself", new: true, see: everywhere(func(o *observation) {
		for _, c := range o.closings {
			c.err = ifelse(errors.Is(c.err, shutdown.ErrInProgress), nil, c.err)
		}
	})},
	{name: "a deadline changes", breaks: "constant", new: true, see: everywhere(func(o *observation) {
		for _, sn := range o.seen {
			sn.moved = true
		}
	})},
	{name: "a step that returns because of its deadline is in time", breaks: "tie", new: true, see: everywhere(func(o *observation) {
		for i, s := range o.report.Steps {
			o.report.Steps[i].Outcome = ifelse(s.Outcome == outcomeLate, outcomeOK, s.Outcome)
		}
	})},
	{name: "the limit of Task.Shutdown does not reach the group within", breaks: "nested", new: true, see: everywhere(func(o *observation) {
		for _, sn := range o.seen {
			sn.end += ifelse(sn.in != nil, time.Hour, 0)
		}
	})},
	{name: "there is a progress line each second", breaks: "times", new: true, see: everywhere(func(o *observation) {
		for i := range o.events {
			if w, ok := o.events[i].Event.(shutdown.Waiting); ok {
				w.Steps = slices.Clone(w.Steps)
				for k := range w.Steps {
					w.Steps[k].Elapsed = 3 * s
				}
				o.events = slices.Insert(o.events, i, noted{at: o.events[i].at + 3*s, Event: w})
				return
			}
		}
	})},
	{name: "a Coordinator in between hides the outer one", breaks: "descent", new: true, see: everywhere(func(o *observation) {
		for _, d := range o.descents {
			d.err = nil
		}
	})},
	{name: "an abandoned task counts as excused", breaks: "hidden", new: true, see: everywhere(func(o *observation) {
		for i, s := range o.report.Steps {
			o.report.Steps[i].Outcome = ifelse(s.Outcome == outcomeFailed, outcomeOK, s.Outcome)
		}
	})},
	{name: "a polite error is a failure", breaks: "polite", new: true, see: everywhere(func(o *observation) {
		for i, s := range o.report.Steps {
			o.report.Steps[i].Outcome = ifelse(s.Outcome == outcomeOK, outcomeFailed, s.Outcome)
		}
	})},
}

// everywhere also changes the observations of inner programs.
func everywhere(f func(*observation)) func(*observation) {
	var all func(*observation)
	all = func(o *observation) {
		f(o)
		for _, in := range o.inners {
			all(in)
		}
	}
	return all
}

func isHandler(s shutdown.Step) bool { return s.Kind == shutdown.KindHandler }

// only changes the call of one handler: the one whose name ends in 5, so that it is always the same.
func only(f func(context.Context, func(context.Context) error) error) func(*seen, func(context.Context) error) func(context.Context) error {
	return func(sn *seen, called func(context.Context) error) func(context.Context) error {
		if sn.kind != shutdown.KindHandler || sn.Name[len(sn.Name)-1] != '5' {
			return called
		}
		return func(ctx context.Context) error { return f(ctx, called) }
	}
}

// stepped changes the first step for which f is true.
func stepped(f func(*shutdown.Step) bool) func(*observation) {
	return func(o *observation) {
		for i := range o.report.Steps {
			if f(&o.report.Steps[i]) {
				return
			}
		}
	}
}

func outcome(from, to shutdown.Outcome) func(*observation) {
	return stepped(func(s *shutdown.Step) bool {
		if s.Outcome != from {
			return false
		}
		s.Outcome = to
		return true
	})
}

// beginning changes the first StepBegan for which f is true.
func beginning(f func(*shutdown.StepBegan) bool) func(*observation) {
	return func(o *observation) {
		for i := range o.events {
			if e, ok := o.events[i].Event.(shutdown.StepBegan); ok && f(&e) {
				o.events[i].Event = e
				return
			}
		}
	}
}

// dropped drops the first event for which f is true.
func dropped(f func(shutdown.Event) bool) func(*observation) {
	return func(o *observation) {
		if i := slices.IndexFunc(o.events, func(n noted) bool { return f(n.Event) }); i >= 0 {
			o.events = slices.Delete(o.events, i, i+1)
		}
	}
}

// broken returns the first finding about a guarantee.
func broken(findings []string, guarantee string) string {
	for _, f := range findings {
		if strings.HasPrefix(f, guarantee+": ") {
			return f
		}
	}
	return ""
}

// This test shows that the model finds faults. If the core does not give a guarantee yet, the core
// itself is the fault.
func TestFaultsAreFound(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			for seed := range uint64(maxSeeds) {
				o := play(t, random(seed), &f)
				if f.see != nil && (newCore || !f.new) {
					f.see(o)
				}
				if found := broken(judgeBy(o, newCore || f.new), f.breaks); found != "" {
					what, _, _ := strings.Cut(found, "\n")
					t.Logf("found after %d programs: %s", seed+1, what)
					return
				}
			}
			t.Errorf("not found in %d programs", maxSeeds)
		})
	}
}

// Each new guarantee has a fault.
func TestNewGuaranteesHaveFaults(t *testing.T) {
	for name := range newGuarantees {
		if !slices.ContainsFunc(faults, func(f fault) bool { return f.new && f.breaks == name }) {
			t.Errorf("there is no fault that breaks %q", name)
		}
	}
}
