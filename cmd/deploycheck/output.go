package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// formats are the values of -o.
var formats = map[string]func(io.Writer, *report) error{"table": writeTable, "json": writeJSON, "sarif": writeSARIF, "github": writeGitHub}

// A record is a result in JSON. The numbers are null if no container was checked.
type record struct {
	File      string     `json:"file"`
	Document  int        `json:"document"` // in the file, from 1; 0 for the whole file
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	Container string     `json:"container"`
	Verdict   string     `json:"verdict"` // ok, warn or error, or - if nothing was checked
	Mode      check.Mode `json:"mode"`
	Grace     *float64   `json:"grace_seconds"`
	PreStop   *float64   `json:"pre_stop_seconds"`
	Required  *float64   `json:"required_seconds"`
	Headroom  *float64   `json:"headroom_seconds"`
	Findings  []problem  `json:"findings"`
}

type problem struct {
	Code     finding.Code `json:"code"`
	Severity string       `json:"severity"` // note, warning or error
	Message  string       `json:"message"`
	Fix      string       `json:"fix"`
	Line     int          `json:"line"` // in the file, from 1; 0 if it is not known
}

func writeJSON(w io.Writer, r *report) error {
	records := make([]record, 0, len(r.results))
	for i := range r.results {
		records = append(records, recordOf(&r.results[i]))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(records)
}

func recordOf(r *check.Result) record {
	rec := record{
		File: r.File, Document: r.Document, Kind: r.Kind, Name: r.Name, Container: r.Container,
		Verdict: r.Verdict(), Mode: r.Mode, Findings: []problem{},
	}
	if s := r.Sums; s != nil {
		rec.Grace, rec.PreStop = inSeconds(s.Grace), inSeconds(s.PreStop)
		rec.Required, rec.Headroom = inSeconds(s.Required()), inSeconds(s.Headroom())
	}
	for _, f := range r.Findings {
		rec.Findings = append(rec.Findings, problem{f.Code, f.Severity.String(), f.Message, f.Fix, f.Place.Line})
	}
	return rec
}

// inSeconds returns nil, which is null in JSON, for the grace period of a program that is never killed.
func inSeconds(d time.Duration) *float64 {
	if d >= manifest.Forever {
		return nil
	}
	return new(d.Seconds())
}

// passedOver reports whether the result only says that a file has no workload. A directory has many such
// files: only the summary counts them for a person.
func passedOver(r *check.Result) bool {
	return len(r.Findings) == 1 && r.Findings[0].Code == finding.FilePassedOver
}

// writeTable writes a row for each container, then the findings, then a summary.
func writeTable(w io.Writer, r *report) error {
	var out strings.Builder
	rows(&out, r.results)
	for i := range r.results {
		findings(&out, &r.results[i])
	}
	fmt.Fprintf(&out, "\n%s\n", summary(r))
	_, err := io.WriteString(w, out.String())
	return err
}

func rows(out *strings.Builder, results []check.Result) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VERDICT\tWORKLOAD\tCONTAINER\tMODE\tGRACE\tPRESTOP\tREQUIRED\tHEADROOM\tFILE")
	for i := range results {
		r := &results[i]
		if passedOver(r) {
			continue
		}
		grace, preStop, required, headroom := "-", "-", "-", "-"
		if s := r.Sums; s != nil {
			grace, preStop = check.Seconds(s.Grace), check.Seconds(s.PreStop)
			required, headroom = check.Seconds(s.Required()), check.Seconds(s.Headroom())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Verdict(), dash(workload(r)), dash(r.Container), dash(string(r.Mode)),
			grace, preStop, required, headroom, r.File)
	}
	t.Flush() // a strings.Builder returns no error
}

func dash(s string) string { return cmp.Or(s, "-") }

func workload(r *check.Result) string {
	if r.Kind == "" {
		return ""
	}
	return r.Kind + "/" + r.Name
}

func findings(out *strings.Builder, r *check.Result) {
	if len(r.Findings) == 0 || passedOver(r) {
		return
	}
	fmt.Fprintf(out, "\n%s", r.File)
	if r.Document > 0 {
		fmt.Fprintf(out, ", document %d", r.Document)
	}
	for _, s := range []string{workload(r), r.Container} {
		if s != "" {
			fmt.Fprintf(out, ", %s", s)
		}
	}
	fmt.Fprintln(out)
	for _, f := range r.Findings {
		fmt.Fprintf(out, "  %-7s  %s: %s\n           fix: %s\n", f.Severity, f.Code, f.Message, f.Fix)
	}
}

func summary(r *report) string {
	counts := map[string]int{}
	without := 0
	for i := range r.results {
		if passedOver(&r.results[i]) {
			without++
			continue
		}
		counts[r.results[i].Verdict()]++
	}
	text := fmt.Sprintf("%s, %s: %d ok, %d warn, %d error", plural(r.files, "file"), plural(r.workloads, "workload"), counts["ok"], counts["warn"], counts["error"])
	if counts["-"] > 0 {
		text += fmt.Sprintf(", %d not checked", counts["-"])
	}
	if without > 0 {
		text += fmt.Sprintf("; without a workload: %s", plural(without, "file"))
	}
	if len(r.skipped) > 0 {
		text += "; skipped: " + kinds(r.skipped)
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func count(kinds []string) map[string]int {
	counts := map[string]int{}
	for _, kind := range kinds {
		counts[kind]++
	}
	return counts
}

// kinds is such as "1 ConfigMap, 2 Service".
func kinds(counts map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	return strings.Join(parts, ", ")
}
