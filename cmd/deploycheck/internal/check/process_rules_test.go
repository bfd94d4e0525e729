package check_test

import (
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// processRules are about signals, the environment and the other containers.
var processRules = map[finding.Code]rule{
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
