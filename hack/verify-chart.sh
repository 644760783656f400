#!/usr/bin/env bash
# Fails when Helm's linter finds fault with the chart, when a field of its values has no place in its schema, or when the
# README of the chart does not name it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
chart=manifests/charts/headroom
helm=${TOOLS_DIR:-bin/tools}/helm
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HELM_CACHE_HOME=$home HELM_CONFIG_HOME=$home HELM_DATA_HOME=$home
for values in "" scheduler.enabled=false networkPolicy.enabled=true metrics.serviceMonitor.enabled=true \
  "rbac.scope=Namespaced,rbac.namespaces={shop}"; do
  "$helm" lint --strict --quiet "$chart" --set "$values" || { echo "helm lint fails with '$values'" >&2; exit 1; }
done
bad=0
while read -r field; do
  grep -q "\`$field" "$chart/README.md" || { echo "$chart/README.md does not describe the value $field" >&2; bad=1; }
done < <(sed -n 's/^\([a-z][A-Za-z]*\):.*/\1/p' "$chart/values.yaml")
exit "$bad"
