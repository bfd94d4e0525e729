package check_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// An object is a manifest of a pod with one container, app. By default its headroom is exactly the
// margin. The fields are YAML in flow style.
type object struct {
	kind        string // default Deployment
	grace       string // default terminationGracePeriodSeconds: 27
	pod         string // more fields of the pod
	app         string // more fields of the container
	others      string // more containers
	annotations string
	workload    string // more fields of the object's spec
	service     string // a Service: its spec, for a pod with the labels app: web, tier: front
	noApp       bool
	budget      func(*check.Budget)
}

var apiVersions = map[string]string{"Pod": "v1", "ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}

func (o object) yaml() string {
	grace := cmp.Or(o.grace, "terminationGracePeriodSeconds: 27")
	containers := "{name: app, image: app, " + o.app + "}, " + o.others
	if o.noApp {
		containers = o.others
	}
	kind := cmp.Or(o.kind, "Deployment")
	pod := fmt.Sprintf("{metadata: {labels: {app: web, tier: front}, annotations: {%s}}, spec: {%s, %s, containers: [%s]}}", o.annotations, grace, cmp.Or(o.pod, "volumes: []"), containers)
	spec := "{template: " + pod + ", " + o.workload + "}"
	switch kind {
	case "CronJob":
		spec = "{jobTemplate: {spec: " + spec + "}}"
	case "Pod":
		return fmt.Sprintf("{apiVersion: v1, kind: Pod, %s", strings.TrimPrefix(pod, "{"))
	}
	return fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: web}, spec: %s}", cmp.Or(apiVersions[kind], "apps/v1"), kind, spec)
}

func (o object) check(t *testing.T) []check.Result {
	t.Helper()
	data := o.yaml()
	if o.service != "" {
		data += "\n---\n{apiVersion: v1, kind: Service, metadata: {name: front}, spec: {" + o.service + "}}"
	}
	f := manifest.Decode("x.yaml", "", []byte(data))
	if len(f.Errs) > 0 || len(f.Workloads) != 1 {
		t.Fatalf("%s:\n%d workloads, errors %v", o.yaml(), len(f.Workloads), f.Errs)
	}
	b := check.Budget{
		Delay: 5 * time.Second, Drain: 20 * time.Second, Margin: 2 * time.Second,
		PreStop: check.Handshake{Path: "/prestop", Port: 9090, PortName: "admin", Exec: []string{"/app", "prestop"}},
		Signals: []string{"SIGTERM", "SIGINT"},
	}
	if o.budget != nil {
		o.budget(&b)
	}
	return b.Workload(&f.Workloads[0])
}

func codes(results []check.Result) []finding.Code {
	var all []finding.Code
	for _, r := range results {
		for _, f := range r.Findings {
			all = append(all, f.Code)
		}
	}
	return all
}

const (
	admin    = "ports: [{containerPort: 9090, name: admin}]"
	getAdmin = "httpGet: {path: /prestop, port: admin}"
)

func hook(handler string) string    { return "lifecycle: {preStop: {" + handler + "}}" }
func command(words string) string   { return hook("exec: {command: [" + words + "]}") }
func env(vars string) string        { return "env: [" + vars + "]" }
func noDelay(b *check.Budget)       { b.Delay = 0 }
func literal(name, v string) string { return fmt.Sprintf("{name: %s, value: %q}", name, v) }
func fieldRef(name, f string) string {
	return fmt.Sprintf("{name: %s, valueFrom: {fieldRef: {fieldPath: %q}}}", name, f)
}

const (
	graceVar = "TERMINATION_GRACE_PERIOD_SECONDS"
	sleepVar = "PRESTOP_SLEEP_SECONDS"
)

// A rule has manifests that have a code, and manifests that only just do not.
type rule struct{ has, not []object }

// rules has the rule of each code.
var rules = func() map[finding.Code]rule {
	all := map[finding.Code]rule{}
	for _, some := range []map[finding.Code]rule{formatRules, graceRules, hookRules, processRules, clusterRules} {
		maps.Copy(all, some)
	}
	return all
}()

