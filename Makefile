# Everything that a contributor or a CI job runs. `make help` lists it; if it is not enough, that is a bug.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

include hack/make/tools.mk
include hack/make/docs.mk

##@ Variables (make TARGET NAME=VALUE)

TESTFLAGS ?= ##V Extra flags of go test, for example TESTFLAGS='-run TestP2 -v'.
WHAT ?= $$($(GO) list ./test/... | grep -v /test/e2e) ##V Packages of test-integration.
VERSION ?= ##V The version that the binaries report, for example v0.3.0; by default that of the git commit.
AUTOSCALER ?= karpenter ##V What adds nodes in make demo: karpenter, or none for fixed nodes.
DEMO_OUT ?= bin/demo-report ##V Where make demo leaves its report.
DEMO_FLAGS ?= ##V Extra flags of make demo: bin/demo --help lists them.
KUBERNETES_VERSIONS ?= $(EARLIER) ##V Kubernetes versions of make test-versions, for example '1.36 1.35'.
STEADY ?= 1m ##V How long the nodes must stay as they are in test-e2e while nobody changes anything.
SANDBOX_FLAGS ?= --nodes 12 --zones 3 ##V Flags of make sandbox.
SECONDS ?= 120 ##V Length of the traffic of make chaos in seconds.
SEED ?= ##V What make chaos draws everything from; by default a random number, which it tells.
WAY ?= B ##V How make chaos deploys the scheduler: B beside a stock kube-scheduler, C as the only one.
CHAOS_FLAGS ?= ##V Extra flags of make chaos: bin/chaos --help lists them.
BENCH_NODES ?= 500|1000 ##V Sizes of cluster of make bench: a pattern over 10, 100, 500, 1000 and 5000.
BENCH_SCENARIOS ?= . ##V Scenarios of make bench: a pattern over the beginnings of the names in test/perf/scheduling/scenarios.
BENCH_VARIANTS ?= .* ##V Variants of make bench: a pattern over FreeRoom, FreeRoomAgain, FreeRoomDeleting, StockPreemption and Headroom.
BENCH_ROUNDS ?= 3 ##V How often make bench repeats the whole; ratios are taken within a round.
BENCH_PROFILES ?= 1 ##V How many of the rounds of make bench, the last ones, write profiles, which costs time; they alone report the scheduler's CPU.
BENCH_NOTE ?= ##V What the report of make bench should say of the machine, for example 'shared machine'.
BENCH_FLAGS ?= ##V Extra flags of make bench: -observe judges the history of every workload instead of measuring it.
BENCH_OUT ?= bin/bench ##V Where make bench and bench-compare leave their raw output and profiles.
BENCH_MICRO ?= ##V Micro benchmarks that make bench-compare compares in place of scenarios: a pattern over their names, for example '.'.
DOCS_BASE ?= / ##V The path that the site of make docs is served under, for example /headroom/.
SIZING_FLAGS ?= ##V Flags of make bench-sizing: -trace FILE.csv reads arrivals of your own (time, pods); -help lists them.
BASE ?= ##V The revision that make bench-compare compares the work tree with, for example main.

