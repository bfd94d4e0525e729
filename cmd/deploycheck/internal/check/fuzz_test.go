package check_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

const lastPod = "\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: last}\nspec: {containers: [{name: app}]}\n"

// For any data, decoding and checking do not panic, and an object that was not understood never has
// the verdict ok.
func FuzzManifest(f *testing.F) {
	for _, rule := range rules {
		for _, o := range rule.has {
			f.Add([]byte(o.yaml()))
		}
	}
	f.Add([]byte("apiVersion: v1\nkind: Pod\nspec: {{ .Values.pod }}"))
	f.Add([]byte("- {op: add, path: /a, value: 1}"))
	f.Add([]byte("apiVersion: apps/v1\nkind: Deployment\nspec: {$patch: delete, replicas: $N}"))
	f.Add([]byte("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches: [{path: a}]"))
	f.Add([]byte("a: b\n--- {c: d}\n...\n# e\n"))
	f.Add([]byte("{apiVersion: v1, kind: Pod} rest"))
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod"}]}{}`))
	f.Add([]byte("a: &x [b]\nc: {<<: {d: e}, f: *x}\r---\r? g\n: h"))
	b := check.Budget{Drain: 20 * time.Second, Margin: 2 * time.Second, Signals: []string{"SIGTERM"}, PreStop: check.Handshake{Path: "/prestop"}}

	f.Fuzz(func(t *testing.T, data []byte) {
		file := manifest.Decode("x.yaml", "", data)
		for i := range file.Workloads {
			w := &file.Workloads[i]
			for _, r := range b.Workload(w) {
				understood := w.Pod != nil && len(w.Faults) == 0
				if !understood && r.Severity() == finding.Note && len(b.Workload(w)) == 1 {
					t.Errorf("faults %v, verdict %s", w.Faults, r.Severity().Verdict())
				}
				if r.Sums == nil && len(r.Findings) == 0 {
					t.Error("no container of the workload was checked, and there is no finding")
				}
				if r.Sums != nil && (r.Sums.Required() < 0 || r.Sums.Headroom() < 0 && r.Severity() != finding.Error) {
					t.Errorf("verdict %s: %v", r.Severity().Verdict(), r.Sums)
				}
			}
			if w.Pod != nil && len(w.Faults) == 0 {
				roundTrip(t, w)
			}
		}
		for _, err := range file.Errs {
			if r := check.FileError(err); r.Severity() != finding.Error {
				t.Errorf("%v: verdict %s", err, r.Severity().Verdict())
			}
		}
		allRead(t, file, data)
	})
}

// roundTrip checks that decoding loses nothing: encoding and decoding the pod gives the same pod.
func roundTrip(t *testing.T, w *manifest.Workload) {
	t.Helper()
	object := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": w.Pod.ObjectMeta, "spec": w.Pod.Spec}
	data, err := json.Marshal(object)
	if err != nil {
		return // such as an intstr of an unknown type
	}
	again := manifest.Decode("x.json", "", data)
	if len(again.Workloads) != 1 || len(again.Workloads[0].Faults) != 0 {
		t.Fatalf("%s\ndecoded: %+v", data, again)
	}
	second, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": again.Workloads[0].Pod.ObjectMeta, "spec": again.Workloads[0].Pod.Spec})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(data), string(second)); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
}

// allRead checks that a document appended to the data is read, unless there is an error.
func allRead(t *testing.T, file manifest.File, data []byte) {
	t.Helper()
	if len(file.Workloads) > 0 && file.Workloads[0].Document == 0 {
		return // a template, which is not read
	}
	more := manifest.Decode("x.yaml", "", append(data[:len(data):len(data)], lastPod...))
	if len(more.Errs) == 0 && len(more.Workloads) != len(file.Workloads)+1 {
		t.Errorf("%d workloads; with one more document %d workloads, and no error", len(file.Workloads), len(more.Workloads))
	}
}
