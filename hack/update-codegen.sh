#!/usr/bin/env bash
# Regenerates the deep copy functions and the CRD from api/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
"${TOOLS_DIR:-bin/tools}"/controller-gen object paths=./api/...
"${TOOLS_DIR:-bin/tools}"/controller-gen crd paths=./api/v1alpha1/... output:crd:dir=manifests/crd
