#!/usr/bin/env bash
# Brings the go.mod and go.sum of every module in line with what its code imports. Left out are the control planes of earlier
# Kubernetes versions, which hack/upgrade-k8s.sh keeps, and the policy engines, which one tidies by hand when they are upgraded: that would
# download all of Kubernetes three times more, and hundreds of modules that nothing else needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for dir in . hack/tools/*/; do
  case $dir in hack/tools/kubernetes-* | hack/tools/kyverno/ | hack/tools/gator/) continue ;; esac
  (cd "$dir" && go mod tidy)
done
