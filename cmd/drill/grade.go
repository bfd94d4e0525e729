package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxLag is the longest time from the last answer to the exit that is not graded down. It allows one
// second for idle connections, whose clients may be about to use them, and one second for
// the program's own cleanup.
const maxLag = 2 * time.Second

// A Legend says what a grade means.
type Legend struct{ Grade, Means string }

// legend has the worst grade last.
var legend = []Legend{
	{"A", "nothing was lost, and no time was wasted"},
	{"B", "nothing was lost, but the stop took too long, or clients were turned away in a rolling restart"},
	{"C", "requests were lost"},
	{"D", "requests were executed and their answers lost: a client that tries again has them executed twice"},
	{"F", "a server had to be killed, or its exit status is that of a failure"},
}

// grade checks everything that legend has. All reasons that apply are listed.
func (r *Result) grade() {
	r.Grade, r.Reasons = "A", []string{}
	add := func(grade, reason string, args ...any) {
		r.Grade = max(r.Grade, grade)
		r.Reasons = append(r.Reasons, fmt.Sprintf(reason, args...))
	}
	for _, st := range r.Stops {
		switch {
		case st.Killed:
			add("F", "%s did not end on %v and was killed after %v", st.Instance, st.With, round((st.Exit - st.Signal).duration()))
		case !st.Good:
			add("F", "%s ended with %s", st.Instance, st.Status)
		}
	}
	if r.Executed != nil && *r.Executed > 0 {
		add("D", "%s executed, but the answer was lost", were(*r.Executed))
	}
	if r.Lost > 0 {
		add("C", "%s lost: %s", were(r.Lost), kindsText(r.Kinds))
	}
	for _, st := range r.Stops {
		if !st.Killed && st.Lag.duration() > maxLag {
			add("B", "%s ended %v after there was nothing more to serve", st.Instance, round(st.Lag.duration()))
		}
	}
	if r.Mode == rolling && r.TurnedAway > 0 {
		add("B", "%d connections were refused and went to the other server: it closes its listener before the readiness check notices", r.TurnedAway)
	}
	if len(r.Reasons) == 0 {
		r.Reasons = append(r.Reasons, legend[0].Means)
	}
}

func were(n int) string {
	if n == 1 {
		return "1 request was"
	}
	return fmt.Sprintf("%d requests were", n)
}

// passed reports whether no more than some requests were lost and every process ended by itself and
// with success.
func (r *Result) passed(maxLost int) bool { return r.Grade < "F" && r.Lost <= maxLost }

// kindsText names the kinds, the most frequent first.
func kindsText(kinds map[string]int) string {
	var texts []string
	for _, k := range byCount(kinds) {
		texts = append(texts, fmt.Sprintf("%d %s", kinds[k], k))
	}
	return strings.Join(texts, ", ")
}

func byCount(counts map[string]int) []string {
	var names []string
	for k := range counts {
		names = append(names, k)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	return names
}
