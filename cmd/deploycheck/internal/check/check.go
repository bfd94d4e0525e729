// Package check compares the time that a program needs to stop with the time that its manifest
// gives it.
//
// The grace period of a container begins when the pod is deleted, before the preStop hook runs:
//
//	required = preStop wait + in-process delay + drain + cleanup
//	headroom = grace - required
//
// The in-process delay is 0 if the hook is the program's own handshake, because the hook waits
// for that delay. The hooks of other containers do not count: all hooks run at the same time.
//
// The rules follow the source of Kubernetes 1.34, and were checked against its kubelet.
package check

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// A Mode is the kind of a container's preStop hook.
type Mode string

// The modes.
const (
	None          Mode = "none"
	Sleep         Mode = "sleep"
	HandshakeHTTP Mode = "handshake-httpGet"
	HandshakeExec Mode = "handshake-exec"
	Foreign       Mode = "foreign" // any other hook, or one that does not reach the program
)

// Sums is the arithmetic of a container.
type Sums struct {
	Grace, PreStop, Delay, Drain, Cleanup time.Duration
}

// Required is the time from the pod's deletion to the program's exit.
func (s Sums) Required() time.Duration { return s.PreStop + s.Delay + s.Drain + s.Cleanup }

// Headroom is the time between the program's exit and the end of the grace period. It may be
// negative.
func (s Sums) Headroom() time.Duration {
	if s.Grace >= manifest.Forever {
		return manifest.Forever
	}
	return s.Grace - s.Required()
}

func (s Sums) String() string {
	return fmt.Sprintf("preStop %s + delay %s + drain %s + cleanup %s = %s of %s",
		Seconds(s.PreStop), Seconds(s.Delay), Seconds(s.Drain), Seconds(s.Cleanup), Seconds(s.Required()), Seconds(s.Grace))
}

// Seconds formats d in seconds, as manifests do: 90s, not 1m30s. It rounds to a millisecond.
func Seconds(d time.Duration) string {
	if d >= manifest.Forever {
		return "infinity"
	}
	return strconv.FormatFloat(d.Round(time.Millisecond).Seconds(), 'f', -1, 64) + "s"
}

// A Result has the findings about a program. Container is empty for findings about a whole workload;
// all fields but File and Document are empty for findings about a file.
type Result struct {
	File                  string
	Document              int
	Kind, Name, Container string
	Mode                  Mode
	Sums                  *Sums // nil if no program was checked
	Findings              []finding.Finding

	workload *manifest.Workload // to find places; nil for a file
	field    string             // the field of the next findings
	silent   bool               // findings are dropped
}

