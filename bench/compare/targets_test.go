package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// fake is a report with figures of which all targets hold.
func fake() *report {
	one := func(c contest, costs map[key]cost) *results {
		r := &results{c, make(map[key][]cost)}
		for k, v := range costs {
			r.costs[k] = []cost{v}
		}
		return r
	}
	r := &report{
		handlers: one(handlerContest([]size{{100_000, 1}}), map[key]cost{
			{lastcall, 100_000}:   {registerTime: 250, registerAllocs: 1, drainTime: 100, drainAllocs: 0},
			{fxtestName, 100_000}: {registerTime: 5000, drainTime: 1500},
			{bareSlice, 100_000}:  {registerTime: 20, drainTime: 2},
		}),
		tasks: one(taskContest([]size{{100, 1}}), map[key]cost{
			{lastcall, 100}: {runTime: 15}, {concurrent, 100}: {runTime: 15}, {oklogName, 100}: {runTime: 10}, {oklogInOrder, 100}: {runTime: 10},
		}),
		signal:  one(contest{names: []string{lastcall, notifyContext}, sizes: []size{{1, 1}}}, map[key]cost{{lastcall, 1}: {doneTime: 11}, {notifyContext, 1}: {doneTime: 10}}),
		request: one(requestContest(1), map[key]cost{{drained, 1}: {requestTime: 5050, requestAllocs: 12.05}, {netHTTP, 1}: {requestTime: 5000, requestAllocs: 12}}),
		lag:     one(lagContest(1), nil),
		looks:   one(lookContest([]size{{10, 1}}), map[key]cost{{byLabel, 10}: {lookTime: 583_000}, {byState, 10}: {lookTime: 77_000}}),
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

// What a few handlers cost is from the run, as all figures.
func TestTheLooksAreMeasured(t *testing.T) {
	r := fake()
	r.handlers.costs[key{lastcall, 1}] = []cost{{drainTime: 471_000}}
	text := r.markdown()
	for _, want := range []string{"471 µs in all", "583 µs", "77 µs"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestTargetsHold(t *testing.T) {
	for _, got := range fake().all() {
		if !got.holds {
			t.Errorf("%s does not hold: %s", got.what, got.measured)
		}
	}
}

func TestEachTargetIsMissed(t *testing.T) {
	for _, test := range []struct {
		what  string
		worse func(*report)
	}{
		{"register a handler", func(r *report) { r.handlers.costs[key{lastcall, 100_000}][0][registerTime] = 251 }},
		{"register a handler", func(r *report) { r.handlers.costs[key{lastcall, 100_000}][0][registerAllocs] = 2 }},
		{"run one of 100 000 empty handlers", func(r *report) { r.handlers.costs[key{lastcall, 100_000}][0][drainAllocs] = 1 }},
		{"the same, beside fxtest.Lifecycle", func(r *report) { r.handlers.costs[key{fxtestName, 100_000}][0][drainTime] = 1400 }},
		{"100 tasks, start to stopped, all told at once", func(r *report) { r.tasks.costs[key{oklogName, 100}][0][runTime] = 9 }},
		{"100 tasks, one after the other", func(r *report) { r.tasks.costs[key{oklogInOrder, 100}][0][runTime] = 9 }},
		{"signal to Done", func(r *report) { r.signal.costs[key{lastcall, 1}][0][doneTime] = 12 }},
		{"a request through httpdrain", func(r *report) { r.request.costs[key{drained, 1}][0][requestTime] = 5100 }},
		{"a request through httpdrain", func(r *report) { r.request.costs[key{drained, 1}][0][requestAllocs] = 13 }},
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
			if !got.holds {
				missed = append(missed, got.what)
			}
		}
		if !slices.Equal(missed, []string{test.what}) {
			t.Errorf("missed %q, want %q", missed, test.what)
		}
	}
}

func TestMarkdown(t *testing.T) {
	got := fake().markdown()
	for _, want := range []string{
		"| register a handler ", "250 ns, 1", "50 ns more", "![to run a handler](drain.svg)",
		"bare slice 0.08×", "**1 of 2**: listener", "− others, named, sooner", "### A task is deaf",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "NaN") || strings.Contains(got, "%!") {
		t.Errorf("a figure is none in\n%s", got)
	}
	for _, line := range strings.Split(got, "\n") {
		if strings.HasSuffix(line, " ") {
			t.Errorf("%q ends with a space", line)
		}
	}
}
