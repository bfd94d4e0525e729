package shutdown

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// String returns the report as text: a line with the result, then a line for each step, with when it
// began, how long it took, and how it ended.
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
	if r.MoreFailures > 0 {
		out = append(out, fmt.Sprintf("  %s before the stop", plural(r.MoreFailures, "more failure")))
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
	what = fmt.Sprintf("%s in %s of %s", what, short(r.Took), short(r.Grace))
	if r.Cause != nil {
		what += ": " + firstLine(tree.Text(r.Cause))
	}
	if r.Forced {
		what += ", after a second signal"
	}
	return what + "\n"
}

// remark returns what the step waits for, its status, and its error.
func (s Step) remark() string {
	var parts []string
	if s.WaitsFor != "" {
		parts = append(parts, "waits for "+s.WaitsFor)
	}
	if s.Status != "" {
		parts = append(parts, firstLine(s.Status))
	}
	if s.Restarts > 0 {
		parts = append(parts, fmt.Sprintf("%s, last after: %s", plural(s.Restarts, "restart"), firstLine(tree.Text(s.LastErr))))
	}
	if s.Err != nil {
		parts = append(parts, firstLine(tree.Text(s.Err)))
	}
	remark := strings.Join(parts, "; ")
	if s.Outcome != OutcomeOK && s.Site != "" {
		remark += " (" + s.Site + ")"
	}
	return remark
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

// sign returns "+" for a time after t0; a negative duration has a sign already.
func sign(d time.Duration) string {
	if d < 0 {
		return ""
	}
	return "+"
}

// short formats d with about three digits.
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
