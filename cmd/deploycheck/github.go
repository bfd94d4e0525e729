package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// writeGitHub writes the findings as commands of a GitHub workflow, which shows them beside the lines of
// a pull request (docs.github.com, "Workflow commands for GitHub Actions").
func writeGitHub(w io.Writer, r *report) error {
	var out strings.Builder
	for i := range r.results {
		result := &r.results[i]
		if passedOver(result) {
			continue
		}
		for _, f := range result.Findings {
			command := f.Severity.String()
			if f.Severity == finding.Note {
				command = "notice"
			}
			what := strings.Trim(workload(result)+", "+result.Container, ", ")
			if what != "" {
				what += ": "
			}
			fmt.Fprintf(&out, "::%s file=%s,line=%d,title=%s::%s\n", command, property(filepath.ToSlash(result.File)), max(1, f.Place.Line),
				property("deploycheck: "+string(f.Code)), data(what+f.Message+"\nfix: "+f.Fix))
		}
	}
	fmt.Fprintln(&out, summary(r))
	_, err := io.WriteString(w, out.String())
	return err
}

// data escapes the message of a workflow command.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property escapes the value of a property of a workflow command.
func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
