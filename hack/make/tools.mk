# The pinned tools: built from Go modules into bin/tools/, each from a module of its own under hack/tools/.
# A tool is rebuilt when the content of its module changes, which is when its version does. To add one: a folder
# hack/tools/NAME with a go.mod that has a line `tool PACKAGE`, then one line `$(eval $(call tool,...))` below.

GO ?= go
TOOLS_DIR := $(CURDIR)/bin/tools
KUBERNETES_VERSION := $(shell sed -n 's|.*k8s.io/kubernetes \(v[0-9.]*\).*|\1|p' hack/tools/kubernetes/go.mod)

.PHONY: go
go:
	@command -v $(GO) >/dev/null || { echo "make needs Go $$(sed -n 's/^go //p' go.mod) or later on the PATH, and found none" >&2; exit 1; }
	@$(GO) list -m >/dev/null || { echo "make needs Go $$(sed -n 's/^go //p' go.mod) or later, found $$($(GO) env GOVERSION)" >&2; exit 1; }

fingerprint = $(shell cat hack/tools/$(1)/go.mod hack/tools/$(1)/go.sum $(wildcard hack/tools/$(1)/*.go) | cksum | cut -d' ' -f1)
version = $(shell sed -n 's|.*$(2) \(v[0-9][^ ]*\).*|\1|p' hack/tools/$(1)/go.mod | head -n 1)

# tool: $(1) binary, $(2) folder under hack/tools, $(3) module, $(4) package, $(5) time of a cold build, $(6) linker flags,
# $(7) build tags.
# The new binary is moved into place in one step, so that two makes at once never see half a tool.
define tool
$(TOOLS_DIR)/$(1): $(TOOLS_DIR)/.built/$(1)-$(call fingerprint,$(2))
	@[[ -x $$@ ]] || { rm $$< && $(MAKE) --no-print-directory $$@; }
$(TOOLS_DIR)/.built/$(1)-$(call fingerprint,$(2)): | go
	@mkdir -p $(dir $(TOOLS_DIR)/$(1)) $(dir $(TOOLS_DIR)/.built/$(1))
	@echo "building $(1) $(call version,$(2),$(3)), about $(5) the first time"
	@cd hack/tools/$(2) && $(CURDIR)/hack/build.sh $(1) $(GO) build -ldflags '$(6)' -tags '$(7)' -o $(TOOLS_DIR)/.built/$(1).$$$$$$$$ $(4) && mv $(TOOLS_DIR)/.built/$(1).$$$$$$$$ $(TOOLS_DIR)/$(1)
	@touch $$@
endef

# kubernetes_ldflags: $(1) version. The programs know by it which release they are.
kubernetes_ldflags = -X k8s.io/component-base/version.gitVersion=$(1) \
  -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$(word 2,$(subst ., ,$(1)))

helm_ldflags := -X helm.sh/helm/v4/internal/version.version=$(call version,helm,helm.sh/helm/v4)

$(eval $(call tool,controller-gen,controller-gen,sigs.k8s.io/controller-tools,sigs.k8s.io/controller-tools/cmd/controller-gen,20 seconds))
$(eval $(call tool,golangci-lint,golangci-lint,github.com/golangci/golangci-lint/v2,.,3 minutes))
$(eval $(call tool,benchstat,benchstat,golang.org/x/perf,golang.org/x/perf/cmd/benchstat,5 seconds))
$(eval $(call tool,promtool,promtool,github.com/prometheus/prometheus,github.com/prometheus/prometheus/cmd/promtool,3 minutes,,remove_all_sd))
$(eval $(call tool,helm,helm,helm.sh/helm/v4,helm.sh/helm/v4/cmd/helm,3 minutes,$(helm_ldflags)))
$(eval $(call tool,etcd,etcd,go.etcd.io/etcd/server/v3,go.etcd.io/etcd/server/v3,30 seconds))
$(eval $(call tool,kube-apiserver,kubernetes,k8s.io/kubernetes,k8s.io/kubernetes/cmd/kube-apiserver,5 minutes,$(call kubernetes_ldflags,$(KUBERNETES_VERSION))))
$(eval $(call tool,kube-controller-manager,kubernetes,k8s.io/kubernetes,k8s.io/kubernetes/cmd/kube-controller-manager,2 minutes,$(call kubernetes_ldflags,$(KUBERNETES_VERSION))))
$(eval $(call tool,kubectl,kubernetes,k8s.io/kubernetes,k8s.io/kubernetes/cmd/kubectl,1 minute,$(call kubernetes_ldflags,$(KUBERNETES_VERSION))))
$(eval $(call tool,kwok,kwok,sigs.k8s.io/kwok,sigs.k8s.io/kwok/cmd/kwok,2 minutes))
$(eval $(call tool,karpenter,karpenter,sigs.k8s.io/karpenter,sigs.k8s.io/karpenter/kwok,3 minutes))
$(eval $(call tool,ko,ko,github.com/google/ko,github.com/google/ko,1 minute))
$(eval $(call tool,crane,ko,github.com/google/go-containerregistry,github.com/google/go-containerregistry/cmd/crane,20 seconds))
$(eval $(call tool,actionlint,actionlint,github.com/rhysd/actionlint,github.com/rhysd/actionlint/cmd/actionlint,10 seconds))
$(eval $(call tool,govulncheck,govulncheck,golang.org/x/vuln,golang.org/x/vuln/cmd/govulncheck,15 seconds))
$(eval $(call tool,gator,gator,github.com/open-policy-agent/gatekeeper/v3,github.com/open-policy-agent/gatekeeper/v3/cmd/gator,2 minutes))
$(eval $(call tool,kyverno,kyverno,github.com/kyverno/kyverno,github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno,5 minutes))
$(eval $(call tool,crd-ref-docs,crd-ref-docs,github.com/elastic/crd-ref-docs,github.com/elastic/crd-ref-docs,20 seconds))
$(eval $(call tool,misspell,golangci-lint,github.com/golangci/misspell,github.com/golangci/misspell/cmd/misspell,5 seconds))
$(eval $(call tool,scratch-base,ko,github.com/google/go-containerregistry,./scratch-base,5 seconds))

# KWOK plays no kubelet without its Stage files, which its module carries beside the code.
KWOK_STAGES := $(TOOLS_DIR)/.built/kwok-stages-$(call fingerprint,kwok)
$(KWOK_STAGES): | go
	@mkdir -p $(TOOLS_DIR)/.built $(TOOLS_DIR)/kwok-stages
	@cd hack/tools/kwok && $(CURDIR)/hack/build.sh kwok-stages $(GO) mod download sigs.k8s.io/kwok && \
  module=$$($(GO) list -m -f '{{.Dir}}' sigs.k8s.io/kwok) && \
	  install -m 0644 "$$module"/kustomize/stage/node/fast/node-*.yaml "$$module"/kustomize/stage/pod/fast/pod-*.yaml $(TOOLS_DIR)/kwok-stages/
	@touch $@

# Karpenter's own CRDs and those of its KWOK provider lie in its module too.
KARPENTER_CRDS := $(TOOLS_DIR)/.built/karpenter-crds-$(call fingerprint,karpenter)
$(KARPENTER_CRDS): | go
	@mkdir -p $(TOOLS_DIR)/.built $(TOOLS_DIR)/karpenter-crds
	@cd hack/tools/karpenter && $(CURDIR)/hack/build.sh karpenter-crds $(GO) mod download sigs.k8s.io/karpenter && \
  module=$$($(GO) list -m -f '{{.Dir}}' sigs.k8s.io/karpenter) && \
	  install -m 0644 "$$module"/kwok/charts/crds/*.yaml "$$module"/kwok/apis/crds/*.yaml $(TOOLS_DIR)/karpenter-crds/
	@touch $@

CONTROL_PLANE := $(addprefix $(TOOLS_DIR)/,etcd kube-apiserver kube-controller-manager kubectl kwok) $(KWOK_STAGES)
# The control planes of earlier Kubernetes versions, each in a folder of its own: for test-versions alone. What else a cluster
# needs comes from CONTROL_PLANE.
EARLIER := $(sort $(patsubst hack/tools/kubernetes-%,%,$(wildcard hack/tools/kubernetes-*)))
# earlier: $(1) minor version, $(2) version.
define earlier
$(call tool,$(1)/kube-apiserver,kubernetes-$(1),k8s.io/kubernetes,k8s.io/kubernetes/cmd/kube-apiserver,5 minutes,$(call kubernetes_ldflags,$(2)))
$(call tool,$(1)/kube-controller-manager,kubernetes-$(1),k8s.io/kubernetes,k8s.io/kubernetes/cmd/kube-controller-manager,2 minutes,$(call kubernetes_ldflags,$(2)))
endef
$(foreach minor,$(EARLIER),$(eval $(call earlier,$(minor),$(call version,kubernetes-$(minor),k8s.io/kubernetes))))
earlier_control_plane = $(addprefix $(TOOLS_DIR)/$(1)/,kube-apiserver kube-controller-manager)

# What the demo and the end-to-end tests need beyond the control plane.
AUTOSCALER_TOOLS := $(TOOLS_DIR)/karpenter $(KARPENTER_CRDS)
TOOLS := $(CONTROL_PLANE) $(AUTOSCALER_TOOLS) $(addprefix $(TOOLS_DIR)/,benchstat controller-gen crd-ref-docs golangci-lint helm misspell promtool)
