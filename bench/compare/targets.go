package main

import (
	"fmt"
	"math"

	"golang.org/x/perf/benchmath"
)

// A target is a limit that the design sets.
type target struct {
	what, want, measured string
	holds                answer
}

// An answer says whether a target holds.
type answer int

const (
	no answer = iota
	unclear
	yes
)

func (a answer) String() string { return [...]string{"**no**", "~", "yes"}[a] }

// atMost compares the limit with the 95 % interval of the median. If the limit lies inside, the
// measurements are too noisy for an answer.
func atMost(limit float64, s benchmath.Summary) answer {
	switch {
	case s.Hi <= limit:
		return yes
	case s.Lo > limit:
		return no
	}
	return unclear
}

func atLeast(limit float64, s benchmath.Summary) answer {
	return atMost(-limit, benchmath.Summary{Lo: -s.Hi, Hi: -s.Lo})
}

// exactly is the answer for a value without noise.
func exactly(holds bool) answer {
	if holds {
		return yes
	}
	return no
}

// interval formats a median with its interval.
func interval(s benchmath.Summary, unit func(float64) string) string {
	if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) {
		return unit(s.Center)
	}
	return fmt.Sprintf("%s (%s to %s)", unit(s.Center), unit(s.Lo), unit(s.Hi))
}

// targets is the table of targets, with the answers of this run.
func (r *report) targets() string {
	rows := [][]string{{"", "target", "measured", "holds"}}
	for _, t := range r.all() {
		rows = append(rows, []string{t.what, t.want, t.measured, t.holds.String()})
	}
	return table(rows)
}

func (r *report) all() (targets []target) {
	// ratio adds a target for the cost of lastcall as a multiple of the cost of base.
	ratio := func(what string, of *results, base string, n int, m measure, limit float64) {
		s := middle(quotients(of.of(lastcall, n, m), of.of(base, n, m)))
		want := fmt.Sprintf("at most %s %s", times(limit), base)
		targets = append(targets, target{what, want, interval(s, times), atMost(limit, s)})
	}
	none := func(what string, m measure, limit float64) {
		v := median(r.handlers.of(lastcall, many, m))
		targets = append(targets, target{what, "at most " + digits(limit), digits(v), exactly(v < limit+0.01)})
	}
	ratio("a server with 10 handlers, SIGTERM to exit", r.exits, byHand, exitHandlers, exitTime, 1.2)
	ratio("1 handler, registered and drained", r.handlers, fxtestName, 1, wholeTime, 1)
	ratio("10 handlers, registered and drained", r.handlers, fxtestName, 10, wholeTime, 1)
	ratio("100 handlers, registered and drained", r.handlers, fxtestName, 100, wholeTime, 1)
	ratio("100 000 handlers, drained", r.handlers, leastName, many, drainTime, 2)
	faster := middle(quotients(r.handlers.of(fxtestName, many, drainTime), r.handlers.of(lastcall, many, drainTime)))
	targets = append(targets, target{"the same", "at least 8 times faster than " + fxtestName, interval(faster, digits), atLeast(8, faster)})
	none("the same, allocations for each", drainAllocs, 0)
	ratio("100 000 handlers, registered", r.handlers, leastName, many, registerTime, 1.7)
	none("the same, allocations for each", registerAllocs, 1)
	ratio("100 tasks, start to stopped", r.tasks, leastInOrder, 100, runTime, 1.3)
	ratio("signal to Done", r.signal, notifyContext, 1, doneTime, 1.1)
	more := r.more(drained)
	targets = append(targets, target{"a request through httpdrain, on a socket", "at most 100 ns more than " + netHTTP, interval(more, nanoseconds) + " more", atMost(100, more)})
	return append(targets, r.stuck()...)
}

// more returns the extra time of a request, compared with net/http alone.
func (r *report) more(name string) benchmath.Summary {
	return middle(differences(r.request.of(name, 1, requestTime), r.request.of(netHTTP, 1, requestTime)))
}

// many is the number of handlers in the targets for large programs.
const many = 100_000

// stuck returns the target for the exit with a stuck handler.
func (r *report) stuck() (targets []target) {
	for _, t := range r.handlerTrials {
		if o := t.outcomes[lastcall]; t.name == "stuck" && o != nil {
			const most = 0.05
			targets = append(targets, target{
				"exit with a stuck handler", "at most 50 ms after Grace",
				fmt.Sprintf("%s, of a Grace of %s", seconds(o.Took), seconds(bound)),
				exactly(!o.Killed && o.Took.Seconds() <= bound.Seconds()+most),
			})
		}
	}
	return targets
}
