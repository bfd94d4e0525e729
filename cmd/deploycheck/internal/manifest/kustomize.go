package manifest

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kustomizations are the names that kustomize looks for
// (sigs.k8s.io/kustomize/api/konfig, RecognizedKustomizationFileNames).
var kustomizations = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// kustomization has the fields that say whether the files beside it are what is deployed.
type kustomization struct {
	Resources    []string `json:"resources" yaml:"resources"`
	Bases        []string `json:"bases" yaml:"bases"`
	Patches      []any    `json:"patches" yaml:"patches"` // with a path, or in old files the path itself
	PatchesJSON  []any    `json:"patchesJson6902" yaml:"patchesJson6902"`
	PatchesMerge []string `json:"patchesStrategicMerge" yaml:"patchesStrategicMerge"`
	Components   []string `json:"components" yaml:"components"`
	Replacements []any    `json:"replacements" yaml:"replacements"`
	Charts       []any    `json:"helmCharts" yaml:"helmCharts"`
	OldCharts    []any    `json:"helmChartInflationGenerator" yaml:"helmChartInflationGenerator"`
	Generators   []string `json:"generators" yaml:"generators"`
	Transformers []string `json:"transformers" yaml:"transformers"`
}

// changes returns the first reason why the files beside the kustomization are not what is deployed, or
// "".
func (k *kustomization) changes() string {
	elsewhere := func(resource string) bool {
		return !isManifest(strings.ToLower(resource)) || strings.Contains(resource, "://")
	}
	switch {
	case len(k.Patches)+len(k.PatchesJSON)+len(k.PatchesMerge) > 0:
		return "patches"
	case len(k.Components) > 0:
		return "components"
	case len(k.Charts)+len(k.OldCharts) > 0:
		return "helmCharts"
	case len(k.Generators)+len(k.Transformers)+len(k.Replacements) > 0:
		return "generators, transformers or replacements"
	case len(k.Bases) > 0 || slices.ContainsFunc(k.Resources, elsewhere):
		return "resources that are not files"
	}
	return ""
}

// isPatch reports whether the kustomization uses the file, whose path is relative to it, as a patch.
func (k *kustomization) isPatch(path string) bool {
	patches := slices.Concat(k.Patches, k.PatchesJSON)
	for _, p := range k.PatchesMerge {
		patches = append(patches, p)
	}
	return slices.ContainsFunc(patches, func(p any) bool {
		if fields, ok := p.(map[string]any); ok {
			p = fields["path"]
		}
		used, ok := p.(string)
		return ok && used != "" && filepath.Clean(used) == path
	})
}

func isKustomization(name string, h head) bool {
	group, _, _ := strings.Cut(h.APIVersion, "/")
	return group == "kustomize.config.k8s.io" || h.Kind == "" && h.APIVersion == "" && slices.Contains(kustomizations, filepath.Base(name))
}

// kustomization adds a kustomization whose result is not in the files beside it. Any other one is an
// object like a Service: its files are checked as they are.
func (f *File) kustomization(at place, raw json.RawMessage, h head) {
	var k kustomization
	err := json.Unmarshal(raw, &k)
	changes := k.changes()
	if err != nil {
		changes = "fields of another form"
	}
	if h.Kind == "Component" {
		f.source(at, "Component", looseName(h.Metadata), "a component of kustomize: its result was not checked", "check the result of a kustomization that uses it: kustomize build DIR | deploycheck -")
		return
	}
	if changes == "" {
		f.Skipped = append(f.Skipped, "Kustomization")
		return
	}
	f.source(at, "Kustomization", looseName(h.Metadata), "a kustomization with "+changes+": its result was not checked", buildFix(filepath.Dir(f.Name)))
}

func buildFix(dir string) string {
	return "check the result: kustomize build " + dir + " | deploycheck -"
}

// patchedBy returns the folder of the kustomization that uses the file as a patch, or "". It looks
// beside the file, and in the folder above.
func patchedBy(name string) string {
	if name == Stdin {
		return ""
	}
	for _, dir := range []string{filepath.Dir(name), filepath.Dir(filepath.Dir(name))} {
		path, err := filepath.Rel(dir, name)
		if err != nil || slices.Contains(kustomizations, path) {
			continue
		}
		for _, base := range kustomizations {
			data, err := os.ReadFile(filepath.Join(dir, base))
			if err != nil {
				continue
			}
			var k kustomization
			if _ = yaml.Unmarshal(data, &k); k.isPatch(path) { // the fields without faults are set
				return dir
			}
		}
	}
	return ""
}

// isPatch reports whether an object of a workload's kind is a patch for one: it has a directive, or it
// has neither a selector, which the API server requires, nor an image.
func isPatch(raw json.RawMessage, kind string) bool {
	var o struct {
		Patch string `json:"$patch"`
		Spec  struct {
			Selector any `json:"selector"`
			Template *struct {
				Spec struct {
					Containers *[]struct {
						Image string `json:"image"`
					} `json:"containers"`
				} `json:"spec"`
			} `json:"template"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return hasDirective(raw)
	}
	selects := !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, kind) || o.Spec.Selector != nil
	if selects {
		return o.Patch != "" || hasDirective(raw)
	}
	if o.Spec.Template == nil || o.Spec.Template.Spec.Containers == nil {
		return true
	}
	containers := *o.Spec.Template.Spec.Containers
	for _, c := range containers {
		if c.Image != "" {
			return hasDirective(raw)
		}
	}
	return len(containers) > 0
}

// hasDirective reports whether a mapping has a directive of a strategic merge patch.
func hasDirective(raw json.RawMessage) bool {
	return strings.Contains(string(raw), `"$patch":`) || strings.Contains(string(raw), `"$setElementOrder/`) || strings.Contains(string(raw), `"$retainKeys":`)
}

// isJSONPatch reports whether the document is a list of operations (RFC 6902).
func isJSONPatch(raw json.RawMessage) bool {
	var operations []struct {
		Op   string `json:"op"`
		Path string `json:"path"`
	}
	if err := json.Unmarshal(raw, &operations); err != nil || len(operations) == 0 {
		return false
	}
	for _, o := range operations {
		if o.Op == "" || !strings.HasPrefix(o.Path, "/") {
			return false
		}
	}
	return true
}

// patch adds a patch. dir is the folder of the kustomization that uses it, if that is known.
func (f *File) patch(at place, kind, name, dir string) {
	f.source(at, kind, name, "a patch: it is not an object of its own, and was not checked", buildFix(cmp.Or(dir, "DIR")))
	f.Workloads[len(f.Workloads)-1].patchedBy = dir
}

// dropPatches removes the patches of kustomizations in the folder that is read: the finding about the
// kustomization stands for them.
func (f *File) dropPatches(dir string) {
	f.Workloads = slices.DeleteFunc(f.Workloads, func(w Workload) bool {
		if w.patchedBy == "" {
			return false
		}
		rel, err := filepath.Rel(dir, w.patchedBy)
		drop := err == nil && filepath.IsLocal(rel)
		if drop {
			f.Skipped = append(f.Skipped, "patch")
		}
		return drop
	})
}