export VERSION := $(strip $(VERSION))
COMMANDS := $(notdir $(wildcard cmd/*))

##@ Build

.PHONY: build
build: go ## Build every binary of the product into bin/, also kubectl-headroom, which kubectl finds on the PATH as "kubectl headroom".
	@for command in $(COMMANDS); do \
	  name=headroom-$$command; [[ $$command == kubectl-* ]] && name=$$command; \
	  [[ -e bin/$$name ]] || echo "building $$name, up to 3 minutes the first time"; \
	  ldflags=$$(hack/version.sh ldflags $$name); \
	  hack/build.sh $$name $(GO) build -ldflags "$$ldflags" -o bin/$$name ./cmd/$$command; \
	done
	@hack/build.sh sandbox $(GO) build -o bin/sandbox ./hack/sandbox

.PHONY: images
images: go $(TOOLS_DIR)/ko $(TOOLS_DIR)/scratch-base ## Build the container images for amd64 and arm64 into bin/images/, with SBOMs, and check them.
	@TOOLS_DIR=$(TOOLS_DIR) hack/images.sh bin/images

.PHONY: release-artifacts
release-artifacts: go $(addprefix $(TOOLS_DIR)/,ko scratch-base kubectl helm) ## Make all of release VERSION (v1.2.3) into bin/release/: images, chart, manifests, kubectl plugin, SBOMs, sums.
	@TOOLS_DIR=$(TOOLS_DIR) hack/release.sh '$(VERSION)'

.PHONY: tools
tools: $(TOOLS) ## Build the pinned tools and the control plane into bin/tools/, if their versions changed.

.PHONY: clean
clean: ## Remove bin/, tools included.
	rm -rf bin

##@ Test

.PHONY: test
test: test-unit test-integration ## Run everything a reviewer needs: unit tests, then integration tests on a real control plane.

.PHONY: test-unit
test-unit: go ## Run the tests that need no API server.
	$(GO) test $(TESTFLAGS) ./api/... ./pkg/... ./cmd/... ./hack/... ./test/perf/compare ./test/perf/list ./test/perf/report ./test/perf/sizing

# Never from the cache: these start processes, which Go's test cache knows nothing of. Two packages at a time: each has a
# control plane of its own, and spends much of its time waiting for it.
.PHONY: test-integration
test-integration: build $(CONTROL_PLANE) $(TOOLS_DIR)/helm $(TOOLS_DIR)/promtool ## Run the tests on the embedded cluster and on the scheduler's own harness.
	HEADROOM_TOOLS=$(TOOLS_DIR) $(GO) test -count=1 -p 2 -timeout 30m $(TESTFLAGS) $(WHAT)

.PHONY: test-versions
test-versions: build $(CONTROL_PLANE) $(foreach minor,$(KUBERNETES_VERSIONS),$(call earlier_control_plane,$(minor))) ## Run the same binaries on API servers of earlier Kubernetes versions (half an hour to build).
	HEADROOM_TOOLS=$(TOOLS_DIR) HEADROOM_TEST_VERSIONS='$(strip $(KUBERNETES_VERSIONS))' \
	  $(GO) test -tags versions -count=1 -timeout 60m $(TESTFLAGS) ./test/versions/

# Apart from make test, because of Karpenter, which nothing else needs.
.PHONY: test-e2e
test-e2e: build $(CONTROL_PLANE) $(AUTOSCALER_TOOLS) ## Run the end-to-end tests, with real Karpenter adding and removing nodes.
	HEADROOM_TOOLS=$(TOOLS_DIR) $(GO) test -count=1 -p 1 -timeout 60m $(TESTFLAGS) ./test/e2e -steady=$(strip $(STEADY))

# Apart from make test, because it builds everything twice over: a release, and an earlier state to upgrade from.
.PHONY: test-release
test-release: $(CONTROL_PLANE) $(addprefix $(TOOLS_DIR)/,ko scratch-base helm) ## Make a release, install it from its artifacts, and upgrade an earlier state to it (ten minutes).
	RELEASE_DIRTY=yes TOOLS_DIR=$(TOOLS_DIR) hack/release.sh v0.0.0-try
	HEADROOM_TOOLS=$(TOOLS_DIR) HEADROOM_RELEASE=$(CURDIR)/bin/release/v0.0.0-try $(GO) test -tags release -count=1 -timeout 30m $(TESTFLAGS) ./test/release/

# Apart from make test, because both tools are large.
.PHONY: test-policy-engines
test-policy-engines: go $(addprefix $(TOOLS_DIR)/,kyverno gator) ## Have Kyverno and Gatekeeper judge placeholders by the sample policies (seven minutes to build).
	HEADROOM_TOOLS=$(TOOLS_DIR) $(GO) test -tags policyengines -count=1 $(TESTFLAGS) ./test/policyengines/

.PHONY: chaos
chaos: build $(CONTROL_PLANE) ## Run random traffic and faults against the binaries, and judge what comes of it.
	@hack/build.sh chaos $(GO) build -o bin/chaos ./hack/chaos
	@exec env HEADROOM_TOOLS=$(TOOLS_DIR) bin/chaos --seconds='$(strip $(SECONDS))' --seed='$(strip $(SEED))' --way='$(strip $(WAY))' $(CHAOS_FLAGS)

##@ Measure

BENCH = TOOLS_DIR=$(TOOLS_DIR) BENCH_OUT=$(strip $(BENCH_OUT)) BENCH_NODES='$(strip $(BENCH_NODES))' BENCH_ROUNDS=$(strip $(BENCH_ROUNDS)) \
  BENCH_PROFILES=$(strip $(BENCH_PROFILES)) \
  BENCH_SCENARIOS='$(strip $(BENCH_SCENARIOS))' BENCH_VARIANTS='$(strip $(BENCH_VARIANTS))' BENCH_NOTE='$(strip $(BENCH_NOTE))' \
  BENCH_FLAGS='$(strip $(BENCH_FLAGS))'

.PHONY: bench
bench: go $(TOOLS_DIR)/etcd ## Measure scheduling into headroom beside free room and stock preemption, with profiles.
	@$(BENCH) test/perf/bench.sh

.PHONY: bench-short
bench-short: BENCH_NODES = 500
bench-short: BENCH_SCENARIOS = a-|e2-
bench-short: BENCH_VARIANTS = FreeRoom|StockPreemption|Headroom
bench-short: BENCH_ROUNDS = 1
bench-short: go $(TOOLS_DIR)/etcd ## The short form of make bench for daily use.
	@$(BENCH) test/perf/bench.sh

.PHONY: bench-compare
bench-compare: BENCH_NODES = 500
bench-compare: BENCH_SCENARIOS = a-|e2-
bench-compare: BENCH_VARIANTS = FreeRoom|Headroom
bench-compare: BENCH_ROUNDS = $(if $(strip $(BENCH_MICRO)),10,6)
bench-compare: go $(TOOLS_DIR)/etcd $(TOOLS_DIR)/benchstat ## Say what differs beyond noise between the work tree and the revision BASE (by default two scenarios, half an hour).
	@$(BENCH) BASE='$(strip $(BASE))' BENCH_MICRO='$(strip $(BENCH_MICRO))' test/perf/compare.sh

.PHONY: bench-sizing
bench-sizing: go ## Compare ways to choose the size of a headroom on simulated traces (some minutes), or on a trace of your own.
	@hack/build.sh sizing $(GO) build -o bin/sizing ./test/perf/sizing
	@bin/sizing $(SIZING_FLAGS)

##@ Check

.PHONY: lint
lint: go $(TOOLS_DIR)/golangci-lint ## Run the linters, and the API linter over api/.
	$(TOOLS_DIR)/golangci-lint run ./...
	$(TOOLS_DIR)/golangci-lint run --config .golangci-api.yaml ./api/v1alpha1/...

.PHONY: lint-workflows
lint-workflows: go $(TOOLS_DIR)/actionlint ## Run the linter of GitHub's workflows, and see that every action is pinned by commit.
	$(TOOLS_DIR)/actionlint
	@! grep -rnE 'uses: ' .github/workflows | grep -vE 'uses: [A-Za-z0-9/_.-]+@[0-9a-f]{40} # v[0-9.]+$$' || \
	  { echo "lint-workflows: these actions are not pinned as ACTION@COMMIT # vVERSION" >&2; exit 1; }

.PHONY: vulnerabilities
vulnerabilities: go $(TOOLS_DIR)/govulncheck ## Look for known vulnerabilities in code that the product calls; asks vuln.go.dev.
	$(TOOLS_DIR)/govulncheck ./cmd/...

.PHONY: update
update: go $(TOOLS_DIR)/controller-gen $(TOOLS_DIR)/crd-ref-docs ## Regenerate everything that is generated.
	@for script in hack/update-*.sh; do echo "$$script"; TOOLS_DIR=$(TOOLS_DIR) $$script; done

.PHONY: verify
verify: update $(TOOLS_DIR)/kubectl $(TOOLS_DIR)/helm $(TOOLS_DIR)/misspell ## Regenerate, check, and fail if the work tree is not exactly what is committed.
	@for script in hack/verify-*.sh; do echo "$$script"; TOOLS_DIR=$(TOOLS_DIR) $$script; done
	@git diff --exit-code || { echo "verify: generated files differ: run 'make update' and commit the result" >&2; exit 1; }
	@untracked=$$(git status --porcelain); [[ -z $$untracked ]] || { echo "verify: files are not committed: $$untracked" >&2; exit 1; }

##@ Document

.PHONY: docs
docs: $(DOCS_MODULES) ## Build the documentation as a site into bin/site/, and fail where a link leads nowhere (needs Node.js, half a minute).
	@cd docs && node --test --test-reporter=dot .vitepress/*.test.mjs && $(DOCS) npx --no-install vitepress build --logLevel warn
	@echo "the site is bin/site/index.html; make docs-serve shows it"

.PHONY: docs-serve
docs-serve: $(DOCS_MODULES) ## Serve the documentation on http://localhost:5173, and follow changes; Ctrl-C ends it.
	@cd docs && exec env $(DOCS) npx --no-install vitepress dev

##@ Try

.PHONY: sandbox
sandbox: build $(CONTROL_PLANE) ## Start a cluster to try Headroom in; Ctrl-C ends it.
	bin/sandbox $(SANDBOX_FLAGS)

KARPENTER_VERSION = $(call version,karpenter,sigs.k8s.io/karpenter)

# What the demo does by itself it does itself, so that Ctrl-C reaches the demo and no shell in between.
.PHONY: demo
demo: build $(CONTROL_PLANE) $(if $(filter karpenter,$(strip $(AUTOSCALER))),$(AUTOSCALER_TOOLS)) ## Run a burst of pods three times, without and with Headroom, and write a report.
	@ldflags=$$(hack/version.sh ldflags demo); \
	hack/build.sh demo $(GO) build -ldflags "$$ldflags -X main.karpenterVersion=$(KARPENTER_VERSION)" -o bin/demo ./hack/demo
	@exec env HEADROOM_TOOLS=$(TOOLS_DIR) bin/demo --autoscaler=$(strip $(AUTOSCALER)) --out='$(strip $(DEMO_OUT))' $(DEMO_FLAGS)

##@ Help

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2} \
	  /^[A-Z_]+ .*##V / {split($$0, v, " "); sub(/.*##V /, ""); printf "  %-18s %s\n", v[1], $$0}' Makefile