// Severity is that of the worst finding.
func (r *Result) Severity() finding.Severity {
	worst := finding.Note
	for _, f := range r.Findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// Verdict is ok, warn or error, or - if no program was checked and there is no warning.
func (r *Result) Verdict() string {
	if worst := r.Severity(); r.Mode != "" || worst > finding.Note {
		return worst.Verdict()
	}
	return "-"
}

// Add adds a finding about the present field.
func (r *Result) Add(code finding.Code, message, fix string) { r.AddAt(r.field, code, message, fix) }

// AddAt adds a finding about a field.
func (r *Result) AddAt(field string, code finding.Code, message, fix string) {
	r.add(finding.New(code, field, message, fix))
}

func (r *Result) add(f finding.Finding) {
	if r.silent {
		return
	}
	if r.workload != nil {
		f.Place = r.workload.Place(f.Field)
	}
	r.Findings = append(r.Findings, f)
}

// at changes the field of the next findings, and returns a function that changes it back.
func (r *Result) at(field string) (back func()) {
	before := r.field
	r.field = field
	return func() { r.field = before }
}

// Workload checks the program in w. If there is none, it returns one result that says why. In
// Kubernetes there may be several, which then have the same handshake.
func (b Budget) Workload(w *manifest.Workload) []Result {
	first := Result{File: w.File, Document: w.Document, Kind: w.Kind, Name: w.Name, workload: w}
	for _, f := range w.Faults {
		first.add(f)
	}
	if len(w.Programs) == 0 && w.Pod == nil {
		if len(w.Faults) == 0 {
			first.Add(finding.NoContainers, "the "+w.Kind+" file starts no program", "nothing, if this is intended; otherwise check the indentation")
		}
		return []Result{first}
	}
	programs := b.pick(w, &first)
	if len(programs) == 0 {
		return []Result{first}
	}
	if w.Pod != nil {
		first.pod(w)
	}
	results := make([]Result, 0, len(programs))
	for i, p := range programs {
		r := Result{File: w.File, Document: w.Document, Kind: w.Kind, Name: w.Name, workload: w}
		if i == 0 {
			r = first // it has the findings about the pod
		}
		s := newSubject(&r, b, w, p)
		s.check()
		results = append(results, r)
	}
	return results
}

// A subject is the program that is being checked.
type subject struct {
	*Result
	budget    Budget
	program   *manifest.Program
	pod       *corev1.PodSpec // nil for other formats than Kubernetes, as is container
	container *corev1.Container
	hookFails bool // the hook fails before it waits
}

func newSubject(r *Result, b Budget, w *manifest.Workload, p *manifest.Program) *subject {
	s := &subject{Result: r, budget: b, program: p, container: p.Container}
	s.workload, s.field = w, p.Path
	if w.Pod != nil {
		s.pod = &w.Pod.Spec
	}
	return s
}

func (s *subject) check() {
	s.Container = s.program.Name
	s.Mode = None
	for _, f := range s.program.Faults {
		s.add(f)
	}
	s.budget = s.inEnvironment()
	s.Sums = &Sums{Grace: max(0, s.program.Grace.Value), Delay: s.budget.Delay, Drain: s.budget.Drain, Cleanup: s.budget.Cleanup}
	if s.container != nil {
		s.hook()
	} else {
		s.before()
	}
	s.arithmetic()
	s.waits()
	if s.container != nil {
		s.probes()
	}
	s.signals()
	s.environment()
	if s.container != nil {
		s.neighbours()
	}
	if s.program.Grace.Field == "" {
		s.Sums = nil
	}
}

// pick returns the programs to check. If there are none, it adds a finding.
func (b Budget) pick(w *manifest.Workload, r *Result) []*manifest.Program {
	defer r.at(containersPath(w))()
	switch {
	case w.Pod != nil && len(w.Pod.Spec.Containers) == 0:
		r.Add(finding.NoContainers, "there is no container in "+w.PodPath(), "check the indentation: the API server rejects a pod without containers")
		return nil
	case w.Pod == nil && len(w.Programs) == 1 && (b.Container == "" || w.Programs[0].Only),
		w.Pod != nil && len(w.Pod.Spec.Containers) == 1 && b.Container == "":
		return []*manifest.Program{&w.Programs[0]} // not a native sidecar beside it
	case b.Container != "":
		if p := named(w, b.Container); p != nil {
			return []*manifest.Program{p}
		}
		r.absent(b.Container, w)
		return nil
	}
	if p := named(w, w.Default); p != nil {
		return []*manifest.Program{p}
	}
	var declared []*manifest.Program
	for i := range w.Programs {
		if w.Programs[i].Own {
			declared = append(declared, &w.Programs[i])
		}
	}
	if len(declared) > 0 {
		r.passedOver(w)
	}
	for i := range w.Programs {
		if p := &w.Programs[i]; p.Container != nil && b.handshakes(w, p) {
			declared = append(declared, p)
		}
	}
	if len(declared) == 0 {
		r.ambiguous(w)
	}
	return declared
}

// handshakes reports whether the hook of a container is the program's handshake.
func (b Budget) handshakes(w *manifest.Workload, p *manifest.Program) bool {
	probe := newSubject(&Result{Sums: &Sums{}, silent: true}, b, w, p)
	probe.hook()
	return probe.Mode == HandshakeHTTP || probe.Mode == HandshakeExec
}

// absent adds a finding about a workload that does not have the program. A pod of another program is usual
// beside the program's. The files of other platforms are the program's own more often, and name it
// differently.
func (r *Result) absent(program string, w *manifest.Workload) {
	if w.Pod != nil {
		r.Add(finding.ContainerAbsent, fmt.Sprintf("no container is named %s, only %s: not checked", program, list(names(w))),
			"nothing, if the program is not part of this workload; otherwise correct -container")
		return
	}
	r.Add(finding.ProgramAbsent, fmt.Sprintf("no program is named %s, only %s: not checked", program, list(names(w))),
		"check this file in a run of its own, with its own -container; leave it out if it does not run the program")
}

func (r *Result) ambiguous(w *manifest.Workload) {
	what, fix := "the file has", "name it with -container"
	if w.Pod != nil {
		what, fix = "the pod has the containers", fix+", or with the annotation kubectl.kubernetes.io/default-container"
	}
	r.Add(finding.ContainerAmbiguous, fmt.Sprintf("%s %s: it is unknown which one is the program", what, list(names(w))), fix)
}

func containersPath(w *manifest.Workload) string {
	if w.Pod == nil {
		return ""
	}
	return w.PodPath() + ".containers"
}

func named(w *manifest.Workload, name string) *manifest.Program {
	i := slices.IndexFunc(w.Programs, func(p manifest.Program) bool { return p.Name == name })
	if name == "" || i < 0 {
		return nil
	}
	return &w.Programs[i]
}

func names(w *manifest.Workload) []string {
	var all []string
	for i := range w.Programs {
		all = append(all, w.Programs[i].Name)
	}
	return all
}