func TestRules(t *testing.T) {
	for code, rule := range rules {
		t.Run(string(code), func(t *testing.T) {
			for _, o := range rule.has {
				results := o.check(t)
				if got := codes(results); !slices.Contains(got, code) {
					t.Errorf("%s\nfindings %v, want %s", o.yaml(), got, code)
				}
				wellFormed(t, results)
			}
			for _, o := range rule.not {
				results := o.check(t)
				if got := codes(results); slices.Contains(got, code) {
					t.Errorf("%s\nfindings %v, want no %s", o.yaml(), got, code)
				} else if slices.Contains(got, finding.WrongType) {
					t.Errorf("%s\nfindings %v: the object was not decoded, so the case shows nothing", o.yaml(), got)
				}
				wellFormed(t, results)
			}
			if len(rule.has) == 0 || len(rule.not) == 0 {
				t.Error("the rule lacks manifests that have the code, or manifests that do not")
			}
		})
	}
}

// wellFormed checks properties that all results have.
func wellFormed(t *testing.T, results []check.Result) {
	t.Helper()
	for _, r := range results {
		seen := map[string]bool{}
		for _, f := range r.Findings {
			if f.Message == "" || f.Fix == "" || strings.Contains(f.Message+f.Fix, "%!") {
				t.Errorf("%s: message %q, fix %q", f.Code, f.Message, f.Fix)
			}
			if f.Severity != finding.Codes()[f.Code] {
				t.Errorf("%s: severity %v, want %v", f.Code, f.Severity, finding.Codes()[f.Code])
			}
			if seen[f.Message] {
				t.Errorf("message occurs twice: %s", f.Message)
			}
			seen[f.Message] = true
		}
		if r.Sums != nil && r.Sums.Headroom() < 0 && r.Severity() != finding.Error {
			t.Errorf("%s: %v, %v", r.Severity(), r.Sums, r.Findings)
		}
		if r.Sums == nil && len(r.Findings) == 0 {
			t.Error("a container was not checked, and there is no finding")
		}
	}
}

// The codes about files are tested with the command.
func TestEveryCodeHasARuleTest(t *testing.T) {
	ofFiles := []finding.Code{finding.Unreadable, finding.UnknownAPI, finding.UnknownWorkload, finding.NotRendered, finding.NoWorkload, finding.FilePassedOver}
	for code := range finding.Codes() {
		_, inPods := rules[code]
		if _, elsewhere := platformRules[code]; !inPods && !elsewhere && !slices.Contains(ofFiles, code) {
			t.Errorf("%s is not tested", code)
		}
	}
}

