package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	deploy = "../../examples/http-server/deploy"
	worker = "../../examples/worker/deploy"
)

// budgetOf has the budget of the example in each manifest. Its grace period is 28 s: 30 s less the
// margin of 2 s.
var budgetOf = map[string]struct {
	mode, delay       string
	preStop, required float64
}{
	"none.yaml":    {"none", "5s", 0, 28},
	"sleep.yaml":   {"sleep", "0s", 5, 28},
	"httpget.yaml": {"handshake-httpGet", "5s", 5, 28},
	"exec.yaml":    {"handshake-exec", "5s", 5, 28},
}

// The manifests of examples/http-server fit its budget, without a finding.
func TestExamplesFit(t *testing.T) {
	files, err := filepath.Glob(deploy + "/*.yaml")
	if err != nil || len(files) != len(budgetOf) {
		t.Fatalf("%v: %v, %v, want %d", deploy, files, err, len(budgetOf))
	}
	for _, file := range files {
		want, ok := budgetOf[filepath.Base(file)]
		if !ok {
			t.Errorf("%s is not tested", file)
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := run([]string{
				"-o", "json", "-strict", "-delay", want.delay, "-drain", "23s", "-cleanup", "0s", "-margin", "2s",
				"-prestop-path", "/prestop", "-prestop-port", "9090", "-prestop-port-name", "admin", "-prestop-exec", "/http-server prestop", file,
			}, nil, &stdout, &stderr)
			var records []record
			if err := json.Unmarshal(stdout.Bytes(), &records); err != nil || status != exitOK || len(records) != 1 {
				t.Fatalf("status %d, error %v\n%s%s", status, err, &stdout, &stderr)
			}
			r := records[0]
			if string(r.Mode) != want.mode || r.Verdict != "ok" || *r.Grace != 30 || *r.PreStop != want.preStop || *r.Required != want.required || len(r.Findings) != 0 {
				t.Errorf("%s\nwant mode %s, preStop %v, required %v, and no findings", &stdout, want.mode, want.preStop, want.required)
			}
		})
	}
}

// The manifests of examples/worker fit its budget. It gets no requests, so it has neither a hook nor
// a delay.
func TestWorkerExampleFits(t *testing.T) {
	for _, file := range []string{"deployment.yaml", "job.yaml"} {
		t.Run(file, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := run([]string{"-o", "json", "-strict", "-drain", "58s", filepath.Join(worker, file)}, nil, &stdout, &stderr)
			var records []record
			if err := json.Unmarshal(stdout.Bytes(), &records); err != nil || status != exitOK || len(records) != 1 || len(records[0].Findings) != 0 {
				t.Fatalf("status %d, error %v, want one record without findings\n%s%s", status, err, &stdout, &stderr)
			}
		})
	}
}

// All objects of the manifests decode strictly, and their references to each other are valid.
func TestExamplesAreValid(t *testing.T) {
	for file, want := range budgetOf {
		t.Run(file, func(t *testing.T) {
			var d appsv1.Deployment
			var pdb policyv1.PodDisruptionBudget
			var s corev1.Service
			decodeAll(t, filepath.Join(deploy, file), map[string]any{"Deployment": &d, "PodDisruptionBudget": &pdb, "Service": &s})

			const label = "app.kubernetes.io/name"
			name := d.Spec.Template.Labels[label]
			if name == "" || d.Spec.Selector.MatchLabels[label] != name || pdb.Spec.Selector.MatchLabels[label] != name || s.Spec.Selector[label] != name {
				t.Errorf("the selectors do not select the pods, %s: %s", label, name)
			}
			c := d.Spec.Template.Spec.Containers[0]
			ports := map[string]int32{}
			for _, p := range c.Ports {
				ports[p.Name] = p.ContainerPort
			}
			if ports["http"] != 8080 || ports["admin"] != 9090 || s.Spec.Ports[0].TargetPort.StrVal != "http" {
				t.Errorf("ports of the container %v, of the Service %v", ports, s.Spec.Ports)
			}
			for path, probe := range map[string]*corev1.Probe{"/readyz": c.ReadinessProbe, "/livez": c.LivenessProbe} {
				if probe == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != "admin" {
					t.Errorf("probe for %s = %v, want path %[1]s and port admin", path, probe)
				}
			}
			env := map[string]string{}
			for _, e := range c.Env {
				env[e.Name] = e.Value
			}
			if env["HTTP_SERVER_DELAY"] != want.delay || env["HTTP_SERVER_ADDR"] != ":8080" || env["HTTP_SERVER_ADMIN"] != ":9090" {
				t.Errorf("environment %v, want a delay of %s", env, want.delay)
			}
		})
	}
}

// decodeAll decodes each document of the file into the object of its kind, strictly.
func decodeAll(t *testing.T, file string, into map[string]any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		var head struct{ Kind string }
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatal(err)
		}
		object, ok := into[head.Kind]
		if !ok {
			t.Fatalf("kind %q occurs twice, or is unexpected", head.Kind)
		}
		delete(into, head.Kind)
		if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
			t.Error(err)
		}
	}
	if len(into) > 0 {
		t.Errorf("missing objects: %v", into)
	}
}
