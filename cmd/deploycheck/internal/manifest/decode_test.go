package manifest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app}]}\n"

const merged = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - &c {name: app, image: a}\n"

// A summary has the parts of a File that the tests compare.
type summary struct {
	Workloads []string // kind/name of the workloads without faults
	Faulty    []string // kind/name and text of each fault
	Skipped   []string
	Errs      []string
}

func summarize(f manifest.File) summary {
	var s summary
	for _, w := range f.Workloads {
		name := fmt.Sprintf("%s/%s@%d", w.Kind, w.Name, w.Document)
		if w.Pod == nil || len(w.Faults) > 0 {
			for _, fault := range w.Faults {
				s.Faulty = append(s.Faulty, name+" "+fault.Message)
			}
			continue
		}
		s.Workloads = append(s.Workloads, name)
	}
	s.Skipped = f.Skipped
	for _, err := range f.Errs {
		s.Errs = append(s.Errs, err.Error())
	}
	return s
}

func TestDecode(t *testing.T) {
	tests := map[string]struct {
		data string
		want summary
	}{
		"nothing":                      {"", summary{}},
		"comments only":                {"# a\n---\n# b\n", summary{}},
		"a Pod":                        {pod, summary{Workloads: []string{"Pod/a@1"}}},
		"a byte order mark":            {"\ufeff" + pod, summary{Workloads: []string{"Pod/a@1"}}},
		"carriage returns":             {strings.ReplaceAll(pod+"---\n"+pod, "\n", "\r\n"), summary{Workloads: []string{"Pod/a@1", "Pod/a@2"}}},
		"lone carriage returns":        {strings.ReplaceAll(pod+"---\n"+pod, "\n", "\r"), summary{Workloads: []string{"Pod/a@1", "Pod/a@2"}}},
		"documents, one of them empty": {pod + "---\n# nothing\n---  # a comment\n" + pod, summary{Workloads: []string{"Pod/a@1", "Pod/a@3"}}},
		"a document on the separator's line": {
			"--- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n--- {apiVersion: v1, kind: Pod, metadata: {generateName: b-}}",
			summary{Workloads: []string{"Pod/a@1", "Pod/b-*@2"}},
		},
		"JSON":           {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"\ud83d\ude00\/"}}`, summary{Workloads: []string{"Pod/😀/@1"}}},
		"JSON documents": {`{"apiVersion":"v1","kind":"Pod"} {"apiVersion":"v1","kind":"Service"}`, summary{Workloads: []string{"Pod/@1"}, Skipped: []string{"Service"}}},
		"other kinds": {
			"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\n---\napiVersion: batch.volcano.sh/v1alpha1\nkind: Job\n---\nreplicas: 3\n",
			summary{Skipped: []string{"Rollout.argoproj.io", "Ingress", "Job.batch.volcano.sh", "non-Kubernetes"}},
		},
		"a List": {
			"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Service}\n",
			summary{Workloads: []string{"Pod/a@1"}, Skipped: []string{"Service"}},
		},
		"a list of one kind": {
			"apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: a}}]",
			summary{Workloads: []string{"Deployment/a@1"}},
		},
		"anchors": {"x: &s {name: app}\napiVersion: v1\nkind: Pod\nspec: {containers: [*s]}", summary{Faulty: []string{`Pod/@1 unknown field "x"`}}},

		"a key that overrides a merged key": {
			merged + "  - {<<: *c, name: b}\n", summary{Workloads: []string{"Pod/a@1"}},
		},
		"a merge key that overrides a key before it": {
			merged + "  - {name: b, <<: *c}\n",
			summary{Faulty: []string{"Pod/a@1 the merge key << overrides a key before it: write it first"}},
		},
		"a merge key and a duplicate key": {
			merged + "  - {<<: *c, name: b, name: c}\n", summary{Faulty: []string{`Pod/a@1 line 7: key "name" already set in map`}},
		},
		"text that looks like a merge key": {
			merged + "  - {<<: *c, name: b, args: [\"x: {<<: y}\"]}\n", summary{Workloads: []string{"Pod/a@1"}},
		},

		"a second document without a separator": {
			"{apiVersion: v1, kind: Pod}\n{apiVersion: v1, kind: Pod}",
			summary{Workloads: []string{"Pod/@1"}, Errs: []string{"x.yaml: document 2: yaml: line 1: did not find expected <document start>"}},
		},
		"a template": {
			"apiVersion: v1\nkind: Pod\n{{ if .Values.x }}\n",
			summary{Faulty: []string{"Template/x.yaml@0 this is a template: nothing in it was checked"}},
		},
		"an array":          {"- apiVersion: v1", summary{Errs: []string{"x.yaml: document 1: this is not a Kubernetes object"}}},
		"text":              {"text", summary{Errs: []string{"x.yaml: document 1: this is not a Kubernetes object"}}},
		"not text":          {"a: \x00\x01", summary{Errs: []string{"x.yaml: document 1: yaml: control characters are not allowed"}}},
		"an old API":        {"apiVersion: extensions/v1beta1\nkind: Deployment", summary{Errs: []string{"x.yaml: document 1: there is no kind Deployment in extensions/v1beta1: want kind Deployment of apps/v1"}}},
		"a misspelled kind": {"apiVersion: apps/v1\nkind: deployment", summary{Errs: []string{"x.yaml: document 1: there is no kind deployment in apps/v1: want kind Deployment of apps/v1"}}},
		"an unknown kind":   {"apiVersion: apps/v1\nkind: Deploymnet", summary{Errs: []string{"x.yaml: document 1: there is no kind Deploymnet in apps/v1"}}},
		"an unknown group":  {"apiVersion: app/v1\nkind: Deployment", summary{Errs: []string{"x.yaml: document 1: there is no group app: custom groups have a dot in their name"}}},
		"other kinds of the same groups": {
			"apiVersion: apps/v1\nkind: ControllerRevision\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget\n",
			summary{Skipped: []string{"ControllerRevision", "PodDisruptionBudget"}},
		},
		"an unknown kind with pods": {
			"apiVersion: v1\nkind: PodTemplate\nmetadata: {name: a}\nspec: {replicas: x, template: {spec: {containers: [{name: app}]}}}",
			summary{Faulty: []string{"PodTemplate/a@1 deploycheck does not know kind PodTemplate of v1, which has a pod's containers: not checked"}},
		},
		"two kinds": {
			"kind: Pod\napiVersion: v1\nkind: Service",
			summary{Errs: []string{"x.yaml: document 1: apiVersion or kind occurs twice: the kind of this object is unclear"}},
		},
		"two kinds, in JSON": {
			`{"apiVersion":"v1","kind":"Pod","kind":"Service"}`,
			summary{Errs: []string{"x.yaml: document 1: apiVersion or kind occurs twice: the kind of this object is unclear"}},
		},
		"another group":                      {"apiVersion: v1\nkind: Job", summary{Errs: []string{"x.yaml: document 1: there is no kind Job in v1: want kind Job of batch/v1"}}},
		"no kind":                            {"apiVersion: v1\nKind: Pod", summary{Errs: []string{`x.yaml: document 1: apiVersion is "v1" and kind is "": an object needs both`}}},
		"a spec without apiVersion and kind": {"spec: {containers: []}", summary{Errs: []string{`x.yaml: document 1: apiVersion is "" and kind is "": an object needs both`}}},
		"a null item": {
			"apiVersion: v1\nkind: List\nitems: [null, {apiVersion: v1, kind: pod}]",
			summary{Errs: []string{"x.yaml: document 1: items[0]: this is not a Kubernetes object", "x.yaml: document 1: items[1]: there is no kind pod in v1: want kind Pod of v1"}},
		},
		"a list with an unknown field": {
			"apiVersion: v1\nkind: List\nitem: []",
			summary{Errs: []string{`x.yaml: document 1: unknown field "item"`}},
		},
		"a list with duplicate items": {
			"apiVersion: v1\nkind: List\nitems: []\nitems: []",
			summary{Errs: []string{`x.yaml: document 1: line 4: key "items" already set in map`}},
		},

		"a duplicate key, in YAML": {pod + "kind: Pod\n", summary{Faulty: []string{`Pod/a@1 line 5: key "kind" already set in map`}}},
		"a duplicate key, in JSON": {
			`{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":true,"hostNetwork":false}}`,
			summary{Faulty: []string{`Pod/@1 duplicate field "spec.hostNetwork"`}},
		},
		"an unknown field": {
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {selector: {}, template: {spec: {containers: [{nmae: app}]}}}",
			summary{Faulty: []string{`Deployment/a@1 unknown field "spec.template.spec.containers[0].nmae"`}},
		},
		"a field in the wrong case": {"apiVersion: v1\nkind: Pod\nSpec: {}", summary{Faulty: []string{`Pod/@1 unknown field "Spec"`}}},
		"a wrong type": {
			"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {terminationGracePeriodSeconds: 30s}",
			summary{Faulty: []string{"Pod/a@1 spec.terminationGracePeriodSeconds: got a string, want a whole number"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := summarize(manifest.Decode("x.yaml", "", []byte(tt.data)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Decode(%q) (-want +got):\n%s", tt.data, diff)
			}
		})
	}
}

// The last of two equal keys counts, as in Kubernetes, in YAML and in JSON.
func TestLastDuplicateCounts(t *testing.T) {
	for _, data := range []string{
		pod + "spec: {terminationGracePeriodSeconds: 5, containers: [{name: app}]}\n",
		"apiVersion: v1\nkind: Pod\nspec: {terminationGracePeriodSeconds: 30, terminationGracePeriodSeconds: 5}",
		`{"apiVersion":"v1","kind":"Pod","spec":{"terminationGracePeriodSeconds":30,"terminationGracePeriodSeconds":5}}`,
	} {
		f := manifest.Decode("x.yaml", "", []byte(data))
		if len(f.Workloads) != 1 || len(f.Workloads[0].Faults) != 1 {
			t.Errorf("%s\n%+v, want a workload with a fault", data, f)
			continue
		}
		if g := f.Workloads[0].Pod.Spec.TerminationGracePeriodSeconds; g == nil || *g != 5 {
			t.Errorf("%s\ngrace period %v, want 5", data, g)
		}
	}
}

func TestNestedLists(t *testing.T) {
	list := func(depth int) string {
		data := `{"apiVersion":"v1","kind":"Pod"}`
		for range depth {
			data = `{"apiVersion":"v1","kind":"List","items":[` + data + `]}`
		}
		return data
	}
	if f := manifest.Decode("x.json", "", []byte(list(4))); len(f.Workloads) != 1 || len(f.Errs) != 0 {
		t.Errorf("4 deep: %+v, want a workload", f)
	}
	if f := manifest.Decode("x.json", "", []byte(list(5))); len(f.Workloads) != 0 || len(f.Errs) != 1 {
		t.Errorf("5 deep: %+v, want an error", f)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) { writeFile(t, dir, name, data) }
	write("a.yaml", pod)
	write("sub/b.YML", pod)
	write("sub/c.json", `{"apiVersion": "v1", "kind": "Service"}`)
	write("sub/d.txt", "not read")
	write("sub/.hidden/e.yaml", "not read")
	if err := os.Symlink("a.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "broken.yaml")); err != nil {
		t.Fatal(err)
	}

	inputs := manifest.Read([]string{dir, "-", filepath.Join(dir, "sub", "none.yaml")}, "", strings.NewReader(pod))
	if len(inputs) != 3 {
		t.Fatalf("%d inputs, want 3", len(inputs))
	}
	var names []string
	for _, f := range inputs[0].Files {
		name, err := filepath.Rel(dir, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s: %d, %d errors", filepath.ToSlash(name), len(f.Workloads), len(f.Errs)))
	}
	want := []string{"a.yaml: 1, 0 errors", "broken.yaml: 0, 1 errors", "link.yaml: 1, 0 errors", "sub/b.YML: 1, 0 errors", "sub/c.json: 0, 0 errors"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files of the directory (-want +got):\n%s", diff)
	}
	if f := inputs[1].Files[0]; f.Name != "-" || len(f.Workloads) != 1 {
		t.Errorf("standard input: %+v, want a workload", f)
	}
	if f := inputs[2].Files[0]; len(f.Errs) != 1 {
		t.Errorf("a file that does not exist: %+v, want an error", f)
	}
}

func writeFile(t *testing.T, dir, name, data string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// documents returns n Deployments.
func documents(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, deployment, i)
	}
	return []byte(b.String())
}

const deployment = `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-%d
  labels: {app.kubernetes.io/name: web}
spec:
  replicas: 3
  selector:
    matchLabels: {app.kubernetes.io/name: web}
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      labels: {app.kubernetes.io/name: web}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - name: app
          image: registry.example/web:1
          args: [-addr, ":8080"]
          ports:
            - {name: http, containerPort: 8080}
            - {name: admin, containerPort: 9090}
          env:
            - {name: TERMINATION_GRACE_PERIOD_SECONDS, value: "30"}
          lifecycle:
            preStop:
              httpGet: {path: /prestop, port: admin}
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 2
          livenessProbe:
            httpGet: {path: /livez, port: admin}
          resources:
            requests: {cpu: 100m, memory: 64Mi}
            limits: {memory: 64Mi}
`

// Decoding takes well under a second of CPU time. The bound allows for the race detector on a machine
// that twenty others use: it finds what is not linear.
func TestThousandDocuments(t *testing.T) {
	const bound = 2 * time.Minute
	data := documents(1000)
	start := time.Now()
	f := manifest.Decode("x.yaml", "", data)
	if took := time.Since(start); took > bound {
		t.Errorf("took %v, want at most %v", took, bound)
	}
	if len(f.Workloads) != 1000 || len(f.Errs) != 0 {
		t.Errorf("%d workloads, errors %v, want 1000 and none", len(f.Workloads), f.Errs)
	}
}

func BenchmarkThousandDocuments(b *testing.B) {
	data := documents(1000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if f := manifest.Decode("x.yaml", "", data); len(f.Workloads) != 1000 {
			b.Fatalf("%d workloads, want 1000", len(f.Workloads))
		}
	}
}
