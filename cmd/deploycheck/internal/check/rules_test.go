package check_test

import (
	"cmp"
	"fmt"
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
	noApp       bool
	budget      func(*check.Budget)
}

var apiVersions = map[string]string{"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}

func (o object) yaml() string {
	grace := cmp.Or(o.grace, "terminationGracePeriodSeconds: 27")
	containers := "{name: app, image: app, " + o.app + "}, " + o.others
	if o.noApp {
		containers = o.others
	}
	kind := cmp.Or(o.kind, "Deployment")
	pod := fmt.Sprintf("{metadata: {annotations: {%s}}, spec: {%s, %s, containers: [%s]}}", o.annotations, grace, cmp.Or(o.pod, "volumes: []"), containers)
	spec := "{template: " + pod + "}"
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
	f := manifest.Decode("x.yaml", "", []byte(o.yaml()))
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

// rules has, for each code, manifests that have it and manifests that only just do not.
var rules = map[finding.Code]struct{ has, not []object }{
	finding.WrongType: {
		has: []object{
			{grace: `terminationGracePeriodSeconds: "27"`},
			{grace: `terminationGracePeriodSeconds: 27.5`},
			{app: env("{name: A, value: 1}")},
			{app: hook(`sleep: {seconds: 5s}`)},
			{kind: "CronJob", grace: `terminationGracePeriodSeconds: [27]`},
		},
		not: []object{{grace: `terminationGracePeriodSeconds: 27.0`}, {app: env(`{name: A, value: "1"}`)}, {grace: "terminationGracePeriodSeconds: null"}},
	},
	finding.UnknownField: {
		has: []object{{app: "preStop: {sleep: {seconds: 5}}"}, {grace: "terminationgraceperiodseconds: 27"}, {pod: "Volumes: []"}},
		not: []object{{app: hook("sleep: {seconds: 5}")}},
	},
	finding.DuplicateField: {
		has: []object{{pod: "terminationGracePeriodSeconds: 60"}},
		not: []object{{pod: "activeDeadlineSeconds: 60"}},
	},
	finding.GraceMisplaced: {
		has: []object{{app: "terminationGracePeriodSeconds: 60"}, {app: "lifecycle: {terminationGracePeriodSeconds: 60}"}, {kind: "Pod", app: "terminationGracePeriodSeconds: 60"}},
		not: []object{{app: "livenessProbe: {terminationGracePeriodSeconds: 60}"}},
	},
	finding.NoContainers: {
		has: []object{{noApp: true}},
		not: []object{{}},
	},
	finding.ContainerAmbiguous: {
		has: []object{{others: "{name: proxy}"}, {others: "{name: proxy}", annotations: "kubectl.kubernetes.io/default-container: other"}},
		not: []object{
			{others: "{name: proxy}", annotations: "kubectl.kubernetes.io/default-container: app"},
			{others: "{name: proxy}", budget: func(b *check.Budget) { b.Container = "app" }},
			{others: "{name: proxy}", app: admin + ", " + hook(getAdmin)},
			{pod: "initContainers: [{name: migrate}]"},
		},
	},
	finding.ContainerAbsent: {
		has: []object{
			{budget: func(b *check.Budget) { b.Container = "web" }},
			{budget: func(b *check.Budget) { b.Container = "migrate" }, pod: "initContainers: [{name: migrate}]"},
		},
		not: []object{{budget: func(b *check.Budget) { b.Container = "app" }}},
	},

	finding.GraceDefault: {
		has: []object{{grace: "hostNetwork: false"}, {grace: "terminationGracePeriodSeconds: null"}},
		not: []object{{grace: "terminationGracePeriodSeconds: 30"}},
	},
	finding.GraceZero: {
		has: []object{{grace: "terminationGracePeriodSeconds: 0"}, {grace: "terminationGracePeriodSeconds: -1"}},
		not: []object{{grace: "terminationGracePeriodSeconds: 1"}},
	},
	finding.GraceTooShort: {
		has: []object{
			{grace: "terminationGracePeriodSeconds: 24"},
			{grace: "terminationGracePeriodSeconds: 24", app: admin + ", " + hook(getAdmin)},
			{grace: "terminationGracePeriodSeconds: 29", app: hook("sleep: {seconds: 5}")},
			{grace: "hostNetwork: false", app: hook("sleep: {seconds: 6}")},
			{app: command("sleep, infinity")},
			{app: command(`sh, -c, "sleep 8 && nginx -s quit"`)},
			{app: command(`sh, -c, "curl localhost/quit; sleep 8"`)},
			{app: command(`sh, -c, "sleep 8 || true"`)},
		},
		not: []object{
			{grace: "terminationGracePeriodSeconds: 25"},
			{grace: "terminationGracePeriodSeconds: 25", app: admin + ", " + hook(getAdmin)},
			{grace: "terminationGracePeriodSeconds: 30", app: hook("sleep: {seconds: 5}")},
			{grace: "hostNetwork: false", app: hook("sleep: {seconds: 5}")},
			{others: "{name: proxy, " + hook("sleep: {seconds: 25}") + "}", budget: func(b *check.Budget) { b.Container = "app" }},
			{grace: "terminationGracePeriodSeconds: 9223372036854775807"},
		},
	},
	finding.GraceTight: {
		has: []object{{grace: "terminationGracePeriodSeconds: 26"}, {grace: "terminationGracePeriodSeconds: 25"}},
		not: []object{{grace: "terminationGracePeriodSeconds: 27"}, {grace: "terminationGracePeriodSeconds: 24"}},
	},
	finding.ProgramGrace: {
		has: []object{
			{budget: func(b *check.Budget) { b.Grace = 28 * time.Second }},
			{grace: "terminationGracePeriodSeconds: 32", app: hook("sleep: {seconds: 5}"), budget: func(b *check.Budget) { b.Grace = 28 * time.Second }},
		},
		not: []object{
			{budget: func(b *check.Budget) { b.Grace = 27 * time.Second }},
			{grace: "terminationGracePeriodSeconds: 33", app: hook("sleep: {seconds: 5}"), budget: func(b *check.Budget) { b.Grace = 28 * time.Second }},
			{app: admin + ", " + hook(getAdmin), budget: func(b *check.Budget) { b.Grace = 27 * time.Second }},
		},
	},
	finding.ProbeGraceShort: {
		has: []object{{app: "livenessProbe: {terminationGracePeriodSeconds: 24}"}, {app: "startupProbe: {terminationGracePeriodSeconds: 1}"}},
		not: []object{
			{app: "livenessProbe: {terminationGracePeriodSeconds: 25}"},
			{app: "livenessProbe: {periodSeconds: 1}"},
			{others: "{name: proxy, livenessProbe: {terminationGracePeriodSeconds: 1}}", budget: func(b *check.Budget) { b.Container = "app" }},
		},
	},
	finding.ProbeGraceInvalid: {
		has: []object{{app: "readinessProbe: {terminationGracePeriodSeconds: 30}"}, {app: "livenessProbe: {terminationGracePeriodSeconds: 0}"}},
		not: []object{{app: "livenessProbe: {terminationGracePeriodSeconds: 30}, readinessProbe: {periodSeconds: 1}"}},
	},

	finding.DoubleWait: {
		has: []object{{app: hook("sleep: {seconds: 1}")}, {app: command(`/bin/sh, -c, "sleep 5"`)}},
		not: []object{{app: hook("sleep: {seconds: 1}"), budget: noDelay}, {app: admin + ", " + hook(getAdmin)}, {app: hook("sleep: {seconds: 0}")}},
	},
	finding.JobDelay: {
		has: []object{{kind: "Job"}, {kind: "CronJob"}, {kind: "Job", app: hook("sleep: {seconds: 5}"), budget: noDelay}},
		not: []object{{kind: "Job", budget: noDelay}, {kind: "StatefulSet"}},
	},
	finding.WaitShort: {
		has: []object{{app: "ports: [{containerPort: 8080}]", budget: noDelay}, {app: "ports: [{containerPort: 8080}], " + hook("sleep: {seconds: 4}"), budget: noDelay}},
		not: []object{
			{app: "ports: [{containerPort: 8080}]"},
			{app: "ports: [{containerPort: 8080}], " + hook("sleep: {seconds: 5}"), budget: noDelay},
			{app: admin, budget: noDelay},
			{kind: "Job", app: "ports: [{containerPort: 8080}]", budget: noDelay},
		},
	},

	finding.HandlerCount: {
		has: []object{
			{app: hook("sleep: {seconds: 5}, " + getAdmin)},
			{app: "lifecycle: {preStop: {}}"},
			{app: hook("exec: {}")},
			{others: "{name: proxy, lifecycle: {preStop: {}}}", budget: func(b *check.Budget) { b.Container = "app" }},
			{app: "lifecycle: {postStart: {sleep: {seconds: 1}, exec: {command: [a]}}}"},
		},
		not: []object{{app: "lifecycle: {postStart: {sleep: {seconds: 1}}, preStop: {sleep: {seconds: 5}}}"}, {app: "lifecycle: {}"}},
	},
	finding.PreStopTCP: {
		has: []object{{app: hook("tcpSocket: {port: 9090}")}},
		not: []object{{app: "livenessProbe: {tcpSocket: {port: 9090}}"}},
	},
	finding.PreStopForeign: {
		has: []object{
			{app: command("nginx, -s, quit")},
			{app: hook("httpGet: {path: /quit, port: 8080}")},
			{app: command(`sh, -c, "sleep $DELAY"`)},
			{app: command(`sh, -c, "test -f x || sleep 5"`)},
			{app: admin + ", " + hook(getAdmin), budget: func(b *check.Budget) { b.PreStop.Path = "" }},
		},
		not: []object{{app: command("/app, prestop")}, {app: command("/app, prestop, -v")}, {app: admin + ", " + hook(getAdmin)}},
	},
	finding.PreStopHost: {
		has: []object{{app: hook("httpGet: {path: /prestop, port: 9090, host: 127.0.0.1}")}, {app: hook("httpGet: {path: /prestop, port: 9090, host: example.org}")}},
		not: []object{{app: hook("httpGet: {path: /prestop, port: 9090, host: 127.0.0.1}"), pod: "hostNetwork: true"}, {app: hook("httpGet: {path: /prestop, port: 9090}")}},
	},
	finding.PreStopPort: {
		has: []object{
			{app: hook(`httpGet: {path: /prestop, port: "9090"}`)},
			{app: hook(`httpGet: {path: /prestop, port: 0}`)},
			{app: hook(`httpGet: {path: /prestop, port: 65536}`)},
		},
		not: []object{{app: hook(`httpGet: {path: /prestop, port: 9090}`)}, {app: admin + ", " + hook(getAdmin)}},
	},
	finding.PreStopScheme: {
		has: []object{{app: hook("httpGet: {path: /prestop, port: 9090, scheme: https}")}, {app: "lifecycle: {postStart: {httpGet: {port: 9090, scheme: FTP}}}"}},
		not: []object{{app: hook("httpGet: {path: /prestop, port: 9090, scheme: HTTPS}")}, {app: "readinessProbe: {httpGet: {port: 9090, scheme: https}}"}},
	},
	finding.PreStopPortName: {
		has: []object{{app: hook(getAdmin)}, {app: hook(getAdmin), others: "{name: proxy, " + admin + "}", budget: func(b *check.Budget) { b.Container = "app" }}},
		not: []object{{app: admin + ", " + hook(getAdmin)}},
	},
	finding.PreStopInit: {
		has: []object{{pod: "initContainers: [{name: migrate, " + hook("sleep: {seconds: 5}") + "}]"}},
		not: []object{{pod: "initContainers: [{name: proxy, restartPolicy: Always, " + hook("sleep: {seconds: 5}") + "}]"}},
	},
	finding.HostNetwork: {
		has: []object{{pod: "hostNetwork: true", app: admin + ", " + hook(getAdmin)}, {pod: "hostNetwork: true", app: hook("httpGet: {port: 1}")}},
		not: []object{
			{pod: "hostNetwork: true", app: hook("httpGet: {path: /prestop, port: 9090, host: 127.0.0.1}")},
			{pod: "hostNetwork: true", app: command("/app, prestop")},
			{pod: "hostNetwork: false", app: admin + ", " + hook(getAdmin)},
		},
	},

	finding.HandshakePath: {
		has: []object{{app: hook("httpGet: {path: /pre-stop, port: 9090}")}, {app: hook("httpGet: {path: /prestop/, port: 9090}")}, {app: hook("httpGet: {port: 9090}")}},
		not: []object{{app: hook("httpGet: {path: /prestop, port: 9090}")}, {app: hook("httpGet: {path: prestop, port: 9090}")}, {app: hook("httpGet: {path: \"/prestop?why=stop\", port: 9090}")}},
	},
	finding.HandshakePort: {
		has: []object{
			{app: hook("httpGet: {path: /prestop, port: 8080}")},
			{app: "ports: [{containerPort: 9091, name: admin}], " + hook(getAdmin)},
			{app: hook("httpGet: {path: /prestop, port: 9090}"), budget: func(b *check.Budget) { b.PreStop.Port = 0 }},
		},
		not: []object{
			{app: hook("httpGet: {path: /prestop, port: 9090}")},
			{app: "ports: [{containerPort: 9091, name: admin}], " + hook(getAdmin), budget: func(b *check.Budget) { b.PreStop.Port = 0 }},
			{app: hook("httpGet: {path: /prestop, port: 8080}"), budget: func(b *check.Budget) { b.PreStop.Port, b.PreStop.PortName = 0, "" }},
		},
	},
	finding.HandshakeCommand: {
		has: []object{{app: command("/app, pre-stop")}, {app: command("/app")}},
		not: []object{{app: command("/app, prestop")}, {app: command(`sh, -c, "exec /app prestop"`)}, {app: command("/other, prestop")}},
	},

	finding.SleepTooLong: {
		has: []object{{app: hook("sleep: {seconds: 28}")}, {others: "{name: proxy, " + hook("sleep: {seconds: 28}") + "}", budget: func(b *check.Budget) { b.Container = "app" }}},
		not: []object{{app: hook("sleep: {seconds: 27}")}, {app: command("sleep, '28'")}},
	},
	finding.SleepNegative: {
		has: []object{{app: hook("sleep: {seconds: -1}")}},
		not: []object{{app: hook("sleep: {seconds: 0}")}},
	},
	finding.SleepZero: {
		has: []object{{app: hook("sleep: {seconds: 0}")}, {app: hook("sleep: {}")}},
		not: []object{{app: hook("sleep: {seconds: 1}")}},
	},
	finding.ExecSleep: {
		has: []object{
			{app: command("/bin/sleep, '5'")},
			{app: command(`sh, -c, "sleep 5"`)},
			{app: command(`/bin/bash, -ec, "exec sleep 5s"`)},
			{app: command(`busybox, sh, -c, "sleep 3; sleep 2; exit 0"`)},
			{app: command(`bash, -euo, pipefail, -c, "sleep 5"`)},
			{app: command(`sh, -c, "sleep 5 || true"`)},
			{app: command("env, TZ=UTC, sleep, '5'")},
		},
		not: []object{
			{app: hook("sleep: {seconds: 5}")},
			{app: command(`sh, -c, "sleep 5 | cat"`)},
			{app: command(`sh, -c, "true || sleep 5"`)},
			{app: command("sleep, 5ms")},
		},
	},
	finding.ExecShell: {
		has: []object{{app: command(`sh, -c, "/app prestop"`)}},
		not: []object{{app: command("/app, prestop")}},
	},
	finding.ExecOneString: {
		has: []object{{app: command("/app prestop")}, {app: command("sleep 5")}, {app: command(`sh, "sleep 5"`)}},
		not: []object{{app: command("/app, prestop")}, {app: command("/app")}, {app: command(`sh, -c, "sleep 5"`)}},
	},

	finding.ShellPID1: {
		has: []object{
			{app: `command: [sh, -c, "/app -v"]`},
			{app: `command: [/bin/bash, -c], args: ["migrate; /app"]`},
			{app: `command: [tini, --, sh, -c, "/app"]`},
			{app: `command: [sh, -c, "exec 2>&1; /app"]`},
			{app: `command: [sh, -c, "exec /app | tee log"]`},
			{app: `command: [bash, -euo, pipefail, -c, "/app"]`},
			{app: `command: [/usr/bin/env, A=1, bash, --login, -c, "/app"]`},
			{app: `command: [sh, -c, "trap 'echo bye' EXIT; /app"]`},
			{app: `command: [sh, -c, "trap '' TERM; /app"]`},
		},
		not: []object{
			{app: `command: [sh, -c, "exec /app -v"]`},
			{app: `command: [/bin/bash, -c], args: ["migrate && exec /app"]`},
			{app: `command: [sh, -c, "if test -f x; then exec /app; fi"]`},
			{app: `command: [sh, -c, "trap 'kill $p' TERM; /app & p=$!; wait"]`},
			{app: `command: [sh, -c, "A=1 exec /app"]`},
			{app: `command: [bash, -euo, pipefail, -c, "exec /app"]`},
			{app: `command: [bash, -c, --, "exec /app"]`},
			{app: `command: [/app, -c, "sh"]`},
			{app: `args: [sh, -c, /app]`},
		},
	},
	finding.ShellScript: {
		has: []object{{app: "command: [sh, /start.sh]"}},
		not: []object{{app: "command: [/start.sh]"}, {app: `command: [sh, -c, "exec /app"]`}, {app: `command: [bash, -o, pipefail, -c, "exec /app"]`}},
	},
	finding.StopSignal: {
		has: []object{{pod: "os: {name: linux}", app: "lifecycle: {stopSignal: SIGQUIT}"}},
		not: []object{{pod: "os: {name: linux}", app: "lifecycle: {stopSignal: SIGINT}"}, {pod: "os: {name: linux}", app: "lifecycle: {stopSignal: SIGTERM}"}},
	},
	finding.StopSignalOS: {
		has: []object{{app: "lifecycle: {stopSignal: SIGTERM}"}},
		not: []object{{pod: "os: {name: linux}", app: "lifecycle: {stopSignal: SIGTERM}"}},
	},
	finding.StopSignalAlpha: {
		has: []object{{pod: "os: {name: linux}", app: "lifecycle: {stopSignal: SIGINT}"}},
		not: []object{{pod: "os: {name: linux}", app: "lifecycle: {stopSignal: SIGTERM}"}},
	},
	finding.SIGTERMUnheard: {
		has: []object{{budget: func(b *check.Budget) { b.Signals = []string{"SIGINT"} }}, {budget: func(b *check.Budget) { b.Signals = []string{} }}},
		not: []object{{budget: func(b *check.Budget) { b.Signals = []string{"SIGTERM"} }}},
	},

	finding.EnvGraceAbove: {
		has: []object{{app: env(literal(graceVar, "28"))}, {app: env(fieldRef(graceVar, "metadata.annotations['grace']")), annotations: `grace: "28"`}, {grace: "hostNetwork: false", app: env(literal(graceVar, "60"))}},
		not: []object{{app: env(literal(graceVar, "27"))}, {app: env(literal(graceVar, "28") + ", " + literal(graceVar, "27"))}, {app: env(literal("GRACE", "28"))}},
	},
	finding.EnvGraceBelow: {
		has: []object{{app: env(literal(graceVar, "26"))}},
		not: []object{{app: env(literal(graceVar, "27.0"))}, {app: env(fieldRef(graceVar, "metadata.annotations['grace']")), annotations: `grace: "27"`}},
	},
	finding.EnvSleepBelow: {
		has: []object{
			{app: hook("sleep: {seconds: 5}") + ", " + env(literal(graceVar, "27"))},
			{app: hook("sleep: {seconds: 5}") + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, "4"))},
			{app: hook("sleep: {seconds: 5}") + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, "0"))},
			{app: hook("sleep: {seconds: 5}") + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, ""))},
		},
		not: []object{
			{app: hook("sleep: {seconds: 5}") + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, "5"))},
			{app: hook("sleep: {seconds: 5}")},
			{app: admin + ", " + hook(getAdmin) + ", " + env(literal(graceVar, "27"))},
		},
	},
	finding.EnvSleepAbove: {
		has: []object{
			{app: hook("sleep: {seconds: 5}") + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, "6"))},
			{app: admin + ", " + hook(getAdmin) + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, "5"))},
		},
		not: []object{{app: hook("sleep: {seconds: 5}") + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, "5"))}},
	},
	finding.EnvInvalid: {
		has: []object{
			{app: env(literal(graceVar, "27s"))},
			{app: env(literal(graceVar, "0"))},
			{app: env(literal(graceVar, "NaN"))},
			{app: env(literal(sleepVar, "-1"))},
			{app: env(literal(sleepVar, "5s"))},
			{app: env(literal(graceVar, "27") + ", " + literal(sleepVar, "27"))},
			{app: command("nginx, -s, quit") + ", " + env(literal(graceVar, "27")+", "+literal(sleepVar, "27"))},
		},
		not: []object{
			{app: env(literal(graceVar, ""))},
			{app: env(literal(sleepVar, ""))},
			{app: env(literal(sleepVar, "0"))},
			{app: env(fieldRef(graceVar, "metadata.annotations['grace']"))}, // the annotation does not exist, so the value is empty
			{app: env(literal(graceVar, "27"))},
			{app: env(literal("OTHER", "27s"))},
			{app: env(literal(graceVar, "0.5"))},
		},
	},
	finding.EnvNotChecked: {
		has: []object{
			{app: env("{name: " + graceVar + ", valueFrom: {configMapKeyRef: {name: a, key: b}}}")},
			{app: env(literal(graceVar, "$(GRACE)"))},
		},
		not: []object{{app: env("{name: OTHER, valueFrom: {configMapKeyRef: {name: a, key: b}}}")}, {app: env(literal(graceVar, "27"))}},
	},
	finding.DownwardAPI: {
		has: []object{
			{app: env(fieldRef(graceVar, "spec.terminationGracePeriodSeconds"))},
			{app: env(fieldRef("X", "metadata.annotations"))},
			{pod: "initContainers: [{name: migrate, " + env(fieldRef("X", "spec.nodeNames")) + "}]"},
			{app: env("{name: X, valueFrom: {resourceFieldRef: {resource: terminationGracePeriodSeconds}}}")},
			{pod: "volumes: [{name: pod, downwardAPI: {items: [{path: grace, fieldRef: {fieldPath: spec.terminationGracePeriodSeconds}}]}}]"},
			{pod: "volumes: [{name: pod, projected: {sources: [{downwardAPI: {items: [{path: node, fieldRef: {fieldPath: spec.nodeName}}]}}]}}]"},
		},
		not: []object{
			{app: env(fieldRef("X", "metadata.annotations['x']") + ", " + fieldRef("X2", "status.podIP"))},
			{app: env("{name: X, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}, {name: Z, valueFrom: {resourceFieldRef: {resource: requests.hugepages-2Mi}}}")},
			{pod: "volumes: [{name: pod, downwardAPI: {items: [{path: all, fieldRef: {fieldPath: metadata.annotations}}, {path: cpu, resourceFieldRef: {containerName: app, resource: limits.cpu}}]}}]"},
		},
	},
	finding.NativeSidecars: {
		has: []object{{pod: "initContainers: [{name: proxy, restartPolicy: Always}]", budget: func(b *check.Budget) { b.Container = "app" }}},
		not: []object{{pod: "initContainers: [{name: migrate}]"}, {others: "{name: proxy}", budget: func(b *check.Budget) { b.Container = "app" }}},
	},
	finding.SidecarProgram: {
		has: []object{{pod: "initContainers: [{name: proxy, restartPolicy: Always}]", budget: func(b *check.Budget) { b.Container = "proxy" }}},
		not: []object{{pod: "initContainers: [{name: proxy, restartPolicy: Always}]", budget: func(b *check.Budget) { b.Container = "app" }}},
	},
	finding.NeighbourSlow: {
		has: []object{
			{others: "{name: proxy, " + hook("sleep: {seconds: 20}") + "}", budget: func(b *check.Budget) { b.Container = "app" }},
			{pod: "initContainers: [{name: proxy, restartPolicy: Always, " + hook("sleep: {seconds: 20}") + "}]", budget: func(b *check.Budget) { b.Container = "app" }},
		},
		not: []object{
			{others: "{name: proxy, " + hook("sleep: {seconds: 5}") + "}", app: admin + ", " + hook(getAdmin), budget: func(b *check.Budget) { b.Container = "app" }},
			{others: "{name: proxy}", budget: func(b *check.Budget) { b.Container = "app" }},
		},
	},
}

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
	ofFiles := []finding.Code{finding.Unreadable, finding.UnknownAPI, finding.UnknownWorkload, finding.NoWorkload, finding.FilePassedOver}
	for code := range finding.Codes() {
		if _, ok := rules[code]; !ok && !slices.Contains(ofFiles, code) {
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
