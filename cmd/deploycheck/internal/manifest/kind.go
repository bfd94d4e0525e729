package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
)

// listOf reports whether this is a list, and the type of its items. The type is empty for a List of
// v1, whose items have their own.
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

// checkKind returns an error for an object that is meant to be a workload, but whose apiVersion and
// kind do not exist in Kubernetes. Such an object must not be skipped like other kinds. Groups with
// a dot may have kinds of the same name (Kruise's StatefulSet, Volcano's Job).
func checkKind(apiVersion, kind string) error {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		group = ""
	}
	if strings.Contains(group, ".") {
		return nil
	}
	isKnown := slices.Contains([]string{"", "apps", "batch", "extensions", "autoscaling", "policy"}, group)
	for known := range workloads {
		if strings.EqualFold(kind, known[1]) || strings.EqualFold(kind, known[1]+"s") || strings.EqualFold(kind, known[1]+"List") {
			if !isKnown {
				return fmt.Errorf("there is no group %s: custom groups have a dot in their name", group)
			}
			return fmt.Errorf("there is no kind %s in %s: want kind %s of %s", kind, apiVersion, known[1], known[0])
		}
	}
	if !isKnown {
		return nil // a file of another tool, such as skaffold.yaml
	}
	if revision := strings.TrimSuffix(kind, "List") == "ControllerRevision"; group == "batch" || group == "apps" && !revision {
		return fmt.Errorf("there is no kind %s in %s", kind, apiVersion)
	}
	return nil
}

// kindTwice reports whether an object has two kinds or two apiVersions.
func kindTwice(doc document) bool {
	for _, text := range doc.duplicates {
		if strings.Contains(text, `key "kind"`) || strings.Contains(text, `key "apiVersion"`) {
			return true
		}
	}
	var h head
	strict, _ := kjson.UnmarshalStrict(doc.raw, &h)
	return slices.ContainsFunc(strict, func(err error) bool {
		field := fieldOf(err)
		return isDuplicate(err) && (field == "kind" || field == "apiVersion")
	})
}

// hasPod reports whether an object of an unknown kind has a pod's containers in one of the usual
// places, as Argo's Rollout, Knative's Service or a misspelled kind does.
func hasPod(raw json.RawMessage) bool {
	type template struct {
		Spec struct {
			Containers []json.RawMessage `json:"containers"`
		} `json:"spec"`
	}
	var o struct {
		Template template `json:"template"`
		Spec     struct {
			Containers  []json.RawMessage `json:"containers"`
			Template    template          `json:"template"`
			JobTemplate struct {
				Spec struct {
					Template template `json:"template"`
				} `json:"spec"`
			} `json:"jobTemplate"`
		} `json:"spec"`
	}
	_ = json.Unmarshal(raw, &o) // a field of another type is not a pod's
	return len(o.Spec.Containers)+len(o.Spec.Template.Spec.Containers)+len(o.Spec.JobTemplate.Spec.Template.Spec.Containers)+len(o.Template.Spec.Containers) > 0
}

// qualified returns the kind, with its group if that is not one of Kubernetes.
func qualified(apiVersion, kind string) string {
	group, _, _ := strings.Cut(apiVersion, "/")
	if strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") {
		return kind + "." + group
	}
	return kind
}
