#!/usr/bin/env bash
# Fails when a kustomization does not build. Components are parts that need a whole: the tests of the chart build them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files -- 'manifests/**/kustomization.yaml' | while read -r file; do
  ! grep -q '^kind: Component' "$file" || continue
  "${TOOLS_DIR:-bin/tools}"/kubectl kustomize "$(dirname "$file")" >/dev/null || { echo "kustomize fails in $(dirname "$file")" >&2; exit 1; }
done
