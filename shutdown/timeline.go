package shutdown

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// String is the timeline: a line that says what happened, then one for each step, with
// when it began, how long it took, and how it ended.
func (r *Report) String() string {
	var b strings.Builder
	b.WriteString(r.headline())
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range r.Steps {
		fmt.Fprintf(w, "  %8s\t%8s\t%v\t%s\t%v\t%s\n",
			sign(s.Start)+short(s.Start), short(s.Took), s.Kind, s.Name, s.Outcome, s.remark())
	}
	_ = w.Flush() // to a strings.Builder
	out := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for i := range out {
		out[i] = strings.TrimRight(out[i], " ")
	}
	for _, l := range r.Leaks {
		out = append(out, fmt.Sprintf("  left behind by %s: %s", l.Step, plural(l.Count, "goroutine")))
	}
	return strings.Join(out, "\n")
}

func (r *Report) headline() string {
	what := "stopped"
	if !r.clean() {
		what = "stopped with failures"
	}
	return fmt.Sprintf("%s in %s of %s: %s\n", what, short(r.Took), short(r.Grace), r.why())
}

func (r *Report) why() string {
	why := "main returned"
	switch {
	case r.Cause != nil:
		why = firstLine(errorText(r.Cause))
	case r.mainStopped():
		why = "asked to"
	}
	if r.Forced {
		why += ", forced by a second signal"
	}
	return why
}

// mainStopped reports whether main was asked to stop, which it was not if its step
// began with the stop and took no time.
func (r *Report) mainStopped() bool {
	for _, s := range r.Steps {
		if s.Kind == KindMain {
			return s.Start > 0 || s.Took > 0
		}
	}
	return true
}

// remark is what there is to say of a step: what it says itself, and why it did not end
// well.
func (s Step) remark() string {
	switch {
	case s.Outcome == OK || s.Err == nil:
		return firstLine(s.Status)
	case s.Status != "":
		return firstLine(s.Status) + "; " + s.fault()
	}
	return s.fault()
}

func (s Step) fault() string {
	remark := firstLine(errorText(s.Err))
	if state := s.waitState(); state != "" {
		remark += ", in " + state
	}
	if s.Site != "" {
		remark += " (" + s.Site + ")"
	}
	return remark
}

// waitState is what the first goroutine of a stuck step waits for: the part of its stack
// in brackets.
func (s Step) waitState() string {
	head, _, _ := strings.Cut(s.Stack, "\n")
	_, state, _ := strings.Cut(head, "[")
	state, _, ok := strings.Cut(state, "]:")
	if !ok || s.Outcome == Panicked {
		return ""
	}
	return state
}

func firstLine(s string) string {
	line, rest, more := strings.Cut(s, "\n")
	if more {
		line += fmt.Sprintf(" (and %s more)", plural(strings.Count(rest, "\n")+1, "line"))
	}
	return line
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sign is that of a step which began before the stop or, most often, after it.
func sign(d time.Duration) string {
	if d < 0 {
		return ""
	}
	return "+"
}

// short is d with about three digits.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + short(-d)
	case d == 0:
		return "0s"
	case d >= time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%dµs", d.Microseconds())
}
