package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// fake is a report in which all targets hold. Each value was measured six times, which is enough
// for an interval.
func fake() *report {
	one := func(c contest, costs map[key]cost) *results {
		r := &results{c, make(map[key][]cost)}
		for k, v := range costs {
			for range 6 {
				r.costs[k] = append(r.costs[k], maps.Clone(v))
			}
		}
		return r
	}
	handlers := map[key]cost{
		{lastcall, many}:   {registerTime: 170, registerAllocs: 1, drainTime: 200, drainAllocs: 0},
		{fxtestName, many}: {registerTime: 5000, drainTime: 1600},
		{leastName, many}:  {registerTime: 100, drainTime: 100},
		{bareSlice, many}:  {registerTime: 20, drainTime: 2},
	}
	for _, n := range []int{1, 10, 100} {
		handlers[key{lastcall, n}], handlers[key{fxtestName, n}] = cost{wholeTime: 3300}, cost{wholeTime: 3300}
	}
	r := &report{
		exits:    one(contest{title: "a process", names: []string{lastcall, byHand, fxName}, sizes: []size{{exitHandlers, 6}}}, map[key]cost{{lastcall, exitHandlers}: {exitTime: 1200}, {byHand, exitHandlers}: {exitTime: 1000}}),
		handlers: one(handlerContest([]size{{1, 6}, {10, 6}, {100, 6}, {many, 6}}), handlers),
		tasks: one(taskContest([]size{{100, 6}}), map[key]cost{
			{lastcall, 100}: {runTime: 13}, {concurrent, 100}: {runTime: 15}, {leastInOrder, 100}: {runTime: 10}, {oklogInOrder, 100}: {runTime: 9},
		}),
		signal:  one(contest{names: []string{lastcall, notifyContext}, sizes: []size{{1, 6}}}, map[key]cost{{lastcall, 1}: {doneTime: 11}, {notifyContext, 1}: {doneTime: 10}}),
		request: one(requestContest(6), map[key]cost{{drained, 1}: {requestTime: 5100, requestAllocs: 12.05}, {netHTTP, 1}: {requestTime: 5000, requestAllocs: 12}, {again, 1}: {requestTime: 5000, requestAllocs: 12}}),
		lag:     one(lagContest(1), nil),
		scans:   one(scanContest([]size{{10, 1}}), map[key]cost{{byLabel, 10}: {scanTime: 583_000}, {byState, 10}: {scanTime: 77_000}}),
	}
	for kind, faults := range map[string][]fault{handlersChild: handlerFaults, tasksChild: taskFaults} {
		for _, f := range faults {
			t := &trial{f, []string{lastcall, fxName}, map[string]*outcome{
				lastcall: {Ended: []string{newest, oldest}, Asked: true, Took: time.Second, Status: "exit status 1", Failure: true, Named: true},
				fxName:   {Ended: []string{newest}, Asked: true, Took: 2 * time.Second, Status: "exit status 1", Failure: true},
			}}
			if kind == handlersChild {
				r.handlerTrials = append(r.handlerTrials, t)
			} else {
				r.taskTrials = append(r.taskTrials, t)
			}
		}
	}
	return r
}

func TestTargetsHold(t *testing.T) {
	targets := fake().all()
	if len(targets) != 13 {
		t.Errorf("%d targets, want 13", len(targets))
	}
	for _, got := range targets {
		if got.holds != yes {
			t.Errorf("%s does not hold: %s", got.what, got.measured)
		}
	}
}

