package check_test

import (
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// hookRules are about hooks.
var hookRules = map[finding.Code]rule{
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
}
