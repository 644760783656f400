#!/usr/bin/env bash
# Renders docs/benchmarks.md and its plots from the recorded raw output in docs/benchmarks/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ls docs/benchmarks/raw*.txt >/dev/null 2>&1 || exit 0
rm -f docs/benchmarks/*.svg
go run ./test/perf/report -raw 'docs/benchmarks/raw*.txt' -doc docs/benchmarks.md -plots docs/benchmarks
