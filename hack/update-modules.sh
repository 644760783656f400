#!/usr/bin/env bash
# Brings the go.mod and go.sum of every module in line with what its code imports.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for dir in . hack/tools/*/; do
  (cd "$dir" && go mod tidy)
done
