package main

import "fmt"

// A target is what the design asks for.
type target struct {
	what, want, measured string
	holds                bool
}

// targets says which hold, in this run.
func (r *report) targets() string {
	rows := [][]string{{"", "target", "measured", "holds"}}
	for _, t := range r.all() {
		rows = append(rows, []string{t.what, t.want, t.measured, yesNo(t.holds)})
	}
	return table(rows)
}

func (r *report) all() []target {
	const many = 100_000
	h, t := r.handlers, r.tasks
	register, registerAllocs := median(h.of(lastcall, many, registerTime)), median(h.of(lastcall, many, registerAllocs))
	drain, drainAllocs := median(h.of(lastcall, many, drainTime)), median(h.of(lastcall, many, drainAllocs))
	fx := h.ratio(fxtestName, lastcall, many, drainTime)
	own, ordered := t.ratio(concurrent, oklogName, 100, runTime), t.ratio(lastcall, oklogInOrder, 100, runTime)
	done := r.signal.ratio(lastcall, notifyContext, 1, doneTime)
	request := middle(differences(r.request.of(drained, 1, requestTime), r.request.of(netHTTP, 1, requestTime)))
	allocs := median(r.request.of(drained, 1, requestAllocs)) - median(r.request.of(netHTTP, 1, requestAllocs))
	targets := []target{
		{"register a handler", "at most 250 ns, 1 allocation", nanoseconds(register) + ", " + digits(registerAllocs), register <= 250 && registerAllocs < 1.01},
		{"run one of 100 000 empty handlers", "at most 100 ns, 0 allocations", nanoseconds(drain) + ", " + digits(drainAllocs), drain <= 100 && drainAllocs < 0.01},
		{"the same, beside fxtest.Lifecycle", "at least 15 times faster", digits(fx) + " times", fx >= 15},
		{"100 tasks, start to stopped, all told at once", "at most 1.5 times oklog/run", times(own), own <= 1.5},
		{"100 tasks, one after the other", "at most 1.5 times oklog/run in order", times(ordered), ordered <= 1.5},
		{"signal to Done", "at most 1.1 times signal.NotifyContext", times(done), done <= 1.1},
		{"a request through httpdrain", "at most 50 ns more than net/http, no allocation", fmt.Sprintf("%s to %s more, %s allocations more", nanoseconds(request.Lo), nanoseconds(request.Hi), digits(allocs)), request.Center <= 50 && allocs < 0.1},
	}
	return append(targets, r.stuck()...)
}

// stuck is the exit with a stuck handler.
func (r *report) stuck() (targets []target) {
	for _, t := range r.handlerTrials {
		if o := t.outcomes[lastcall]; t.name == "stuck" && o != nil {
			const most = 0.05
			targets = append(targets, target{
				"exit with a stuck handler", "at Grace, and 50 ms at most",
				fmt.Sprintf("%s, of a Grace of %s", seconds(o.Took), seconds(bound)),
				!o.Killed && o.Took.Seconds() <= bound.Seconds()+most,
			})
		}
	}
	return targets
}
