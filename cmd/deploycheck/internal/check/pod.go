package check

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// pod finds what the API server rejects, in all containers: the program does not start in a pod
// that is rejected.
func (r *Result) pod(w *manifest.Workload) {
	pod := &w.Pod.Spec
	for i := range pod.InitContainers {
		c := &pod.InitContainers[i]
		if c.Lifecycle != nil && !manifest.IsSidecar(c) {
			r.AddAt(fmt.Sprintf("%s.initContainers[%d].lifecycle", w.PodPath(), i), finding.PreStopInit, fmt.Sprintf("init container %s has a lifecycle: rejected, since it has exited when the pod stops", c.Name),
				"remove the lifecycle, or make the container a native sidecar with restartPolicy: Always")
		}
	}
	for i := range w.Programs {
		p := &w.Programs[i]
		c := p.Container
		r.validHooks(p)
		r.validProbes(p)
		r.restarts(p)
		if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil && pod.OS == nil {
			r.AddAt(p.Signal.Field, finding.StopSignalOS, fmt.Sprintf("container %s has a stopSignal, and the pod has no os: rejected", c.Name), w.PodPath()+".os.name: linux")
		}
	}
	r.downward(w)
}

func (r *Result) validHooks(p *manifest.Program) {
	l := p.Container.Lifecycle
	if l == nil {
		return
	}
	r.validHook(p, "preStop", l.PreStop)
	r.validHook(p, "postStart", l.PostStart)
}

func (r *Result) validHook(p *manifest.Program, hook string, h *corev1.LifecycleHandler) {
	if h == nil {
		return
	}
	defer r.at(p.Path + ".lifecycle." + hook)()
	container := p.Name
	if n := handlers(h); n != 1 {
		r.Add(finding.HandlerCount, fmt.Sprintf("the %s of container %s has %d handlers: rejected, exactly one is allowed", hook, container, n), "keep one of sleep, httpGet and exec")
		return
	}
	switch {
	case h.Sleep != nil:
		r.validSleep(container, h.Sleep.Seconds, p.Grace.Value)
	case h.HTTPGet != nil:
		r.validHTTPGet(container, hook, h.HTTPGet)
	case h.Exec != nil && len(h.Exec.Command) == 0:
		r.Add(finding.HandlerCount, fmt.Sprintf("the %s of container %s is an exec without a command: rejected", hook, container), "write the command, or remove the hook")
	}
}

func (r *Result) validHTTPGet(container, hook string, get *corev1.HTTPGetAction) {
	if !validPort(get.Port) {
		r.Add(finding.PreStopPort, fmt.Sprintf("the %s of container %s calls port %q: rejected, it is neither a number from 1 to 65535 nor a name", hook, container, get.Port.String()),
			"write the number without quotes, or the name of one of the container's ports")
	}
	switch get.Scheme {
	case "", corev1.URISchemeHTTP, corev1.URISchemeHTTPS:
	default:
		r.Add(finding.PreStopScheme, fmt.Sprintf("the %s of container %s has the scheme %s: rejected, it is neither HTTP nor HTTPS", hook, container, get.Scheme), "scheme: HTTP, or remove it")
	}
}

func (r *Result) validSleep(container string, sleep int64, grace time.Duration) {
	switch {
	case sleep < 0:
		r.Add(finding.SleepNegative, fmt.Sprintf("the hook of container %s sleeps for %d s: rejected", container, sleep), "write a positive number, or remove the hook")
	case manifest.Seconds(sleep) > grace:
		r.Add(finding.SleepTooLong, fmt.Sprintf("the hook of container %s sleeps for %d s, longer than the grace period of %s: rejected", container, sleep, Seconds(grace)),
			"a shorter sleep, or a longer terminationGracePeriodSeconds")
	case sleep == 0:
		r.Add(finding.SleepZero, fmt.Sprintf("the hook of container %s sleeps for 0 s: it does nothing, and is rejected before Kubernetes 1.33", container), "remove the hook")
	}
}

func (r *Result) validProbes(p *manifest.Program) {
	c := p.Container
	for _, named := range []struct {
		name  string
		probe *corev1.Probe
	}{{"livenessProbe", c.LivenessProbe}, {"startupProbe", c.StartupProbe}, {"readinessProbe", c.ReadinessProbe}} {
		if named.probe == nil || named.probe.TerminationGracePeriodSeconds == nil {
			continue
		}
		g := *named.probe.TerminationGracePeriodSeconds
		field := p.Path + "." + named.name + ".terminationGracePeriodSeconds"
		switch {
		case named.probe == c.ReadinessProbe:
			r.AddAt(field, finding.ProbeGraceInvalid, fmt.Sprintf("the readinessProbe of container %s has a grace period: rejected, since this probe does not kill containers", c.Name), "remove it; the pod's grace period is beside containers")
		case g <= 0:
			r.AddAt(field, finding.ProbeGraceInvalid, fmt.Sprintf("the %s of container %s has a grace period of %d: rejected", named.name, c.Name, g), "write a positive number, or remove it to use the pod's")
		}
	}
}
