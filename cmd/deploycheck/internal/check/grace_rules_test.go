package check_test

import (
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// graceRules are about times.
var graceRules = map[finding.Code]rule{
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
			{app: "ports: [{containerPort: 8080}], " + command("nginx, -s, quit"), budget: noDelay}, // it may wait
		},
	},
}
