# `make help` lists what there is. Everything runs from a plain checkout with Go, make and git;
# `demo`, `e2e` and the lab targets also need root on a Debian machine.

VERSION ?= 0.1.0
# Prefix of our images on an existing cluster, with its slash: registry.example.edu/
REGISTRY ?=
IMG ?= $(REGISTRY)fediflow/operator:$(VERSION)
KUBECTL ?= kubectl

BIN := $(CURDIR)/.cache/bin
TOOLS := $(BIN)/tools
LAB := $(BIN)/lab
CONTROLLER_GEN := $(TOOLS)/controller-gen
KUSTOMIZE := $(TOOLS)/kustomize
GOVULNCHECK := $(TOOLS)/govulncheck
GOLANGCI_LINT := $(TOOLS)/golangci-lint
LAB_KUBECONFIG := $(CURDIR)/.lab/kubeconfig
IMAGES := postgres pgbouncer valkey edge
GENERATED := api/v1alpha1/zz_generated.deepcopy.go api/v1alpha1/applyconfiguration \
	config/crd/bases config/rbac/role.yaml
SCRIPTS = $(shell git grep --untracked -lE '^\#!.*sh$$')

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Code

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate deepcopy functions and apply configurations.
	rm -rf api/v1alpha1/applyconfiguration
	$(CONTROLLER_GEN) object paths=./api/...
	$(CONTROLLER_GEN) applyconfiguration paths=./api/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate the CRDs and the operator's ClusterRole.
	rm -f config/crd/bases/*.yaml
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=fediflow-operator paths=./api/... paths=./controllers/... \
		output:rbac:dir=config/rbac

.PHONY: verify-generated
verify-generated: generate manifests ## Fail if generated files differ from what is committed.
	git --no-pager diff --exit-code -- $(GENERATED)
	@untracked=$$(git ls-files --others --exclude-standard -- $(GENERATED)); \
	if [ -n "$$untracked" ]; then echo "generated but not committed: $$untracked" >&2; exit 1; fi

.PHONY: build
build: ## Build the commands in cmd/ into bin/.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/ ./cmd/...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Lint Go code, and shell scripts where shellcheck is installed.
	$(GOLANGCI_LINT) run ./...
	cd hack/lab && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./...
	@if command -v shellcheck >/dev/null; then shellcheck -x $(SCRIPTS); \
	else echo "shellcheck is not installed: scripts were not checked" >&2; fi

.PHONY: fix
fix: $(GOLANGCI_LINT) ## Format Go code and apply what the linters can mend themselves.
	$(GOLANGCI_LINT) run --fix ./...
	cd hack/lab && $(GOLANGCI_LINT) run --fix --config $(CURDIR)/.golangci.yml ./...

.PHONY: vulncheck
vulncheck: $(GOVULNCHECK) ## Look for known vulnerabilities in dependencies (needs vuln.go.dev).
	$(GOVULNCHECK) ./...

##@ Tests

.PHONY: test
test: $(LAB) ## Run all tests that need no cluster (builds kube-apiserver and etcd once; no root).
	@assets=$$($(LAB) binaries kube-apiserver etcd kubectl | paste -sd :); \
	asset() { PATH=$$assets command -v "$$1"; }; \
	apiserver=$$(asset kube-apiserver); etcd=$$(asset etcd); kubectl=$$(asset kubectl); \
	TEST_ASSET_KUBE_APISERVER=$$apiserver TEST_ASSET_ETCD=$$etcd TEST_ASSET_KUBECTL=$$kubectl go test ./...
	cd hack/lab && go test ./...

.PHONY: e2e
e2e: $(LAB) ## Run the end-to-end tests on the lab, or on the cluster of KUBECONFIG.
	KUBECONFIG=$${KUBECONFIG:-$(LAB_KUBECONFIG)} PATH=$$($(LAB) binaries kubectl):$$PATH \
		go test -tags e2e ./test/e2e/ -timeout 60m -v -count=1

.PHONY: bench-resize
bench-resize: ## Measure how fast a changed profile reaches containers, in place and by rolling (lab).
	KUBECONFIG=$${KUBECONFIG:-$(LAB_KUBECONFIG)} PATH=$$($(LAB) binaries kubectl):$$PATH \
		go test -tags e2e,bench ./test/e2e/ -run TestBenchResize -timeout 30m -v -count=1

# ROUNDS of each of FAULTS, names by commas; none are all, and an unknown one lists them.
ROUNDS ?= 5
FAULTS ?=

.PHONY: bench-failover
bench-failover: $(LAB) ## Measure what clients feel of ROUNDS of each fault, beside a plain Patroni (lab).
	KUBECONFIG=$${KUBECONFIG:-$(LAB_KUBECONFIG)} PATH=$$($(LAB) binaries kubectl):$$PATH ROUNDS=$(ROUNDS) FAULTS=$(FAULTS) \
		go test -tags e2e,bench ./test/e2e/ -run TestBenchFailover -timeout 12h -v -count=1
	@echo dist/bench-failover/report.md

.PHONY: bench-idle
bench-idle: ## Measure what an idle operator costs in requests and memory (lab).
	hack/idle

##@ Local cluster (root, Debian)

.PHONY: demo
demo: $(LAB) $(KUSTOMIZE) ## Bring up a whole platform on this machine and prove that it works.
	hack/demo

.PHONY: demo-down
demo-down: lab-down ## Remove the demo and its cluster.

.PHONY: lab-up
lab-up: $(LAB) ## Start the local cluster without the operator.
	$(LAB) up

.PHONY: lab-down
lab-down: $(LAB) ## Stop the local cluster and remove its state.
	$(LAB) down

.PHONY: images
images: $(LAB) ## Build all images and load them into the local cluster's nodes.
	$(LAB) images

##@ Existing cluster

.PHONY: install
install: $(KUSTOMIZE) ## Install the CRDs only.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) apply --server-side -f -

# Image names are set in a copy, so that a deployment leaves the checkout clean.
.PHONY: deploy
deploy: $(KUSTOMIZE) ## Install the operator: make deploy KUBECONFIG=… [REGISTRY=…/] [IMG=…]
	rm -rf .cache/deploy && mkdir -p .cache && cp -r config .cache/deploy
	cd .cache/deploy/default && $(KUSTOMIZE) edit set image fediflow/operator=$(IMG) \
		$(foreach image,$(IMAGES),fediflow/$(image)=$(REGISTRY)fediflow/$(image):$(VERSION))
	$(KUSTOMIZE) build .cache/deploy/default | $(KUBECTL) apply --server-side -f -
	$(KUBECTL) -n fediflow-system rollout status deployment/fediflow-operator --timeout 5m

.PHONY: undeploy
undeploy: $(KUSTOMIZE) ## Remove the operator and its CRDs; refuses while clusters exist.
	@crd=$$($(KUBECTL) get crd fediflowclusters.fediflow.io -o name --ignore-not-found); existing=; \
	if [ -n "$$crd" ]; then existing=$$($(KUBECTL) get fediflowclusters.fediflow.io -A); fi; \
	if [ -n "$$existing" ]; then printf 'Delete these first:\n%s\n' "$$existing" >&2; exit 1; fi
	$(KUSTOMIZE) build config/default | $(KUBECTL) delete --ignore-not-found -f -

# Tools are pinned in modules of their own and rebuilt when a pin changes.
$(CONTROLLER_GEN): hack/tools/go.mod hack/tools/go.sum
	go build -C hack/tools -trimpath -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(KUSTOMIZE): hack/tools/go.mod hack/tools/go.sum
	go build -C hack/tools -trimpath -o $@ sigs.k8s.io/kustomize/kustomize/v5

$(GOVULNCHECK): hack/tools/go.mod hack/tools/go.sum
	go build -C hack/tools -trimpath -o $@ golang.org/x/vuln/cmd/govulncheck

$(GOLANGCI_LINT): hack/tools/golangci-lint/go.mod hack/tools/golangci-lint/go.sum
	go build -C hack/tools/golangci-lint -trimpath -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# Go decides whether the lab has to be built anew.
.PHONY: $(LAB)
$(LAB):
	@go build -C hack/lab -o $@ .
