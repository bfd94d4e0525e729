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

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// A Budget describes the stop of a program.
type Budget struct {
	// Container is the name of the program's container. If it is empty, the program is the
	// only container, the container named by the annotation
	// kubectl.kubernetes.io/default-container, or all containers whose preStop hook is the
	// program's handshake.
	Container string
	// Grace is the program's own grace period, from the request to stop to its exit. Zero
	// means unknown.
	Grace time.Duration
	// Delay is how long the program keeps serving after the request to stop. Then it takes
	// Drain to stop its tasks, and Cleanup to run its handlers.
	Delay, Drain, Cleanup time.Duration
	// Margin is the headroom below which the grace period is tight.
	Margin  time.Duration
	PreStop Handshake
	// Signals are the signals that the program handles, such as SIGTERM.
	Signals []string
}

// A Handshake is a preStop hook that announces the stop to the program and waits for its delay. A
// zero Port or PortName matches any.
type Handshake struct {
	Path     string // of an httpGet hook; empty: none
	Port     int
	PortName string
	Exec     []string // the first words of an exec hook; empty: none
}

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
func (s Sums) Headroom() time.Duration { return s.Grace - s.Required() }

func (s Sums) String() string {
	return fmt.Sprintf("preStop %s + delay %s + drain %s + cleanup %s = %s of %s",
		Seconds(s.PreStop), Seconds(s.Delay), Seconds(s.Drain), Seconds(s.Cleanup), Seconds(s.Required()), Seconds(s.Grace))
}

// Seconds formats d in seconds, as manifests do: 90s, not 1m30s.
func Seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// A Result has the findings about a container. Container is empty for findings about a whole
// workload; all fields but File and Document are empty for findings about a file.
type Result struct {
	File                  string
	Document              int
	Kind, Name, Container string
	Mode                  Mode
	Sums                  *Sums // nil if no container was checked
	Findings              []Finding
}

// A Finding is one problem, or a fact worth knowing.
type Finding struct {
	Code     Code
	Severity Severity
	Message  string // what is wrong, and what follows from it
	Fix      string // what to do about it
}

// Severity is that of the worst finding.
func (r *Result) Severity() Severity {
	worst := Note
	for _, f := range r.Findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// Add adds a finding.
func (r *Result) Add(code Code, message, fix string) {
	r.Findings = append(r.Findings, Finding{Code: code, Severity: severities[code], Message: message, Fix: fix})
}

// Workload checks the program's containers in w. If there are none, it returns one result that
// says why.
func (b Budget) Workload(w *manifest.Workload) []Result {
	first := Result{File: w.File, Document: w.Document, Kind: w.Kind, Name: w.Name}
	first.faults(w)
	if w.Pod == nil {
		return []Result{first}
	}
	containers := b.pick(w, &first)
	if len(containers) == 0 {
		return []Result{first}
	}
	first.pod(w)
	results := make([]Result, 0, len(containers))
	for i, c := range containers {
		r := Result{File: w.File, Document: w.Document, Kind: w.Kind, Name: w.Name}
		if i == 0 {
			r = first // it has the findings about the pod
		}
		s := subject{Result: &r, budget: b, workload: w, pod: &w.Pod.Spec, container: c}
		s.check()
		results = append(results, r)
	}
	return results
}

// A subject is the container that is being checked.
type subject struct {
	*Result
	budget    Budget
	workload  *manifest.Workload
	pod       *corev1.PodSpec
	container *corev1.Container
	hookFails bool // the hook fails before it waits
}

func (s *subject) check() {
	s.Container = s.container.Name
	s.Sums = &Sums{Grace: grace(s.pod), Delay: s.budget.Delay, Drain: s.budget.Drain, Cleanup: s.budget.Cleanup}
	s.hook()
	s.arithmetic()
	s.waits()
	s.probes()
	s.signals()
	s.environment()
	s.neighbours()
}

// pick returns the program's containers. If there are none, it adds a finding.
func (b Budget) pick(w *manifest.Workload, r *Result) []*corev1.Container {
	const defaultContainer = "kubectl.kubernetes.io/default-container"
	pod := &w.Pod.Spec
	switch {
	case len(pod.Containers) == 0:
		r.Add(NoContainers, "there is no container in "+w.PodPath(), "check the indentation: the API server rejects a pod without containers")
		return nil
	case b.Container != "":
		if c := named(pod, b.Container); c != nil {
			return []*corev1.Container{c}
		}
		r.Add(ContainerAbsent, fmt.Sprintf("no container is named %s, only %s: not checked", b.Container, list(names(pod))),
			"nothing, if the program is not part of this workload; otherwise correct -container")
		return nil
	case len(pod.Containers) == 1:
		return []*corev1.Container{&pod.Containers[0]}
	}
	if c := named(pod, w.Pod.Annotations[defaultContainer]); c != nil {
		return []*corev1.Container{c}
	}
	var declared []*corev1.Container
	for _, c := range stoppable(pod) {
		probe := subject{Result: &Result{Sums: &Sums{}}, budget: b, workload: w, pod: pod, container: c}
		if probe.hook(); probe.Mode == HandshakeHTTP || probe.Mode == HandshakeExec {
			declared = append(declared, c)
		}
	}
	if len(declared) == 0 {
		r.Add(ContainerAmbiguous, fmt.Sprintf("the pod has the containers %s: it is unknown which one is the program", list(names(pod))),
			"name it with -container, or with the annotation "+defaultContainer)
	}
	return declared
}

// stoppable returns the containers that run when the pod stops: the regular containers and the
// native sidecars.
func stoppable(pod *corev1.PodSpec) []*corev1.Container {
	var all []*corev1.Container
	for i := range pod.Containers {
		all = append(all, &pod.Containers[i])
	}
	return append(all, sidecars(pod)...)
}

// sidecars returns the native sidecars, in the order in which they start.
func sidecars(pod *corev1.PodSpec) []*corev1.Container {
	var all []*corev1.Container
	for i := range pod.InitContainers {
		if c := &pod.InitContainers[i]; isSidecar(c) {
			all = append(all, c)
		}
	}
	return all
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func named(pod *corev1.PodSpec, name string) *corev1.Container {
	all := stoppable(pod)
	i := slices.IndexFunc(all, func(c *corev1.Container) bool { return c.Name == name })
	if name == "" || i < 0 {
		return nil
	}
	return all[i]
}

func names(pod *corev1.PodSpec) []string {
	var all []string
	for _, c := range stoppable(pod) {
		all = append(all, c.Name)
	}
	return all
}
