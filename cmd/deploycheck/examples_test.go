package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
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

// otherKinds are the other files in the folder of the example.
var otherKinds = []string{"Dockerfile", "Systemd"}

// printed is the plan that examples/http-server prints with its defaults, which a test of the example
// shows.
const printed = "testdata/http-server.json"

func checked(t *testing.T, args ...string) (status int, records []record) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(append([]string{"-o", "json", "-strict"}, args...), nil, &stdout, &stderr)
	if err := json.Unmarshal(stdout.Bytes(), &records); err != nil {
		t.Fatalf("status %d, error %v\n%s%s", status, err, &stdout, &stderr)
	}
	return status, records
}

// The manifests of examples/http-server fit its plan, without a finding. Each has another hook and
// another delay, and the plan has those of none.
func TestExamplesFit(t *testing.T) {
	status, records := checked(t, "-plan", printed, deploy)
	if want := len(budgetOf) + len(otherKinds); status != exitOK || len(records) != want {
		t.Fatalf("status %d, %d results, want %d and %d", status, len(records), exitOK, want)
	}
	for _, r := range records {
		if slices.Contains(otherKinds, r.Kind) {
			if r.Verdict != "ok" {
				t.Errorf("%+v, want the verdict ok", r)
			}
			continue
		}
		want := budgetOf[filepath.Base(r.File)]
		if string(r.Mode) != want.mode || r.Verdict != "ok" || *r.Grace != 30 || *r.PreStop != want.preStop || *r.Required != want.required || len(r.Findings) != 0 {
			t.Errorf("%+v\nwant mode %s, preStop %v, required %v, and no findings", r, want.mode, want.preStop, want.required)
		}
	}
}

// With the same plan a manifest does not pass if its hook calls another port, path or command, or if
// its delay is too long.
func TestExamplesThatDoNotFit(t *testing.T) {
	tests := map[string]struct{ file, old, new, code string }{
		"another port":    {"httpget.yaml", "path: /prestop, port: admin", "path: /prestop, port: http", "handshake-port"},
		"another path":    {"httpget.yaml", "path: /prestop", "path: /pre-stop", "handshake-path"},
		"another command": {"exec.yaml", "[/http-server, prestop]", "[/http-server, pre-stop]", "handshake-command"},
		"two waits":       {"sleep.yaml", "value: 0s}", "value: 5s}", "double-wait"},
		"a short delay":   {"none.yaml", "value: 5s}", "value: 750ms}", "service-wait-short"},
		"a long sleep":    {"sleep.yaml", "{seconds: 5}", "{seconds: 8}", "env-sleep-below"},
		"a short grace":   {"none.yaml", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 27", "grace-too-short"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(deploy, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(data), tt.old, tt.new, 1)
			if changed == string(data) {
				t.Fatalf("%s does not have %q", tt.file, tt.old)
			}
			file := filepath.Join(t.TempDir(), tt.file)
			if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			status, records := checked(t, "-plan", printed, file)
			has := func(p problem) bool { return string(p.Code) == tt.code }
			if status != exitFindings || len(records) != 1 || !slices.ContainsFunc(records[0].Findings, has) {
				t.Errorf("status %d, %+v, want %d and %s", status, records, exitFindings, tt.code)
			}
		})
	}
}

// The manifests of examples/worker fit its budget. It gets no requests, so it has neither a hook nor
// a delay. Its NATS is another program.
func TestWorkerExampleFits(t *testing.T) {
	status, records := checked(t, "-container", "worker", "-drain", "58s", worker)
	if status != exitOK || len(records) != 4 {
		t.Fatalf("status %d, %+v, want %d and four results", status, records, exitOK)
	}
	for _, r := range records {
		if r.Kind == "Dockerfile" && r.Verdict == "ok" {
			continue
		}
		want := "ok"
		isNATS := r.Name == "nats"
		if isNATS {
			want = "-"
		}
		if r.Verdict != want || (r.Required == nil) != isNATS || len(r.Findings) > 0 && r.Findings[0].Code != finding.ContainerAbsent {
			t.Errorf("%+v, want the verdict %s, and nothing about another container than worker", r, want)
		}
	}
}

// The workers find the Service of their NATS, and it finds its pods.
func TestWorkerFindsNATS(t *testing.T) {
	var s corev1.Service
	var nats appsv1.StatefulSet
	decodeAll(t, filepath.Join(worker, "nats.yaml"), map[string]any{"Service": &s, "StatefulSet": &nats})
	var d appsv1.Deployment
	decodeAll(t, filepath.Join(worker, "deployment.yaml"), map[string]any{"Deployment": &d})
	if args := strings.Join(d.Spec.Template.Spec.Containers[0].Args, " "); !strings.Contains(args, "nats://"+s.Name+":4222") || s.Spec.Ports[0].Port != 4222 {
		t.Errorf("the workers have the arguments %s, the Service is %s with the ports %v", args, s.Name, s.Spec.Ports)
	}
	const label = "app.kubernetes.io/name"
	if name := nats.Spec.Template.Labels[label]; name == "" || s.Spec.Selector[label] != name || nats.Spec.Selector.MatchLabels[label] != name || nats.Spec.ServiceName != s.Name {
		t.Errorf("the selectors do not select the pods, %s: %s", label, name)
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
