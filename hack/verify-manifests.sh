#!/usr/bin/env bash
# Fails when a kustomization does not build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files -- 'manifests/**/kustomization.yaml' | while read -r file; do
  "${TOOLS_DIR:-bin/tools}"/kubectl kustomize "$(dirname "$file")" >/dev/null || { echo "kustomize fails in $(dirname "$file")" >&2; exit 1; }
done
