package campaign

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A fault is something that goes wrong: with how a step is called, or with what comes of
// the program.
type fault struct {
	name   string
	called func(*seen, func(context.Context) error) func(context.Context) error
	see    func(*observation)
}

// maxSeeds is how many programs a fault may stay hidden in.
const maxSeeds = 10_000

var faults = []fault{
	{name: "a handler is skipped", called: only(func(ctx context.Context, f func(context.Context) error) error { return nil })},
	{name: "a handler is called twice", called: only(func(ctx context.Context, f func(context.Context) error) error {
		_ = f(ctx)
		return f(ctx)
	})},
	{name: "a handler is called late", called: only(func(ctx context.Context, f func(context.Context) error) error {
		time.Sleep(ms)
		return f(ctx)
	})},
	{name: "a context has ended at the start", called: only(func(ctx context.Context, f func(context.Context) error) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return f(ctx)
	})},
	{name: "a context never ends", called: only(func(ctx context.Context, f func(context.Context) error) error {
		return f(context.WithoutCancel(ctx))
	})},
	{name: "an error is swallowed", called: only(func(ctx context.Context, f func(context.Context) error) error {
		_ = f(ctx)
		return nil
	})},
	{name: "a panic is swallowed", called: only(func(ctx context.Context, f func(context.Context) error) error {
		defer func() { _ = recover() }()
		return f(ctx)
	})},
	{name: "a goroutine is left", called: only(func(ctx context.Context, f func(context.Context) error) error {
		go time.Sleep(time.Minute)
		return f(ctx)
	})},
	{name: "two handlers change places", see: func(o *observation) {
		i := slices.IndexFunc(o.report.Steps, isHandler)
		if i < 0 || i+1 >= len(o.report.Steps) || !isHandler(o.report.Steps[i+1]) {
			return
		}
		a, b := &o.report.Steps[i], &o.report.Steps[i+1]
		a.Start, b.Start = b.Start, a.Start
	}},
	{name: "a task is told before a newer one has ended", see: stepped(func(s *shutdown.Step) bool {
		if s.Kind != shutdown.KindTask || s.Start == 0 {
			return false
		}
		s.Start, s.Took = s.Start-1, s.Took+1
		return true
	})},
	{name: "a floor is ignored", see: beginning(func(e *shutdown.StepBegan) bool {
		e.Allowance = 24 * ms
		return e.Kind == shutdown.KindHandler
	})},
	{name: "a timeout is ignored", see: beginning(func(e *shutdown.StepBegan) bool {
		e.Allowance += 10 * s
		return e.Kind == shutdown.KindHandler
	})},
	{name: "main takes of what handlers are promised", see: beginning(func(e *shutdown.StepBegan) bool {
		e.Allowance += 100 * ms
		return e.Kind == shutdown.KindMain
	})},
	{name: "an event is dropped", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.StepEnded); return ok })},
	{name: "a beginning is dropped", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.StepBegan); return ok })},
	{name: "a progress line is dropped", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.Waiting); return ok })},
	{name: "the second signal is not told of", see: dropped(func(e shutdown.Event) bool { _, ok := e.(shutdown.Forced); return ok })},
	{name: "the second signal has no effect", see: func(o *observation) { o.report.Forced = false }},
	{name: "the third signal has no effect", see: func(o *observation) { o.exits = nil }},
	{name: "the third signal has another code", see: func(o *observation) {
		for i := range o.exits {
			o.exits[i].code++
		}
	}},
	{name: "a step is not in the report", see: func(o *observation) {
		if n := len(o.report.Steps); n > 0 {
			o.report.Steps = o.report.Steps[:n-1]
		}
	}},
	{name: "a step is twice in the report", see: func(o *observation) {
		if n := len(o.report.Steps); n > 0 {
			o.report.Steps = append(o.report.Steps, o.report.Steps[n-1])
		}
	}},
	{name: "what is late is ok", see: outcome(shutdown.Late, shutdown.OK)},
	{name: "what was abandoned has failed", see: outcome(shutdown.Abandoned, shutdown.Failed)},
	{name: "what was skipped is ok", see: outcome(shutdown.Skipped, shutdown.OK)},
	{name: "what panicked has failed", see: outcome(shutdown.Panicked, shutdown.Failed)},
	{name: "stacks are missing", see: stepped(func(s *shutdown.Step) bool { had := s.Stack != ""; s.Stack = ""; return had })},
	{name: "leaks are missing", see: func(o *observation) { o.report.Leaks = nil }},
	{name: "the exit code is 0 in spite of failures", see: func(o *observation) {
		if o.code == 1 {
			o.code = 0
		}
	}},
	{name: "the exit code of a panic is 1", see: func(o *observation) {
		if o.code == 2 {
			o.code = 1
		}
	}},
	{name: "the exit code given is lost", see: func(o *observation) {
		if o.code > 2 && o.code < 128 {
			o.code = 1
		}
	}},
	{name: "the signal is not raised again", see: func(o *observation) {
		if o.code > 128 {
			o.code = 0
		}
	}},
	{name: "the cause is another", see: func(o *observation) { o.report.Cause = errBoom }},
	{name: "the end is a millisecond late", see: func(o *observation) {
		if end := o.began + o.report.Grace; o.returned > end-ms {
			o.returned = end + ms
		}
	}},
	{name: "the delay is cut short", see: func(o *observation) {
		for i, e := range o.events {
			if _, ok := e.Event.(shutdown.DelayEnded); ok {
				o.events[i].at -= ms
			}
		}
	}},
	{name: "t0 is late", see: func(o *observation) { o.began++ }},
}

func isHandler(s shutdown.Step) bool { return s.Kind == shutdown.KindHandler }

// only has one handler called otherwise: the one whose name ends in 5, so that it is the
// same each time.
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

// A model that finds nothing wrong with what is wrong is worth nothing.
func TestFaultsAreFound(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			for seed := range uint64(maxSeeds) {
				o := play(t, random(seed), &f)
				if f.see != nil {
					f.see(o)
				}
				if findings := judge(o); len(findings) > 0 {
					what, _, _ := strings.Cut(findings[0], "\n")
					t.Logf("found after %d programs: %s", seed+1, what)
					return
				}
			}
			t.Errorf("not found in %d programs", maxSeeds)
		})
	}
}
