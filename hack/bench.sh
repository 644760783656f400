#!/usr/bin/env bash
# Runs the scheduling benchmark BENCH_ROUNDS times: each workload in a process of its own, the variants of one scenario and size
# one after the other, in every second round backwards. Leaves in BENCH_OUT: raw-TIME.txt for benchstat and bench-report,
# profiles/ of each workload of the last BENCH_PROFILES rounds, top-TIME.txt with the costliest functions of the Headroom variant
# in them, log-TIME.txt. `make help` says what the variables mean; TOOLS_DIR has etcd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p "$BENCH_OUT/profiles" "$BENCH_OUT/artifacts"
out=$(cd "$BENCH_OUT" && pwd)
now=$(date -u +%Y%m%dT%H%M%SZ)
raw=$out/raw-$now.txt log=$out/log-$now.txt top=$out/top-$now.txt
bench=$out/scheduling.test
export PATH=$TOOLS_DIR:$PATH ARTIFACTS=$out/artifacts

# etcd waits for its disk at each write, for as long as that disk happens to take: its data go to memory where there is room.
scratch=${TMPDIR:-/tmp}
room=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1 || true)
if ((${room:-0} > 4 << 20)); then # KiB
  scratch=$(mktemp -d /dev/shm/headroom-bench.XXXXXX)
  trap 'rm -rf "$scratch"' EXIT
fi

go build -o "$out/bench-list" ./hack/bench-list
workloads() {
  "$out/bench-list" -scenarios "$BENCH_SCENARIOS" -nodes "$BENCH_NODES" -variants "$BENCH_VARIANTS" -round "$1"
}
count=$(workloads 1 | wc -l)
go test -c -o "$bench" ./test/perf/scheduling
touch "$out/.started"
{
  echo "date: $(date -u +%Y-%m-%d)"
  echo "commit: $(git describe --always --dirty 2>/dev/null || echo unknown)"
  echo "go: $(go env GOVERSION)"
  echo "cores: $(nproc)"
  echo "memory: $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)"
  echo "etcd-data: $(stat -f -c %T "$scratch")"
  echo "profiles: the last $BENCH_PROFILES of $BENCH_ROUNDS rounds"
  [[ -z ${BENCH_NOTE:-} ]] || echo "note: $BENCH_NOTE"
} >"$raw"

# measure runs one workload; its output goes to the log, its results to the raw file.
measure() {
  local scenario=$1 size=$2 variant=$3
  (cd test/perf/scheduling && TMPDIR=$scratch "$bench" -test.run '^$' -test.benchtime 1x -test.timeout 6h \
    -test.bench "^BenchmarkScheduling\$/^$scenario\$/^$variant\$/^$size\$" \
    -v=0 -data-items-dir "$out/profiles" "${profile[@]}" ${BENCH_FLAGS:-}) 2>&1 |
    tee -a "$log" | { grep -aE --line-buffered '^(goos|goarch|cpu): |^Benchmark[^ ]+[[:space:]]+[0-9]+[[:space:]]' || true; } >>"$raw"
}

status=0
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
  echo "bench: round $round of $BENCH_ROUNDS, $count workloads, load average $(cut -d' ' -f1-3 /proc/loadavg), log in $log" >&2
  echo "round: $now-$round" >>"$raw"
  profile=()
  ((round <= BENCH_ROUNDS - BENCH_PROFILES)) || profile=(-perf-cpuprofile -perf-memprofile)
  while read -r scenario size variant; do
    measure "$scenario" "$size" "$variant" </dev/null || status=1
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

go run ./hack/bench-report -raw "$raw" -ranges test/perf/scheduling/ranges.yaml
echo "bench: raw output in $raw, costliest functions in $top" >&2
[[ $status == 0 ]] || echo "bench: a workload failed, see $log" >&2
exit "$status"
