package check_test

import (
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

const (
	front = "selector: {app: web}"
	web   = "ports: [{containerPort: 8080, name: http}]"
)

func isApp(b *check.Budget) { b.Container = "app" }

func waits(d time.Duration) func(*check.Budget) { return func(b *check.Budget) { b.Delay = d } }

// clusterRules are about what the program has around it: Services, clients and proxies.
var clusterRules = map[finding.Code]rule{
	finding.ServiceWaitShort: {
		has: []object{
			{app: web, service: front, budget: noDelay},
			{app: web, service: front, budget: waits(time.Second)},
			{service: front, budget: noDelay}, // a port does not have to be declared
			{app: web, service: "selector: {app: web, tier: front}", budget: noDelay},
			{app: hook("sleep: {seconds: 1}"), service: front, budget: noDelay},
		},
		not: []object{
			{app: web, service: front, budget: waits(1001 * time.Millisecond)},
			{app: web, service: "selector: {app: web, tier: back}", budget: noDelay},
			{app: web, service: "selector: {}", budget: noDelay},
			{app: web, service: "type: ExternalName, selector: {app: web}", budget: noDelay},
			{app: web, budget: noDelay},
			{app: hook("sleep: {seconds: 2}"), service: front, budget: noDelay},
			{app: command("nginx, -s, quit"), service: front, budget: noDelay}, // it may wait
			{kind: "Job", service: front, budget: noDelay},
		},
	},
	finding.ServiceTooEarly: {
		has: []object{
			{app: web, service: front},
			{app: web + ", livenessProbe: {httpGet: {port: http}}", service: front},
			{app: web, others: "{name: other, readinessProbe: {httpGet: {port: 80}}}", service: front, budget: isApp},
		},
		not: []object{
			{app: web + ", readinessProbe: {httpGet: {port: http}}", service: front},
			{app: web + ", startupProbe: {tcpSocket: {port: http}}", service: front},
			{app: web},
			{app: web, service: "selector: {app: web, tier: back}"},
			{kind: "Job", service: front},
		},
	},
	finding.GRPCMinReady: {
		has: []object{
			{app: "ports: [{containerPort: 50051, name: grpc}]"},
			{app: "ports: [{containerPort: 50051, name: grpc-api}]", kind: "StatefulSet"},
			{app: "readinessProbe: {grpc: {port: 50051}}", workload: "minReadySeconds: 0"},
		},
		not: []object{
			{app: "ports: [{containerPort: 50051, name: grpc}]", workload: "minReadySeconds: 1"},
			{app: "ports: [{containerPort: 50051, name: grpc}]", kind: "ReplicaSet"},
			{app: "ports: [{containerPort: 50051, name: grpcs}]"},
			{others: "{name: proxy, readinessProbe: {grpc: {port: 50051}}}", budget: isApp},
		},
	},
	finding.ProxyBeside: {
		has: []object{
			{others: "{name: istio-proxy}", budget: isApp},
			{others: "{name: mesh, image: 'docker.io/istio/proxyv2:1.27'}", budget: isApp},
			{others: "{name: p, image: 'registry.example:5000/envoyproxy/envoy@sha256:1234'}", budget: isApp},
			{others: "{name: db, image: 'gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18'}", budget: isApp},
			{others: "{name: db, image: cloud-sql-proxy, " + hook("sleep: {seconds: 24}") + "}", budget: isApp},
			{others: "{name: p, image: 'cr.l5d.io/linkerd/proxy:edge'}", budget: isApp},
		},
		not: []object{
			{pod: "initContainers: [{name: istio-proxy, restartPolicy: Always}]", budget: isApp},
			{others: "{name: envoy-config, image: 'example/not-envoy:1'}", budget: isApp},
			{others: "{name: db, image: cloud-sql-proxy, " + hook("sleep: {seconds: 25}") + "}", budget: isApp},
			{others: "{name: p, image: envoyproxy/envoy, " + command("/drain") + "}", budget: isApp},
			{others: "{name: other}", app: "image: envoyproxy/envoy", budget: isApp},
		},
	},
	finding.SidecarNotInit: {
		has: []object{{others: "{name: proxy, restartPolicy: Always}", budget: isApp}, {app: "restartPolicy: Always"}},
		not: []object{
			{pod: "initContainers: [{name: proxy, restartPolicy: Always}]", budget: isApp},
			{others: "{name: proxy, restartPolicy: OnFailure}", budget: isApp},
			{app: "restartPolicy: Always, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]"},
		},
	},
	finding.RestartRules: {
		has: []object{{app: "restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]"}, {app: "restartPolicyRules: [{action: RestartAllContainers}]"}},
		not: []object{{app: "restartPolicy: Never"}, {app: "restartPolicyRules: []"}},
	},
}
