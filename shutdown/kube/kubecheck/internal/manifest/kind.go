package manifest

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// listOf reports whether this is a list, and of what: nothing for the List of v1, whose
// items say it themselves.
func listOf(apiVersion, kind string) (items metav1.TypeMeta, ok bool) {
	if apiVersion == "v1" && kind == "List" {
		return items, true
	}
	item, ok := strings.CutSuffix(kind, "List")
	if _, isWorkload := workloads[[2]string{apiVersion, item}]; !ok || !isWorkload {
		return items, false
	}
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: item}, true
}

// checkKind returns an error for what is meant to be a workload but is none that
// Kubernetes has: it must not be passed over like another kind. Other groups may have
// kinds of the same name (Kruise's StatefulSet, Volcano's Job).
func checkKind(apiVersion, kind string) error {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		group = ""
	}
	switch group {
	case "", "apps", "batch", "extensions":
	default:
		return nil
	}
	for known := range workloads {
		if strings.EqualFold(kind, known[1]) || strings.EqualFold(kind, known[1]+"s") || strings.EqualFold(kind, known[1]+"List") {
			return fmt.Errorf("there is no kind %s in %s: want kind %s of %s", kind, apiVersion, known[1], known[0])
		}
	}
	return nil
}

// qualified is the kind with its group, if that is not one of Kubernetes' own.
func qualified(apiVersion, kind string) string {
	group, _, _ := strings.Cut(apiVersion, "/")
	if strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") {
		return kind + "." + group
	}
	return kind
}
