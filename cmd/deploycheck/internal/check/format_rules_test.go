package check_test

import (
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// formatRules are about the object and its containers.
var formatRules = map[finding.Code]rule{
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
}
