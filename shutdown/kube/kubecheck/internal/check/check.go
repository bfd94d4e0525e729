// Package check compares what a program needs in order to end with what a manifest gives
// it.
//
// A container's clock starts at the pod's deletion, before its preStop hook:
//
//	required = preStop wait + in-process delay + drain + cleanup
//	headroom = grace - required
//
// The in-process delay is 0 where the hook is the program's own handshake: the hook's wait
// is that delay. A neighbour's hook does not count: each container has a clock of its own.
//
// What the rules say of Kubernetes was read in the source of version 1.34 and seen on its
// kubelet.
package check

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/shutdown/kube/kubecheck/internal/manifest"
)

// A Budget is what the program says of itself.
type Budget struct {
	// Container is the program's name in the pod. If empty, it is the only container, the
	// one that the annotation kubectl.kubernetes.io/default-container names, or those
	// whose preStop hook is the program's.
	Container string
	// Grace is the program's own limit from the request to stop to its exit, zero if it
	// is not known.
	Grace time.Duration
	// Delay is how long the program goes on serving after the request to stop. Drain and
	// Cleanup are what comes then.
	Delay, Drain, Cleanup time.Duration
	// Margin is the headroom below which the grace period is tight.
	Margin  time.Duration
	PreStop Handshake
	// Signals are those that the program listens to, such as SIGTERM.
	Signals []string
}

// A Handshake is how a preStop hook reaches the program. Port and PortName are not
// compared where they are zero.
type Handshake struct {
	Path     string // of the httpGet, empty if there is none
	Port     int
	PortName string
	Exec     []string // the command's beginning, empty if there is none
}

// A Mode says what a container's preStop hook is.
type Mode string

// The modes.
const (
	None          Mode = "none"
	Sleep         Mode = "sleep"
	HandshakeHTTP Mode = "handshake-httpGet"
	HandshakeExec Mode = "handshake-exec"
	Foreign       Mode = "foreign" // something else, or a hook that does not reach the program
)

// Sums is the arithmetic of a container.
type Sums struct {
	Grace, PreStop, Delay, Drain, Cleanup time.Duration
}

// Required is how long it takes from the pod's deletion until the program has ended.
func (s Sums) Required() time.Duration { return s.PreStop + s.Delay + s.Drain + s.Cleanup }

// Headroom is what the grace period leaves. It may be negative.
func (s Sums) Headroom() time.Duration { return s.Grace - s.Required() }

func (s Sums) String() string {
	return fmt.Sprintf("preStop %s + delay %s + drain %s + cleanup %s = %s of %s",
		Seconds(s.PreStop), Seconds(s.Delay), Seconds(s.Drain), Seconds(s.Cleanup), Seconds(s.Required()), Seconds(s.Grace))
}

// Seconds is d as manifests count: 90s, never 1m30s.
func Seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// A Result is what there is to say of one container, or of a workload or file as a whole,
// where Container, or all but File, is empty.
type Result struct {
	File                  string
	Document              int
	Kind, Name, Container string
	Mode                  Mode
	Sums                  *Sums // nil if no container was checked
	Findings              []Finding
}

// A Finding is one remark.
type Finding struct {
	Code     Code
	Severity Severity
	Message  string // what is so, and why it matters
	Fix      string // what to do
}

// Severity is the worst of the findings.
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

// Workload checks the program's containers in w, or says why there are none. There is at
// least one result.
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
			r = first // what concerns the pod is said once
		}
		s := subject{Result: &r, budget: b, workload: w, pod: &w.Pod.Spec, container: c}
		s.check()
		results = append(results, r)
	}
	return results
}

// A subject is a container of the program while it is checked.
type subject struct {
	*Result
	budget    Budget
	workload  *manifest.Workload
	pod       *corev1.PodSpec
	container *corev1.Container
	hookFails bool // it never gets as far as to wait
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

// pick finds the program's containers. If there are none, it says so.
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
		r.Add(ContainerAbsent, fmt.Sprintf("no container is called %s, there is %s: not checked", b.Container, list(names(pod))),
			"nothing, if the program is not part of this workload; else correct -container")
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
		r.Add(ContainerAmbiguous, fmt.Sprintf("which of %s is the program?", list(names(pod))),
			"say it with -container, or with the annotation "+defaultContainer)
	}
	return declared
}

// stoppable are the containers that are told to stop: the regular ones and the native
// sidecars. Other init containers have ended by then.
func stoppable(pod *corev1.PodSpec) []*corev1.Container {
	var all []*corev1.Container
	for i := range pod.Containers {
		all = append(all, &pod.Containers[i])
	}
	return append(all, sidecars(pod)...)
}

// sidecars are the native ones, in the order in which they start.
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
