package check

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// defaultGrace is corev1.DefaultTerminationGracePeriodSeconds.
	defaultGrace = corev1.DefaultTerminationGracePeriodSeconds * time.Second
	// propagation is how long proxies may send requests to a pod after its deletion. There is
	// no upper bound. On an idle node requests were lost with a wait of 1 s, and none with 5 s.
	propagation = 5 * time.Second
)

// grace is the effective grace period. The API server replaces a negative one by 1 s.
func grace(pod *corev1.PodSpec) time.Duration {
	switch s := pod.TerminationGracePeriodSeconds; {
	case s == nil:
		return defaultGrace
	case *s < 0:
		return time.Second
	default:
		return seconds(*s)
	}
}

// seconds limits the values of a manifest, so that sums do not overflow.
func seconds(s int64) time.Duration {
	const most = 1 << 31 // 68 years
	return time.Duration(min(max(s, -most), most)) * time.Second
}

func (s *subject) arithmetic() {
	explicit := s.pod.TerminationGracePeriodSeconds
	path := s.workload.PodPath() + ".terminationGracePeriodSeconds"
	needed := ceil(s.Sums.Required() + s.budget.Margin)
	switch {
	case explicit == nil:
		s.Add(GraceDefault, "terminationGracePeriodSeconds is not set: the default is 30 s", fmt.Sprintf("set it: %s: %d", path, max(needed, 30)))
	case *explicit <= 0:
		s.Add(GraceZero, fmt.Sprintf("terminationGracePeriodSeconds is %d: the pod is killed at once, or within two seconds", *explicit), fmt.Sprintf("%s: %d", path, needed))
	}
	headroom := s.Sums.Headroom()
	fix := fmt.Sprintf("%s: %d (%s and a margin of %s), or shorten the program's stop", path, needed, Seconds(s.Sums.Required()), Seconds(s.budget.Margin))
	switch {
	case s.has(SleepTooLong):
		// The object is rejected, so it has no grace period.
	case headroom < 0:
		s.Add(GraceTooShort, fmt.Sprintf("%s: killed %s before the program exits", s.Sums, Seconds(-headroom)), fix)
	case headroom < s.budget.Margin:
		s.Add(GraceTight, fmt.Sprintf("%s: the headroom of %s is less than the margin of %s for the kubelet's jitter and a throttled CPU", s.Sums, Seconds(headroom), Seconds(s.budget.Margin)), fix)
	}
	if own := s.budget.Grace; own > 0 && headroom >= 0 && s.Mode != Foreign && s.sleep()+own > s.Sums.Grace {
		s.Add(ProgramGrace, fmt.Sprintf("the program's grace period ends %s after the pod's deletion, and SIGKILL comes after %s: if a step hangs, the program is killed before it reports the step",
			Seconds(s.sleep()+own), Seconds(s.Sums.Grace)), fmt.Sprintf("a grace period of the program of at most %s", Seconds(max(0, s.Sums.Grace-s.sleep()-s.budget.Margin))))
	}
}

// sleep is the part of the hook's wait that the program does not know of.
func (s *subject) sleep() time.Duration {
	if s.Mode == Sleep {
		return s.Sums.PreStop
	}
	return 0
}

func (s *subject) has(code Code) bool {
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
		s.Add(JobDelay, fmt.Sprintf("the %s waits for %s before it stops, although it gets no requests", s.workload.Kind, Seconds(wait)),
			"set the program's delay to 0, and remove the preStop hook")
	case s.Sums.PreStop > 0 && s.Sums.Delay > 0:
		s.Add(DoubleWait, fmt.Sprintf("the hook waits for %s, and then the program waits for another %s", Seconds(s.Sums.PreStop), Seconds(s.Sums.Delay)),
			"remove the hook, set the program's delay to 0, or use the program's own handshake as the hook")
	case !s.workload.IsJob() && wait < propagation && s.serves():
		s.Add(WaitShort, fmt.Sprintf("it serves for %s after the pod's deletion, and proxies may send requests for longer", Seconds(wait)),
			fmt.Sprintf("a delay of %s, if requests come through a Service; 15 s to 30 s behind a cloud's load balancer", Seconds(propagation)))
	}
}

// serves reports whether the container has a port other than that of its hook.
func (s *subject) serves() bool {
	for _, p := range s.container.Ports {
		own := s.budget.PreStop
		if (own.Port == 0 || int(p.ContainerPort) != own.Port) && (own.PortName == "" || p.Name != own.PortName) {
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
		if g := seconds(*p.TerminationGracePeriodSeconds); g < s.Sums.Required() {
			s.Add(ProbeGraceShort, fmt.Sprintf("when the %s fails, the container is killed after %s, and the program needs %s", name, Seconds(g), Seconds(s.Sums.Required())),
				fmt.Sprintf("%s.terminationGracePeriodSeconds: %d, or remove it to use the pod's; keep it if a failing container should be killed early", name, ceil(s.Sums.Required()+s.budget.Margin)))
		}
	}
}

// ceil returns d in seconds, rounded up, for a manifest.
func ceil(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
