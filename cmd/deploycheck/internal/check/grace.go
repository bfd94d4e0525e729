package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// How long proxies may send requests to a pod after its deletion. There is no upper bound.
const (
	// On an idle node no requests were lost with a wait of 5 s (Kubernetes 1.34).
	propagation = 5 * time.Second
	// Behind a Service requests were lost with waits of 0, 0.75 and 1 s: 15 to 30 of 9 000
	// without a wait, with kube-proxy in each of its modes (Kubernetes 1.34).
	kubeProxy = time.Second
)

// arithmetic compares the times. The kubelet waits for two seconds at least, but not in each case
// (minimumGracePeriodInSeconds in pkg/kubelet/kuberuntime of Kubernetes).
func (s *subject) arithmetic() {
	grace := s.program.Grace
	if grace.Field == "" {
		return // such as a Dockerfile
	}
	defer s.at(grace.Field)()
	defer s.offer(grace)
	name := lastPart(grace.Field)
	from := ""
	if grace.IsSet() {
		from = setIn(name, grace.From)
	}
	write := func(d time.Duration) string {
		switch {
		case grace.Write == nil:
			return "nothing, it cannot be set"
		case grace.Most > 0 && d > grace.Most:
			return grace.AtMost
		}
		return grace.Write(d)
	}
	needed := wholeSeconds(s.Sums.Required() + s.budget.Margin)
	switch {
	case !grace.IsSet():
		s.graceDefault(name, write(max(needed, grace.Value)))
	case grace.Value >= manifest.Forever && !s.has(finding.GraceInfinite):
		s.Add(finding.GraceInfinite, fmt.Sprintf("%s is %s: a program that hangs is never killed%s", name, grace.Text, from), "nothing, if the program ends by itself, as with package shutdown")
	case grace.Value <= 0 || strings.HasPrefix(grace.Text, "-"):
		s.Add(finding.GraceZero, fmt.Sprintf("%s is %s: the program is killed at once, or within two seconds%s", name, grace.Text, from), write(needed))
	}
	headroom := s.Sums.Headroom()
	fix := fmt.Sprintf("%s (%s and a margin of %s), or shorten the program's stop", write(needed), Seconds(s.Sums.Required()), Seconds(s.budget.Margin))
	if grace.Write == nil {
		fix = fmt.Sprintf("shorten the program's stop to %s: the grace period cannot be set", Seconds(max(0, s.Sums.Grace-s.budget.Margin)))
	}
	switch {
	case s.has(finding.SleepTooLong):
		// The object is rejected, so it has no grace period.
	case headroom < 0:
		s.Add(finding.GraceTooShort, fmt.Sprintf("%s: killed %s before the program exits%s", s.Sums, Seconds(-headroom), from), fix)
	case headroom < s.budget.Margin:
		s.Add(finding.GraceTight, fmt.Sprintf("%s: the headroom of %s is less than the margin of %s for the platform's jitter and a throttled CPU%s", s.Sums, Seconds(headroom), Seconds(s.budget.Margin), from), fix)
	}
	if own := s.budget.Grace; own > 0 && headroom >= 0 && s.Mode != Foreign && s.sleep()+own > s.Sums.Grace {
		s.Add(finding.ProgramGrace, fmt.Sprintf("the program's grace period ends %s after the request to stop, and SIGKILL comes after %s: if a step hangs, the program is killed before it reports the step",
			Seconds(s.sleep()+own), Seconds(s.Sums.Grace)), fmt.Sprintf("a grace period of the program of at most %s", Seconds(max(0, s.Sums.Grace-s.sleep()-s.budget.Margin))))
	}
}

// offer adds an edit to the findings that a longer grace period resolves.
func (s *subject) offer(grace manifest.Setting[time.Duration]) {
	for i := range s.Findings {
		switch f := &s.Findings[i]; f.Code {
		case finding.GraceZero, finding.GraceTooShort, finding.GraceTight:
			f.Edit = s.edit(grace, wholeSeconds(s.Sums.Required()+s.budget.Margin))
		}
	}
}

// edit returns the edit that sets the grace period, or nil.
func (s *subject) edit(grace manifest.Setting[time.Duration], d time.Duration) *finding.Edit {
	if grace.Write == nil || grace.From != "" || grace.Most > 0 && d > grace.Most {
		return nil
	}
	text := grace.Write(d)
	e := &finding.Edit{Value: text[strings.LastIndexAny(text, " =")+1:]}
	if grace.IsSet() {
		if e.Place = s.workload.Place(grace.Field); e.Place.Text == "" || e.Place.Column == 0 {
			return nil // from another place
		}
		return e
	}
	e.Field = lastPart(grace.Field)
	hasKey := s.workload.KeyPlace(grace.Field).Line > 0 // without a value, such as null
	if e.Place = s.workload.KeyPlace(grace.Beside); e.Place.Column == 0 || hasKey {
		return nil
	}
	return e
}

// sleep is the part of the hook's wait that the program does not know of.
func (s *subject) sleep() time.Duration {
	if s.Mode == Sleep {
		return s.Sums.PreStop
	}
	return 0
}

