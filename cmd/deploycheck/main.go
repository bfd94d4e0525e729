// Command deploycheck checks that a program stops before its platform kills it. It compares the time
// that the program needs with the grace period, the hook and the signal in the files of the platform:
// Kubernetes, Compose, systemd and others.
//
//	deploycheck -delay 5s -drain 20s -prestop-port 9090 deploy/
//	app plan | deploycheck -plan - deploy/
//
// It only reads files, and makes no network connection. README.md lists the findings.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// The exit statuses.
const (
	exitOK       = 0
	exitFindings = 1 // errors; with -strict also warnings
	exitBadInput = 2 // an input or argument could not be read or understood
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdin, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "deploycheck: %v\nRun deploycheck -h for the list of flags.\n", err)
		return exitBadInput
	}
	r := checkAll(o.budget, manifest.Read(o.files, o.kind, stdin))
	if err := o.write(stdout, r); err != nil {
		fmt.Fprintln(stderr, "deploycheck:", err)
		return exitBadInput
	}
	if o.fix {
		unpatched(stderr, r)
	}
	return r.status(o, stderr)
}

// A report is the result of a run.
type report struct {
	results   []check.Result
	skipped   map[string]int // objects that are not workloads, by kind
	files     int
	workloads int
	sources   int // templates, charts, kustomizations and patches
	badInput  bool
}

func checkAll(b check.Budget, inputs []manifest.Input) *report {
	r := &report{skipped: map[string]int{}}
	for _, in := range inputs {
		found := slices.ContainsFunc(in.Files, func(f manifest.File) bool { return len(f.Workloads) > 0 })
		broken := slices.ContainsFunc(in.Files, func(f manifest.File) bool { return len(f.Errs) > 0 })
		for _, f := range in.Files {
			r.file(b, f)
			if found && len(f.Workloads)+len(f.Errs) == 0 {
				r.noWorkload(f.Name, finding.FilePassedOver, f.Skipped)
			}
		}
		if !found && !broken {
			r.noWorkload(in.Name, finding.NoWorkload, skipped(in.Files))
		}
	}
	return r
}

func (r *report) file(b check.Budget, f manifest.File) {
	r.files++
	for i := range f.Workloads {
		w := &f.Workloads[i]
		if w.Has(finding.NotRendered) {
			r.sources++
		} else {
			r.workloads++
		}
		r.results = append(r.results, b.Workload(w)...)
	}
	for _, kind := range f.Skipped {
		r.skipped[kind]++
	}
	for _, err := range f.Errs {
		r.badInput = true
		r.results = append(r.results, check.FileError(err))
	}
}

func (r *report) noWorkload(name string, code finding.Code, skipped []string) {
	result := check.Result{File: name}
	message := "no workload, and no other object"
	if len(skipped) > 0 {
		message = "no workload, only " + kinds(count(skipped))
	}
	result.Add(code, message, "nothing, if this is intended; otherwise name the files that say how the program runs: Deployments, StatefulSets, DaemonSets, ReplicaSets, ReplicationControllers, Jobs, CronJobs, Pods, or those of another platform")
	r.results = append(r.results, result)
}

func skipped(files []manifest.File) []string {
	var all []string
	for _, f := range files {
		all = append(all, f.Skipped...)
	}
	return all
}

// status returns the exit status. It writes an error if no finding explains the status.
func (r *report) status(o *options, stderr io.Writer) int {
	worst, absent, named := finding.Note, false, false
	for i := range r.results {
		result := &r.results[i]
		worst = max(worst, result.Severity())
		named = named || result.Mode != "" && result.Container == o.budget.Container
		absent = absent || slices.ContainsFunc(result.Findings, func(f finding.Finding) bool {
			return f.Code == finding.ContainerAbsent || f.Code == finding.ProgramAbsent
		})
	}
	switch {
	case r.badInput:
		return exitBadInput
	case absent && !named && worst < finding.Error:
		fmt.Fprintf(stderr, "deploycheck: no workload has a container named %s\n", o.budget.Container)
		return exitBadInput
	case r.sources > 0 && r.workloads == 0:
		fmt.Fprintln(stderr, "deploycheck: nothing was checked: render the inputs first")
		return exitBadInput
	case worst == finding.Error, worst == finding.Warning && o.strict:
		return exitFindings
	}
	return exitOK
}
