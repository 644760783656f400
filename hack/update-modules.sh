#!/usr/bin/env bash
# Brings the go.mod and go.sum of every module in line with what its code imports. Left out are the control planes of earlier
# Kubernetes versions, which hack/upgrade-k8s.sh keeps: that would download all of Kubernetes three times more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for dir in . hack/tools/*/; do
  [[ $dir != hack/tools/kubernetes-* ]] || continue
  (cd "$dir" && go mod tidy)
done
