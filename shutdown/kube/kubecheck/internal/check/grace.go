package check

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// defaultGrace is corev1.DefaultTerminationGracePeriodSeconds.
	defaultGrace = corev1.DefaultTerminationGracePeriodSeconds * time.Second
	// propagation is how long it takes until no proxy sends requests to a pod that is
	// going. Nothing bounds it; on an idle node requests were lost with a wait of 1 s, and
	// none with 5 s.
	propagation = 5 * time.Second
)

// grace is the effective grace period. The API server takes a negative one for 1 s.
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

// seconds bounds what a manifest may say, so that sums do not overflow.
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
		s.Add(GraceDefault, "no terminationGracePeriodSeconds: it is 30 s by default", fmt.Sprintf("write it: %s: %d", path, max(needed, 30)))
	case *explicit <= 0:
		s.Add(GraceZero, fmt.Sprintf("terminationGracePeriodSeconds is %d: the pod is killed at once, or within a second or two", *explicit), fmt.Sprintf("%s: %d", path, needed))
	}
	headroom := s.Sums.Headroom()
	fix := fmt.Sprintf("%s: %d (%s and a margin of %s), or let the program take less", path, needed, Seconds(s.Sums.Required()), Seconds(s.budget.Margin))
	switch {
	case s.has(SleepTooLong):
		// The object is rejected: there is nothing to compare with.
	case headroom < 0:
		s.Add(GraceTooShort, fmt.Sprintf("%s: killed %s before the program has ended", s.Sums, Seconds(-headroom)), fix)
	case headroom < s.budget.Margin:
		s.Add(GraceTight, fmt.Sprintf("%s: %s are left, less than the margin of %s for the kubelet's jitter and a throttled CPU", s.Sums, Seconds(headroom), Seconds(s.budget.Margin)), fix)
	}
	if own := s.budget.Grace; own > 0 && headroom >= 0 && s.Mode != Foreign && s.sleep()+own > s.Sums.Grace {
		s.Add(ProgramGrace, fmt.Sprintf("the program's own grace period ends %s after the pod's deletion, SIGKILL comes after %s: it would not get to report what is stuck",
			Seconds(s.sleep()+own), Seconds(s.Sums.Grace)), fmt.Sprintf("let the program's be %s at most", Seconds(max(0, s.Sums.Grace-s.sleep()-s.budget.Margin))))
	}
}

// sleep is the part of the hook's wait that the program knows nothing of.
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

// waits are about the time in which the program still serves.
func (s *subject) waits() {
	wait := s.Sums.PreStop + s.Sums.Delay
	switch {
	case s.workload.IsJob() && wait > 0:
		s.Add(JobDelay, fmt.Sprintf("a wait of %s before a %s stops: no requests come to it that would have to be led elsewhere", Seconds(wait), s.workload.Kind),
			"let the program's delay be 0 here, and leave the preStop hook out")
	case s.Sums.PreStop > 0 && s.Sums.Delay > 0:
		s.Add(DoubleWait, fmt.Sprintf("the hook waits for %s, and then the program for %s again", Seconds(s.Sums.PreStop), Seconds(s.Sums.Delay)),
			"let one of them wait: without a hook the program's delay does the same; or let the hook be the program's own handshake")
	case !s.workload.IsJob() && wait < propagation && s.serves():
		s.Add(WaitShort, fmt.Sprintf("it goes on serving for %s after the pod's deletion: proxies may send requests for longer than that", Seconds(wait)),
			fmt.Sprintf("a delay of %s, if requests come through a Service; 15 s to 30 s behind a cloud's load balancer", Seconds(propagation)))
	}
}

// serves reports whether the container has a port besides that of its hook.
func (s *subject) serves() bool {
	for _, p := range s.container.Ports {
		own := s.budget.PreStop
		if (own.Port == 0 || int(p.ContainerPort) != own.Port) && (own.PortName == "" || p.Name != own.PortName) {
			return true
		}
	}
	return false
}

// probes have grace periods of their own, which count when it is they that have the
// container killed.
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
			s.Add(ProbeGraceShort, fmt.Sprintf("when the %s fails, the container has %s, and the program needs %s", name, Seconds(g), Seconds(s.Sums.Required())),
				fmt.Sprintf("%s.terminationGracePeriodSeconds: %d, or leave it out: the pod's counts then; or keep it, where a container that fails shall go quickly", name, ceil(s.Sums.Required()+s.budget.Margin)))
		}
	}
}

// ceil is a number of seconds for a manifest.
func ceil(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
