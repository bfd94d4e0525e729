package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// neighbours adds notes on how the other containers affect the program's stop. The kubelet stops the native
// sidecars last, and gives each two seconds at least (minimumGracePeriodInSeconds in pkg/kubelet/kuberuntime of
// Kubernetes).
func (s *subject) neighbours() {
	programs := s.workload.Programs
	var others []string // in the order in which they stop: last started, first stopped
	for i := len(programs) - 1; i >= 0; i-- {
		switch p := &programs[i]; {
		case !p.Sidecar:
		case p == s.program:
			s.Add(finding.SidecarProgram, "the program is a native sidecar: its hook runs at the pod's deletion, but SIGTERM comes only after all regular containers have exited; the program then has the rest of the grace period, at least 2 s",
				"make it a regular container, or make sure that the other containers leave enough time")
		default:
			others = append(others, p.Name)
		}
	}
	if len(others) > 0 {
		s.Add(finding.NativeSidecars, fmt.Sprintf("native sidecars get SIGTERM after the regular containers have exited, one after the other, in this order: %s; they have the rest of the grace period, at least 2 s", list(others)),
			"nothing: the program can use them until it has exited; only their hooks run at the pod's deletion")
	}
	for i := range programs {
		p := &programs[i]
		if p == s.program {
			continue
		}
		other := newSubject(&Result{Sums: &Sums{}, silent: true}, Budget{}, s.workload, p)
		if other.hook(); other.Sums.PreStop > s.Sums.PreStop {
			s.AddAt(p.Path+".lifecycle.preStop", finding.NeighbourSlow, fmt.Sprintf("the hook of %s waits for %s, longer than the program's: the program loses no time, since both hooks run at the same time", p.Name, Seconds(other.Sums.PreStop)),
				"nothing; the pod ends with its last container")
		}
		s.proxy(p, other)
	}
}

// proxies are the names of proxies, as names of containers or at the end of the image's name: those of
// Istio, Envoy, Linkerd and Google Cloud SQL.
var proxies = []string{"istio-proxy", "proxyv2", "envoy", "linkerd-proxy", "linkerd/proxy", "cloud-sql-proxy", "cloudsql-proxy", "gce-proxy"}

// proxy finds a proxy that stops at the same time as the program, which then drains without it. beside
// is the proxy with its hook. The versions are those of the feature gate SidecarContainers in
// pkg/features/kube_features.go of Kubernetes.
func (s *subject) proxy(p *manifest.Program, beside *subject) {
	c := p.Container
	if p.Sidecar || s.program.Sidecar || !isProxy(c) || beside.Mode == Foreign || beside.Sums.PreStop >= s.Sums.Required() {
		return
	}
	s.AddAt(p.Path, finding.ProxyBeside, fmt.Sprintf("%s is a proxy, and gets SIGTERM %s after the pod's deletion, when the program still needs it: the program's connections may break during its drain", c.Name, Seconds(beside.Sums.PreStop)),
		"make it a native sidecar, which stops after the program: an init container with restartPolicy: Always (on by default since Kubernetes 1.29, stable in 1.33)")
}

func isProxy(c *corev1.Container) bool {
	image, _, _ := strings.Cut(c.Image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return slices.ContainsFunc(proxies, func(name string) bool {
		return c.Name == name || image == name || strings.HasSuffix(image, "/"+name)
	})
}

// restarts finds a restart policy of a regular container, which is not what makes a native sidecar. The
// versions are those of the feature gates ContainerRestartRules and RestartAllContainersOnContainerExits
// in pkg/features/kube_features.go of Kubernetes.
func (r *Result) restarts(p *manifest.Program) {
	c := p.Container
	if manifest.IsSidecar(c) && !p.Sidecar && len(c.RestartPolicyRules) == 0 {
		r.AddAt(p.Path+".restartPolicy", finding.SidecarNotInit, fmt.Sprintf("container %s has restartPolicy: Always, but is not an init container: it stops at the same time as the others, and not after them (the field is rejected before Kubernetes 1.34, and without the feature gate ContainerRestartRules, on by default since 1.35)", c.Name),
			"for a native sidecar move it to initContainers; otherwise remove restartPolicy")
	}
	if len(c.RestartPolicyRules) > 0 {
		r.AddAt(p.Path+".restartPolicyRules", finding.RestartRules, fmt.Sprintf("container %s has restartPolicyRules: alpha in Kubernetes 1.34, on by default since 1.35; the action RestartAllContainers is alpha in 1.35. They say what follows an exit, and do not change how the pod stops", c.Name),
			"nothing; without the feature gate the restart policy of the pod applies")
	}
}