func TestVerdictsAndSums(t *testing.T) {
	tests := map[string]struct {
		object                     object
		mode                       check.Mode
		verdict                    string
		preStop, delay, grace, sum float64
	}{
		"no hook":                                    {object{}, check.None, "ok", 0, 5, 27, 25},
		"sleep instead of a delay":                   {object{app: hook("sleep: {seconds: 5}"), budget: noDelay}, check.Sleep, "ok", 5, 0, 27, 25},
		"sleep and a delay":                          {object{app: hook("sleep: {seconds: 2}"), grace: "terminationGracePeriodSeconds: 40"}, check.Sleep, "warn", 2, 5, 40, 27},
		"sleep by a shell":                           {object{app: command(`sh, -c, "sleep 1.5"`), budget: noDelay}, check.Sleep, "warn", 1.5, 0, 27, 21.5},
		"handshake by httpGet":                       {object{app: admin + ", " + hook(getAdmin)}, check.HandshakeHTTP, "ok", 5, 0, 27, 25},
		"handshake by exec":                          {object{app: command("/app, prestop")}, check.HandshakeExec, "ok", 5, 0, 27, 25},
		"a handshake that fails":                     {object{app: admin + ", " + hook(getAdmin), pod: "hostNetwork: true"}, check.HandshakeHTTP, "error", 0, 5, 27, 25},
		"another hook":                               {object{app: command("nginx, -s, quit")}, check.Foreign, "warn", 0, 5, 27, 25},
		"another hook that sleeps first":             {object{app: command(`sh, -c, "sleep 2; nginx -s quit"`)}, check.Foreign, "warn", 2, 5, 27, 27},
		"another hook that sleeps last":              {object{app: command(`sh, -c, "date; sleep 2"`)}, check.Foreign, "warn", 2, 5, 27, 27},
		"another hook that may sleep":                {object{app: command(`sh, -c, "test -f x && sleep 2"`)}, check.Foreign, "warn", 0, 5, 27, 25},
		"another hook that sleeps conditionally":     {object{app: command(`sh, -c, "if test -f x\nthen\nsleep 2\nfi"`)}, check.Foreign, "warn", 0, 5, 27, 25},
		"another hook that sleeps in the background": {object{app: command(`sh, -c, "sleep 2 & date"`)}, check.Foreign, "warn", 0, 5, 27, 25},
		"the default grace":                          {object{grace: "hostNetwork: false"}, check.None, "ok", 0, 5, 30, 25},
		"a negative grace":                           {object{grace: "terminationGracePeriodSeconds: -5"}, check.None, "error", 0, 5, 1, 25},
		"a Pod":                                      {object{kind: "Pod"}, check.None, "ok", 0, 5, 27, 25},
		"a StatefulSet":                              {object{kind: "StatefulSet"}, check.None, "ok", 0, 5, 27, 25},
		"a DaemonSet":                                {object{kind: "DaemonSet"}, check.None, "ok", 0, 5, 27, 25},
		"a ReplicationController":                    {object{kind: "ReplicationController"}, check.None, "ok", 0, 5, 27, 25},
		"a ReplicaSet":                               {object{kind: "ReplicaSet"}, check.None, "ok", 0, 5, 27, 25},
		"a CronJob":                                  {object{kind: "CronJob", budget: noDelay}, check.None, "ok", 0, 0, 27, 20},
		"a slow neighbour":                           {object{others: "{name: proxy, " + hook("sleep: {seconds: 26}") + "}", annotations: "kubectl.kubernetes.io/default-container: app"}, check.None, "ok", 0, 5, 27, 25},
		"cleanup counts":                             {object{budget: func(b *check.Budget) { b.Cleanup = 2 * time.Second }}, check.None, "warn", 0, 5, 27, 27},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			results := tt.object.check(t)
			if len(results) != 1 || results[0].Sums == nil {
				t.Fatalf("results %+v, want one with sums", results)
			}
			r := results[0]
			if r.Mode != tt.mode || r.Severity().Verdict() != tt.verdict || r.Container != "app" {
				t.Errorf("container %s, mode %s, verdict %s, want app, %s, %s; findings %v", r.Container, r.Mode, r.Severity().Verdict(), tt.mode, tt.verdict, r.Findings)
			}
			got := [...]float64{r.Sums.PreStop.Seconds(), r.Sums.Delay.Seconds(), r.Sums.Grace.Seconds(), r.Sums.Required().Seconds(), r.Sums.Headroom().Seconds()}
			if want := [...]float64{tt.preStop, tt.delay, tt.grace, tt.sum, tt.grace - tt.sum}; got != want {
				t.Errorf("preStop, delay, grace, required, headroom %v, want %v", got, want)
			}
		})
	}
}

// If two containers have the handshake, both are the program's. Findings about the pod are reported
// once.
func TestTwoContainersOfTheProgram(t *testing.T) {
	o := object{
		app:    admin + ", " + hook(getAdmin),
		others: "{name: second, " + command("/app, prestop") + "}, {name: proxy, lifecycle: {preStop: {}}}",
	}
	results := o.check(t)
	if len(results) != 2 || results[0].Container != "app" || results[1].Container != "second" {
		t.Fatalf("results %+v, want one for app and one for second", results)
	}
	if got := codes(results); len(got) != 1 || got[0] != finding.HandlerCount {
		t.Errorf("findings %v, want %s once", got, finding.HandlerCount)
	}
}
