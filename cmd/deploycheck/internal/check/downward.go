package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// The fields of the downward API: for variables, for files, and the resources of a container
// (validEnvDownwardAPIFieldPathExpressions and its neighbours in pkg/apis/core/validation/validation.go of
// Kubernetes).
var (
	downwardVariables = []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
	downwardFiles     = []string{"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"}
	downwardResources = []string{
		"limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage",
	}
)

// downward finds fields that the downward API does not have, such as the grace period.
func (r *Result) downward(w *manifest.Workload) {
	pod := &w.Pod.Spec
	defer r.at("")()
	for _, list := range []struct {
		name       string
		containers []corev1.Container
	}{{"initContainers", pod.InitContainers}, {"containers", pod.Containers}} {
		for i, c := range list.containers {
			for j, e := range c.Env {
				if e.ValueFrom != nil {
					r.field = fmt.Sprintf("%s.%s[%d].env[%d]", w.PodPath(), list.name, i, j)
					r.offered(fmt.Sprintf("$%s of container %s", e.Name, c.Name), e.ValueFrom.FieldRef, e.ValueFrom.ResourceFieldRef, downwardVariables)
				}
			}
		}
	}
	for i := range pod.Volumes {
		r.field = fmt.Sprintf("%s.volumes[%d]", w.PodPath(), i)
		r.downwardVolume(&pod.Volumes[i])
	}
}

func (r *Result) downwardVolume(v *corev1.Volume) {
	var files []corev1.DownwardAPIVolumeFile
	if v.DownwardAPI != nil {
		files = v.DownwardAPI.Items
	}
	if v.Projected != nil {
		for _, source := range v.Projected.Sources {
			if source.DownwardAPI != nil {
				files = append(files, source.DownwardAPI.Items...)
			}
		}
	}
	for _, f := range files {
		r.offered(fmt.Sprintf("%s of volume %s", f.Path, v.Name), f.FieldRef, f.ResourceFieldRef, downwardFiles)
	}
}

func (r *Result) offered(who string, field *corev1.ObjectFieldSelector, resource *corev1.ResourceFieldSelector, fields []string) {
	const fix = "write the value a second time, from the same template; deploycheck compares the two"
	if field != nil && !slices.Contains(fields, field.FieldPath) && !subscripted(field.FieldPath) {
		r.Add(finding.DownwardAPI, fmt.Sprintf("%s: the downward API has no field %s: rejected", who, field.FieldPath), fix)
	}
	if resource != nil && !slices.Contains(downwardResources, resource.Resource) && !hugePages(resource.Resource) {
		r.Add(finding.DownwardAPI, fmt.Sprintf("%s: the downward API has no resource %s: rejected", who, resource.Resource), fix)
	}
}

// subscripted reports whether the field is a single label or annotation.
func subscripted(field string) bool {
	label, isLabel := strings.CutPrefix(field, "metadata.labels['")
	annotation, isAnnotation := strings.CutPrefix(field, "metadata.annotations['")
	return isLabel && strings.HasSuffix(label, "']") || isAnnotation && strings.HasSuffix(annotation, "']")
}

func hugePages(resource string) bool {
	return strings.HasPrefix(resource, "limits.hugepages-") || strings.HasPrefix(resource, "requests.hugepages-")
}
