// Command kubecheck compares what a program needs in order to end with what its Kubernetes
// manifests give it: the grace period, the preStop hook, the signal.
//
//	kubecheck -delay 5s -drain 20s -prestop-port 9090 deploy/
//	app -print-plan | kubecheck -plan - deploy/
//
// Nothing is sent anywhere: it reads files. See README.md for the findings.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/lastcall-go/lastcall/shutdown/kube/kubecheck/internal/check"
	"github.com/lastcall-go/lastcall/shutdown/kube/kubecheck/internal/manifest"
)

// The exit statuses.
const (
	exitOK       = 0
	exitFindings = 1 // errors, and with -strict warnings
	exitBadInput = 2 // what was given could not be read or understood
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stdin, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "kubecheck: %v\n(kubecheck -h lists the flags)\n", err)
		return exitBadInput
	}
	r := checkAll(o.budget, manifest.Read(o.files, stdin))
	if err := o.write(stdout, r); err != nil {
		fmt.Fprintln(stderr, "kubecheck:", err)
		return exitBadInput
	}
	return r.status(o, stderr)
}

// A report is what one run has found.
type report struct {
	results   []check.Result
	passed    map[string]int // objects that are no workloads, by kind
	files     int
	workloads int
	known     int // of these, all but the kinds that are not known here
	badInput  bool
}

func checkAll(b check.Budget, inputs []manifest.Input) *report {
	r := &report{passed: map[string]int{}}
	for _, in := range inputs {
		found := slices.ContainsFunc(in.Files, func(f manifest.File) bool { return len(f.Workloads) > 0 })
		broken := slices.ContainsFunc(in.Files, func(f manifest.File) bool { return len(f.Errs) > 0 })
		for _, f := range in.Files {
			r.file(b, f)
			if found && len(f.Workloads)+len(f.Errs) == 0 {
				r.nothing(f.Name, check.FilePassedOver, "nothing here makes pods: there is "+contents(f.Passed))
			}
		}
		if !found && !broken {
			r.nothing(in.Name, check.NoWorkload, "nothing here makes pods: there is "+contents(passed(in.Files)))
		}
	}
	return r
}

func (r *report) file(b check.Budget, f manifest.File) {
	r.files++
	r.workloads += len(f.Workloads)
	for i := range f.Workloads {
		w := &f.Workloads[i]
		if !slices.ContainsFunc(w.Faults, func(f manifest.Fault) bool { return f.Kind == manifest.UnknownWorkload }) {
			r.known++
		}
		r.results = append(r.results, b.Workload(w)...)
	}
	for _, kind := range f.Passed {
		r.passed[kind]++
	}
	for _, err := range f.Errs {
		r.badInput = true
		r.results = append(r.results, check.FileError(err))
	}
}

func (r *report) nothing(name string, code check.Code, message string) {
	result := check.Result{File: name}
	result.Add(code, message, "nothing, if that is meant; else name the files of the Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs and Pods")
	r.results = append(r.results, result)
}

func passed(files []manifest.File) []string {
	var all []string
	for _, f := range files {
		all = append(all, f.Passed...)
	}
	return all
}

// status is the exit status, with a word about why it is bad where no finding says so.
func (r *report) status(o *options, stderr io.Writer) int {
	worst, checked := check.Note, false
	for i := range r.results {
		worst = max(worst, r.results[i].Severity())
		checked = checked || r.results[i].Sums != nil
	}
	switch {
	case r.badInput:
		return exitBadInput
	case o.budget.Container != "" && r.known > 0 && !checked && worst < check.Error:
		fmt.Fprintf(stderr, "kubecheck: no workload has a container %s: nothing was checked\n", o.budget.Container)
		return exitBadInput
	case worst == check.Error, worst == check.Warning && o.strict:
		return exitFindings
	}
	return exitOK
}
