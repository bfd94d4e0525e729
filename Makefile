# The checks are defined once, in .ci/run, which needs nothing but bash and Go.

CHECKS := version test race vet staticcheck lastcallvet words prose format tidy alone cross 386 arm64 windows api fuzz docs

.DEFAULT_GOAL := help
.PHONY: help run strict losses random campaign mutants cover bench kind ci fix $(CHECKS)

help: ## this list
	@echo 'make TARGET, where TARGET is one of'
	@echo
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13
	@echo
	@bash .ci/run help

run: ## start the example server; Ctrl-C stops it
	go run ./examples/http-server

strict: ## 100 runs of each kind of stuck step: the exit is at most 50 ms after the grace period (15 minutes, on a quiet machine)
	go test -tags strict -run ProcessStrict -v -timeout 1h -parallel 8 ./shutdown

losses: ## rolling restarts of gRPC servers, stops of HTTP servers, also behind listeners of others, and 1 000 drains with telemetry: nothing is lost or late (some minutes, on a quiet machine)
	cd examples/http-server && go test -run TestNoRequestIsLost -v . -rounds 5
	cd examples/recipes && go test -run TestWrappedListeners -v . -trials 60
	cd shutdown/grpcdrain && go test -run 'RollingRestart|DeafStreams' -v -timeout 1h . -rounds 5 -strict
	cd shutdown/otelshutdown && go test -run NothingIsLost -v -timeout 2h . -drains 1000

random: ## 1 000 runs of examples/counter that end at random moments: the file is right after each
	go test -run Random -v ./examples/counter -runs 1000

# The number of random programs of the campaign, and the seed of the first.
PROGRAMS ?= 100000
SEED ?= 1

campaign: ## random programs with random faults, checked by a model of the documentation (PROGRAMS=100000 SEED=1: some minutes)
	go test -run Campaign -v -timeout 0 ./internal/campaign -campaign.n $(PROGRAMS) -campaign.seed $(SEED)

mutants: ## the campaign must find each of many faults that are put into the core (some minutes)
	go test -tags mutants -run Mutants -v -timeout 1h ./internal/campaign

# A program that a test starts is counted if it ends by an exit. docs/unreached.md has the others.
cover: ## the share of the core that its tests reach
	go test -coverpkg=./signals,./group,./internal/site,./internal/stacks,./internal/known,./internal/tree,./internal/notify,./shutdown -coverprofile=coverage.out ./signals ./group ./internal/... ./shutdown/...
	go tool cover -func=coverage.out | tail -1

bench: ## costs and faults, compared with other libraries; writes bench/RESULTS.md (some minutes, on a quiet machine)
	go run ./bench/compare

kind: ## examples/http-server is rolled under load in a cluster, with each kind of hook (needs docker, kind and kubectl; some minutes)
	kind get clusters | grep -qx lastcall || kind create cluster --name lastcall --wait 2m
	docker build -f examples/http-server/deploy/Dockerfile -t http-server:roll .
	kind load docker-image http-server:roll --name lastcall
	go run ./examples/http-server/deploy/roll -context kind-lastcall
	@echo 'kind delete cluster --name lastcall removes the cluster'

ci: ## every check below, in this order
	@bash .ci/run

$(CHECKS) fix:
	@bash .ci/run $@