func TestEachTargetIsMissed(t *testing.T) {
	set := func(r *results, name string, n int, m measure, v float64) {
		for _, c := range r.costs[key{name, n}] {
			c[m] = v
		}
	}
	for _, test := range []struct {
		what  string
		worse func(*report)
	}{
		{"a server with 10 handlers, SIGTERM to exit", func(r *report) { set(r.exits, byHand, exitHandlers, exitTime, 990) }},
		{"1 handler, registered and drained", func(r *report) { set(r.handlers, lastcall, 1, wholeTime, 3301) }},
		{"10 handlers, registered and drained", func(r *report) { set(r.handlers, fxtestName, 10, wholeTime, 3299) }},
		{"100 handlers, registered and drained", func(r *report) { set(r.handlers, lastcall, 100, wholeTime, 3301) }},
		{"100 000 handlers, drained", func(r *report) { set(r.handlers, leastName, many, drainTime, 99) }},
		{"the same", func(r *report) { set(r.handlers, fxtestName, many, drainTime, 1599) }},
		{"the same, allocations for each", func(r *report) { set(r.handlers, lastcall, many, drainAllocs, 1) }},
		{"100 000 handlers, registered", func(r *report) { set(r.handlers, lastcall, many, registerTime, 171) }},
		{"the same, allocations for each", func(r *report) { set(r.handlers, lastcall, many, registerAllocs, 2) }},
		{"100 tasks, start to stopped", func(r *report) { set(r.tasks, leastInOrder, 100, runTime, 9.9) }},
		{"signal to Done", func(r *report) { set(r.signal, lastcall, 1, doneTime, 12) }},
		{"a request through httpdrain, on a socket", func(r *report) { set(r.request, drained, 1, requestTime, 5101) }},
		{"exit with a stuck handler", func(r *report) {
			for _, trial := range r.handlerTrials {
				trial.outcomes[lastcall].Took += 60 * time.Millisecond
			}
		}},
	} {
		r := fake()
		test.worse(r)
		var missed []string
		for _, got := range r.all() {
			if got.holds != yes {
				missed = append(missed, got.what)
			}
			if got.holds == unclear {
				t.Errorf("%s is unclear: %s", got.what, got.measured)
			}
		}
		if !slices.Equal(missed, []string{test.what}) {
			t.Errorf("missed %q, want %q", missed, test.what)
		}
	}
}

func TestNoiseForbidsAnAnswer(t *testing.T) {
	for _, test := range []struct {
		values  []float64
		atMost2 answer
		atLeast answer
		shown   string
	}{
		{[]float64{1, 1.1, 1.2, 1.3, 1.4, 1.5}, yes, no, "1.25× (1× to 1.5×)"},
		{[]float64{3, 3.1, 3.2, 3.3, 3.4, 3.5}, no, yes, "3.25× (3× to 3.5×)"},
		{[]float64{1, 1, 1, 3, 3, 3}, unclear, unclear, "2× (1× to 3×)"},
		{[]float64{1, 1, 1}, unclear, unclear, "1×"}, // three values have no interval
		{nil, unclear, unclear, "–"},
	} {
		s := middle(test.values)
		if got := atMost(2, s); got != test.atMost2 {
			t.Errorf("%v at most 2: %v, want %v", test.values, got, test.atMost2)
		}
		if got := atLeast(2, s); got != test.atLeast {
			t.Errorf("%v at least 2: %v, want %v", test.values, got, test.atLeast)
		}
		if got := interval(s, times); got != test.shown {
			t.Errorf("%v is shown as %s, want %s", test.values, got, test.shown)
		}
	}
}

func TestMarkdown(t *testing.T) {
	got := fake().markdown()
	for _, want := range []string{
		"| a server with 10 handlers, SIGTERM to exit ", "1.2× (1.2× to 1.2×)", "100 ns (100 ns to 100 ns) more", "![to run a handler](drain.svg)",
		"583 µs", "77 µs", "signal.NotifyContext and Shutdown 0.83×",
		"bare slice 0.12×", "**1 of 2**: listener", "− others, named, sooner", "### A task is deaf",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "NaN") || strings.Contains(got, "%!") {
		t.Errorf("a figure is missing in\n%s", got)
	}
	for _, line := range strings.Split(got, "\n") {
		if strings.HasSuffix(line, " ") {
			t.Errorf("%q ends with a space", line)
		}
	}
}