func (s *subject) has(code finding.Code) bool {
	for _, f := range s.Findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

// waits checks the time in which the program still serves.
func (s *subject) waits() {
	wait := s.Sums.PreStop + s.Sums.Delay
	switch {
	case s.workload.IsJob() && wait > 0:
		s.Add(finding.JobDelay, fmt.Sprintf("the %s waits for %s before it stops, although it gets no requests", s.jobKind(), Seconds(wait)),
			s.jobFix())
	case s.Sums.PreStop > 0 && s.Sums.Delay > 0:
		s.Add(finding.DoubleWait, fmt.Sprintf("the hook waits for %s, and then the program waits for another %s", Seconds(s.Sums.PreStop), Seconds(s.Sums.Delay)),
			"remove the hook, set the program's delay to 0, or use the program's own handshake as the hook")
	case s.workload.IsJob() || s.container == nil || wait >= propagation || s.Mode == Foreign: // such a hook may wait for longer
	case len(s.workload.Services) > 0 && wait <= kubeProxy:
		s.Add(finding.ServiceWaitShort, fmt.Sprintf("the program is behind %s, and serves for %s after the pod's deletion: kube-proxy may send requests for longer, and they are lost", serviceList(s.workload.Services), Seconds(wait)),
			fmt.Sprintf("a delay of %s; 15 s to 30 s behind a cloud's load balancer", Seconds(propagation)))
	case s.serves():
		s.Add(finding.WaitShort, fmt.Sprintf("the program serves for %s after the pod's deletion, and proxies may send requests for longer", Seconds(wait)),
			fmt.Sprintf("a delay of %s, if requests come through a Service; 15 s to 30 s behind a cloud's load balancer", Seconds(propagation)))
	}
	if s.container != nil {
		s.tooEarly()
		s.minReady()
	}
}

// tooEarly finds a program that gets requests before it is up. Without a readinessProbe a container
// counts as ready as soon as its process runs, and a rolling update deletes an old pod for it
// (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, "Container probes"). A startupProbe
// holds that up, too.
func (s *subject) tooEarly() {
	if len(s.workload.Services) == 0 || s.workload.IsJob() || s.container.ReadinessProbe != nil || s.container.StartupProbe != nil {
		return
	}
	s.Add(finding.ServiceTooEarly, fmt.Sprintf("the program is behind %s, and has no readinessProbe: it gets requests as soon as its process runs, and a rolling update then deletes an old pod", serviceList(s.workload.Services)),
		"a readinessProbe that asks the program whether it has started, such as GET /readyz")
}

func serviceList(names []string) string {
	if len(names) == 1 {
		return "Service " + names[0]
	}
	return "the Services " + list(names)
}

// minReady finds a gRPC server whose old pod may be deleted before the clients have found the new one.
// After a refused connection a client of gRPC waits for a second and more before it tries again
// (grpc/doc/connection-backoff.md).
func (s *subject) minReady() {
	if ready := s.workload.MinReady; ready == nil || *ready > 0 || !s.speaksGRPC() {
		return
	}
	s.AddAt("spec.minReadySeconds", finding.GRPCMinReady, "minReadySeconds is 0, and the program serves gRPC: the next pod may be deleted before the clients have connected to the new one, and they wait for a second and more after a refused connection",
		"spec.minReadySeconds: 10")
}

// speaksGRPC reports whether a probe or the name of a port says that the program serves gRPC.
func (s *subject) speaksGRPC() bool {
	c := s.container
	for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe, c.StartupProbe} {
		if probe != nil && probe.GRPC != nil {
			return true
		}
	}
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
		return p.Name == "grpc" || strings.HasPrefix(p.Name, "grpc-")
	})
}

// serves reports whether the container has a port other than that of its hook.
func (s *subject) serves() bool {
	for _, p := range s.program.Ports {
		own := s.budget.PreStop
		if (own.Port == 0 || p.Number != own.Port) && (own.PortName == "" || p.Name != own.PortName) {
			return true
		}
	}
	return false
}

// probes checks the grace periods of probes. Such a grace period applies when the container is
// killed because the probe fails.
func (s *subject) probes() {
	for _, named := range []struct {
		name  string
		probe *corev1.Probe
	}{{"livenessProbe", s.container.LivenessProbe}, {"startupProbe", s.container.StartupProbe}} {
		name, p := named.name, named.probe
		if p == nil || p.TerminationGracePeriodSeconds == nil || *p.TerminationGracePeriodSeconds <= 0 {
			continue
		}
		if g := manifest.Seconds(*p.TerminationGracePeriodSeconds); g < s.Sums.Required() {
			s.AddAt(s.program.Path+"."+name+".terminationGracePeriodSeconds", finding.ProbeGraceShort, fmt.Sprintf("when the %s fails, the container is killed after %s, and the program needs %s", name, Seconds(g), Seconds(s.Sums.Required())),
				fmt.Sprintf("%s.terminationGracePeriodSeconds: %d, or remove it to use the pod's; keep it if a failing container should be killed early", name, ceil(s.Sums.Required()+s.budget.Margin)))
		}
	}
}

// ceil returns d in seconds, rounded up, for a manifest.
func ceil(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func wholeSeconds(d time.Duration) time.Duration { return time.Duration(ceil(d)) * time.Second }

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
