package manifest

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// defaultContainer names the main container of a pod, for kubectl.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// pod fills the workload from the template of its pods. The programs are the containers that run when
// the pod stops: the regular containers, then the native sidecars in the order in which they start.
func (w *Workload) pod(pod *corev1.PodTemplateSpec) {
	w.Pod = pod
	w.Default = pod.Annotations[defaultContainer]
	spec := &pod.Spec
	w.Programs = make([]Program, 0, len(spec.Containers))
	for i := range spec.Containers {
		w.Programs = append(w.Programs, w.container(&spec.Containers[i], fmt.Sprintf("%s.containers[%d]", w.PodPath(), i)))
	}
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; IsSidecar(c) {
			p := w.container(c, fmt.Sprintf("%s.initContainers[%d]", w.PodPath(), i))
			p.Sidecar = true
			w.Programs = append(w.Programs, p)
		}
	}
}

// IsSidecar reports whether an init container is a native sidecar.
func IsSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func (w *Workload) container(c *corev1.Container, path string) Program {
	p := Program{
		Name: c.Name, Path: path, Container: c,
		Grace: w.grace(),
		// The default of the container runtime for an image without STOPSIGNAL
		// (kubernetes.io, Pod Lifecycle, "Stop Signals", 1.33).
		Signal:  Setting[string]{Value: "SIGTERM", Field: path + ".lifecycle.stopSignal"},
		Command: Setting[[]string]{Field: path + ".command"},
	}
	if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
		p.Signal.Value = string(*c.Lifecycle.StopSignal)
		p.Signal.Text = cmp.Or(p.Signal.Value, `""`)
	}
	if len(c.Command) > 0 { // else the image's entrypoint runs
		p.Command.Value = append(c.Command[:len(c.Command):len(c.Command)], c.Args...)
		p.Command.Text = strings.Join(p.Command.Value, " ")
	}
	for i := range c.Env {
		v := Variable{Name: c.Env[i].Name, Field: fmt.Sprintf("%s.env[%d]", path, i)}
		v.Value, v.Known = w.value(&c.Env[i])
		p.Env = append(p.Env, v)
	}
	for _, port := range c.Ports {
		p.Ports = append(p.Ports, Port{Number: int(port.ContainerPort), Name: port.Name})
	}
	return p
}

// grace is the effective grace period of the pod. The API server replaces a negative one by 1 s
// (kubernetes#115606).
func (w *Workload) grace() Setting[time.Duration] {
	field := w.PodPath() + ".terminationGracePeriodSeconds"
	g := Setting[time.Duration]{
		// corev1.DefaultTerminationGracePeriodSeconds (k8s.io/api 0.37, core/v1/types.go)
		Value:  corev1.DefaultTerminationGracePeriodSeconds * time.Second,
		Field:  field,
		Beside: w.PodPath() + ".containers",
		Write:  func(d time.Duration) string { return fmt.Sprintf("%s: %d", field, int64(d/time.Second)) },
	}
	if s := w.Pod.Spec.TerminationGracePeriodSeconds; s != nil {
		g.Text = strconv.FormatInt(*s, 10)
		if g.Value = Seconds(*s); *s < 0 {
			g.Value = time.Second
		}
	}
	return g
}

// Seconds limits the values of a file, so that sums do not overflow.
func Seconds(s int64) time.Duration {
	const most = 1 << 31 // 68 years
	return time.Duration(min(max(s, -most), most)) * time.Second
}

// value returns the value of a variable, if it is literal or an annotation of the pod.
func (w *Workload) value(e *corev1.EnvVar) (string, bool) {
	if e.ValueFrom == nil {
		return e.Value, !placeholders.MatchString(e.Value)
	}
	if e.ValueFrom.FieldRef == nil {
		return "", false
	}
	key, ok := strings.CutPrefix(e.ValueFrom.FieldRef.FieldPath, "metadata.annotations['")
	key, closed := strings.CutSuffix(key, "']")
	return w.Pod.Annotations[key], ok && closed
}
