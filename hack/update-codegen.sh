#!/usr/bin/env bash
# Regenerates the deep copy functions and the CRDs from api/, the Grafana dashboard, and the copies in the Helm chart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
"${TOOLS_DIR:-bin/tools}"/controller-gen object paths=./api/...
"${TOOLS_DIR:-bin/tools}"/controller-gen crd paths=./api/v1alpha1/... output:crd:dir=manifests/crd
# The chart carries what it shares with the kustomizations word for word.
chart=manifests/charts/headroom/files
cp manifests/crd/headroom.dev_headrooms.yaml $chart/crd.yaml
cp manifests/crd/headroom.dev_headroomaccounts.yaml $chart/crd-accounts.yaml
go run ./hack/dashboard manifests/controller/components/dashboard/headroom.json
cp manifests/controller/components/dashboard/headroom.json $chart/dashboard.json
for component in controller scheduler; do
  cp manifests/$component/components/monitoring/alerts.yaml $chart/alerts-$component.yaml
done
