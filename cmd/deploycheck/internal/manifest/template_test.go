package manifest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

const (
	whole    = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: app, image: app}]}}}\n"
	partial  = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: app, command: [a]}]}}}\n"
	jsonList = "- {op: replace, path: /spec/replicas, value: 3}\n"
	helm     = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\nspec: {}\n"
)

// A file from which manifests are made is recognised, and told how to be rendered. A file that is
// only similar is a manifest.
func TestSources(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  []string // file, kind/name, and the command of the fix; "manifest" if there is none
	}{
		"a manifest":                      {map[string]string{"a.yaml": whole}, []string{"a.yaml Deployment/web manifest"}},
		"a template":                      {map[string]string{"a.yaml": helm}, []string{"a.yaml Template/a.yaml helm template CHART"}},
		"braces in a string":              {map[string]string{"a.yaml": strings.Replace(whole, "image: app", `image: app, args: ["{{.Name}}"]`, 1)}, []string{"a.yaml Deployment/web manifest"}},
		"a chart":                         {map[string]string{"c/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "c/templates/web.yaml": helm, "c/charts/x/templates/x.yaml": helm}, []string{"c/Chart.yaml Chart/shop helm template DIR/c"}},
		"the values of a chart":           {map[string]string{"c/Chart.yaml": "apiVersion: v2\nname: shop\n", "c/values.yaml": "kind: CronJob\n", "c/values-prod.yaml": "apiVersion: v1\n"}, []string{"c/Chart.yaml Chart/shop helm template DIR/c"}},
		"templates that are no chart's":   {map[string]string{"c/templates/web.yaml": whole}, []string{"c/templates/web.yaml Deployment/web manifest"}},
		"a kustomization with patches":    {map[string]string{"kustomization.yaml": "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\npatches: [{patch: x}]\n"}, []string{"kustomization.yaml Kustomization/ kustomize build DIR"}},
		"a kustomization without a kind":  {map[string]string{"Kustomization": "components: [../a]\n"}, []string{"Kustomization Kustomization/ kustomize build DIR"}},
		"a kustomization with a base":     {map[string]string{"kustomization.yml": "resources: [../base]\n"}, []string{"kustomization.yml Kustomization/ kustomize build DIR"}},
		"a kustomization with a URL":      {map[string]string{"kustomization.yml": "resources: ['https://example.org/a.yaml']\n"}, []string{"kustomization.yml Kustomization/ kustomize build DIR"}},
		"a kustomization with a chart":    {map[string]string{"kustomization.yml": "helmCharts: [{name: a}]\n"}, []string{"kustomization.yml Kustomization/ kustomize build DIR"}},
		"a kustomization in another form": {map[string]string{"kustomization.yml": "resources: {a: b}\n"}, []string{"kustomization.yml Kustomization/ kustomize build DIR"}},
		"a kustomization of files":        {map[string]string{"kustomization.yaml": "resources: [a.yaml]\nnamespace: shop\nimages: [{name: app, newTag: v2}]\n", "a.yaml": whole}, []string{"a.yaml Deployment/web manifest"}},
		"a component":                     {map[string]string{"kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"}, []string{"kustomization.yaml Component/ kustomize build DIR"}},
		"a Kustomization of Flux":         {map[string]string{"a.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {patches: [{patch: x}]}\n"}, nil},
		"a patch":                         {map[string]string{"a.yaml": partial}, []string{"a.yaml Deployment/web kustomize build DIR"}},
		"a patch with an unknown field":   {map[string]string{"a.yaml": strings.Replace(partial, "spec: {", "spec: {$patch: replace, x: y, ", 1)}, []string{"a.yaml Deployment/web kustomize build DIR"}},
		"a patch without containers":      {map[string]string{"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n"}, []string{"a.yaml Deployment/web kustomize build DIR"}},
		"a patch with a directive":        {map[string]string{"a.yaml": strings.Replace(whole, "containers: [", "containers: [{$patch: delete, name: b}, ", 1)}, []string{"a.yaml Deployment/web kustomize build DIR"}},
		"an empty list of containers":     {map[string]string{"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: []}}}\n"}, []string{"a.yaml Deployment/web manifest"}},
		"no selector, but an image":       {map[string]string{"a.yaml": strings.Replace(whole, "selector: {matchLabels: {a: b}}, ", "", 1)}, []string{"a.yaml Deployment/web manifest"}},
		"a JSON patch":                    {map[string]string{"a.yaml": jsonList}, []string{"a.yaml JSONPatch/ kustomize build DIR"}},
		"a patch that names an image": {
			map[string]string{"kustomization.yaml": "patches: [{path: p/a.yaml}]\n", "p/a.yaml": strings.Replace(whole, "selector: {matchLabels: {a: b}}, ", "", 1)},
			[]string{"kustomization.yaml Kustomization/ kustomize build DIR"},
		},
		"an old form of patches": {
			map[string]string{"kustomization.yaml": "patchesStrategicMerge: [./a.yaml]\n", "a.yaml": whole, "b.yaml": whole},
			[]string{"b.yaml Deployment/web manifest", "kustomization.yaml Kustomization/ kustomize build DIR"},
		},
		"a placeholder as a number":         {map[string]string{"a.yaml": strings.Replace(whole, "spec: {", "spec: {replicas: $REPLICAS, ", 1)}, []string{"a.yaml Deployment/web fill it in, and check the result"}},
		"a placeholder in a list":           {map[string]string{"a.yaml": strings.Replace(whole, "image: app", "image: app, ports: [{containerPort: '${PORT}'}]", 1)}, []string{"a.yaml Deployment/web fill it in, and check the result"}},
		"a placeholder as a name":           {map[string]string{"a.yaml": strings.Replace(whole, "name: web", "name: 'web-{{id}}'", 1)}, []string{"a.yaml Deployment/web-{{id}} fill it in, and check the result"}},
		"a placeholder in an embedded type": {map[string]string{"a.yaml": strings.Replace(whole, "containers: [", "volumes: [{name: v, fc: {lun: <number here>}}], containers: [", 1)}, []string{"a.yaml Deployment/web fill it in, and check the result"}},
		"a name with a dash":                {map[string]string{"a.yaml": strings.Replace(whole, "name: web", "name: web-id", 1)}, []string{"a.yaml Deployment/web-id manifest"}},
		"patches as paths": {
			map[string]string{"kustomization.yaml": "patches: [a.yaml]\n", "a.yaml": whole},
			[]string{"kustomization.yaml Kustomization/ kustomize build DIR"},
		},
		"a wrong type": {map[string]string{"a.yaml": strings.Replace(whole, "spec: {", "spec: {replicas: three, ", 1)}, []string{"a.yaml Deployment/web manifest wrong-type"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range tt.files {
				writeFile(t, dir, name, data)
			}
			var got []string
			for _, f := range manifest.Read([]string{dir}, "", nil)[0].Files {
				if len(f.Errs) > 0 {
					t.Errorf("%s: %v", f.Name, f.Errs)
				}
				for i := range f.Workloads {
					got = append(got, source(t, dir, &f.Workloads[i]))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
		})
	}
}

func source(t *testing.T, dir string, w *manifest.Workload) string {
	t.Helper()
	file, err := filepath.Rel(dir, w.File)
	if err != nil {
		t.Fatal(err)
	}
	how := "manifest"
	for _, f := range w.Faults {
		if f.Code != finding.NotRendered {
			how += " " + string(f.Code)
			continue
		}
		if w.Programs != nil || len(w.Faults) > 1 || strings.Contains(f.Message, "reject") {
			t.Errorf("%+v, want only that it was not checked", w)
		}
		how = strings.ReplaceAll(f.Fix, dir, "DIR")
		if _, command, ok := strings.Cut(how, ": "); ok {
			how = strings.TrimSuffix(command, " | deploycheck -")
		}
	}
	return filepath.ToSlash(fmt.Sprintf("%s %s/%s %s", file, w.Kind, w.Name, how))
}

// A patch that is named itself reports its kustomization. In a folder the finding about the
// kustomization stands for it.
func TestPatchOfAKustomization(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "overlay/kustomization.yaml", "patches: [{path: p/a.yaml}]\n")
	writeFile(t, dir, "overlay/p/a.yaml", whole)
	overlay := filepath.Join(dir, "overlay")
	for _, arg := range []string{filepath.Join(overlay, "p/a.yaml"), filepath.Join(overlay, "p")} {
		f := manifest.Read([]string{arg}, "", nil)[0].Files[0]
		if want := "kustomize build " + overlay + " |"; len(f.Workloads) != 1 || !f.Workloads[0].Has(finding.NotRendered) || !strings.Contains(f.Workloads[0].Faults[0].Fix, want) {
			t.Errorf("%s: %+v, want a patch with the fix %s", arg, f, want)
		}
	}
	if files := manifest.Read([]string{overlay}, "", nil)[0].Files; len(files) != 2 || len(files[0].Workloads) != 1 || len(files[1].Workloads) != 0 || len(files[1].Skipped) != 1 {
		t.Errorf("%+v, want a kustomization, and a patch that is skipped", files)
	}
}

// A template that is named itself reports its chart.
func TestTemplateOfAChart(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "shop/Chart.yaml", "name: shop\n")
	writeFile(t, dir, "shop/templates/api/web.yaml", strings.ReplaceAll(helm, "{{ .Release.Name }}", "'{{ .Release.Name }}'"))
	f := manifest.Read([]string{filepath.Join(dir, "shop/templates/api/web.yaml")}, "", nil)[0].Files[0]
	if want := "helm template " + filepath.Join(dir, "shop") + " |"; len(f.Workloads) != 1 || !f.Workloads[0].Has(finding.NotRendered) || !strings.Contains(f.Workloads[0].Faults[0].Fix, want) {
		t.Errorf("%+v, want a template with the fix %s", f, want)
	}
}
