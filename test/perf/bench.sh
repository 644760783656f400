#!/usr/bin/env bash
# Runs the scheduling benchmark BENCH_ROUNDS times: each workload in a process of its own, which warms up first, the variants of one
# scenario and size one after the other, in an order that is balanced over the rounds (test/perf/list). Leaves in BENCH_OUT:
# raw-TIME.txt for benchstat and test/perf/report, profiles/ of each workload, top-TIME.txt with the costliest functions of the
# Headroom variant in the last BENCH_PROFILES rounds, log-TIME.txt. `make help` says what the variables mean; TOOLS_DIR has etcd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source test/perf/measure.sh
mkdir -p "$BENCH_OUT/profiles" "$BENCH_OUT/artifacts"
out=$(cd "$BENCH_OUT" && pwd)
now=$(date -u +%Y%m%dT%H%M%SZ)
raw=$out/raw-$now.txt log=$out/log-$now.txt top=$out/top-$now.txt
bench=$out/scheduling.test
choose_scratch
trap '[[ -z $own_scratch ]] || rm -rf "$own_scratch"' EXIT

go build -o "$out/list" ./test/perf/list
workloads() {
  "$out/list" -scenarios "$BENCH_SCENARIOS" -nodes "$BENCH_NODES" -variants "$BENCH_VARIANTS" -round "$1"
}
count=$(workloads 1 | wc -l)
go test -c -o "$bench" ./test/perf/scheduling
touch "$out/.started"
{
  machine
  echo "commit: $(git describe --always --dirty 2>/dev/null || echo unknown)"
  echo "warm-up: yes"
  echo "profiles: the last $BENCH_PROFILES of $BENCH_ROUNDS rounds"
} >"$raw"

status=0
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
  echo "bench: round $round of $BENCH_ROUNDS, $count workloads, load average $(cut -d' ' -f1-3 /proc/loadavg), log in $log" >&2
  echo "round: $now-$round" >>"$raw"
  flags=(-warm-up -data-items-dir "$out/profiles")
  ((round <= BENCH_ROUNDS - BENCH_PROFILES)) || flags+=(-perf-cpuprofile -perf-memprofile)
  while read -r scenario size variant; do
    measure "$bench" . "$scenario" "$size" "$variant" "${flags[@]}" || status=1
  done < <(workloads "$round")
done

# Of each Headroom workload: what costs the process most by itself, then the scheduler and all that it calls.
scheduler='k8s\.io/kubernetes/pkg/scheduler|headroom-dev/headroom/pkg/scheduler'
find "$out/profiles" -name 'Headroom_*' -newer "$out/.started" | sort | while read -r profile; do
  case $profile in
    *-cpu.prof) args=(-unit=ms) ;;
    *-delta-mem.prof) args=(-unit=kb -sample_index=alloc_space) ;;
    *) continue ;;
  esac
  printf '\n### %s\n' "$(basename "$profile")"
  go tool pprof -top -nodecount=25 "${args[@]}" "$profile" 2>/dev/null
  go tool pprof -top -cum -nodecount=70 -focus="$scheduler" "${args[@]}" "$profile" 2>/dev/null
done >"$top"
find "$out/profiles" \( -name '*-start-mem.prof' -o -name '*-end-mem.prof' \) -delete

go run ./test/perf/report -raw "$raw" -ranges test/perf/scheduling/ranges.yaml
echo "bench: raw output in $raw, costliest functions in $top" >&2
[[ $status == 0 ]] || echo "bench: a workload failed, see $log" >&2
exit "$status"
