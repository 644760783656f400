#!/usr/bin/env bash
# Says what differs, beyond noise, between the work tree as it is (head) and the revision BASE (base): for the scenarios that BENCH_SCENARIOS,
# BENCH_NODES and BENCH_VARIANTS choose or, where BENCH_MICRO is given, for the micro benchmarks that it matches instead.
#
# Both sides are built first and then measured in turn, BENCH_ROUNDS times, in an order that is balanced over the rounds (test/perf/list).
# The scenarios of both run in the work tree's harness, which is laid over a temporary work tree of BASE, as long as that builds; else BASE is
# measured by its own. Micro benchmarks are part of the packages that they measure: each side has its own, and those of the same name are
# compared. Leaves in BENCH_OUT: compare-TIME.txt with all measurements, benchstat-TIME.txt, compare-log-TIME.txt and
# the CPU profiles of each side.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source test/perf/measure.sh

fail() { echo "bench-compare: $1" >&2; exit 1; }
say() { echo "bench-compare: $1" >&2; }

[[ -n ${BASE:-} ]] || fail "name the revision to compare the work tree with, for example: make bench-compare BASE=main"
revision=$(git rev-parse --verify --quiet "$BASE^{commit}") || fail "'$BASE' is no revision of this repository: 'git log' shows those that are"
mkdir -p "$BENCH_OUT/artifacts" "$BENCH_OUT/profiles-base" "$BENCH_OUT/profiles-head"
out=$(cd "$BENCH_OUT" && pwd)
now=$(date -u +%Y%m%dT%H%M%SZ)
raw=$out/compare-$now.txt log=$out/compare-log-$now.txt

# Nothing stays behind, whether this ends by itself, by Ctrl-C or by a signal.
temporary=$(mktemp -d) own_scratch=
clean_up() {
  trap '' INT TERM
  git worktree remove --force "$temporary/base" 2>/dev/null || true
  rm -rf "$temporary" "${own_scratch:-$temporary}"
  git worktree prune
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

git worktree add --quiet --detach "$temporary/base" "$revision"
declare -A tree=([base]=$temporary/base [head]=$PWD)
choose_scratch
{
  machine
  echo "base: $(git describe --always "$revision")"
  echo "head: $(git describe --always --dirty)"
} >"$raw"

# overlay lays folders of the work tree over those of the base.
overlay() {
  local folder
  for folder; do
    rm -rf "${tree[base]:?}/$folder"
    mkdir -p "${tree[base]}/$folder"
    cp -R "$folder/." "${tree[base]}/$folder"
  done
}

# needed_tests prints the folders under test/ that the benchmark needs beside its own.
needed_tests() {
  go list -deps -test -f '{{if not .Standard}}{{.Dir}}{{end}}' ./test/perf/scheduling | sed -n "s|^$PWD/\(test/.*\)|\1|p" |
    grep -v '^test/perf/' | sort -u
}

build_base() { (cd "${tree[base]}" && go test -c -o "$temporary/base.test" ./test/perf/scheduling) >>"$log" 2>&1; }

build_scenarios() {
  go build -o "$temporary/list" ./test/perf/list
  say "building the work tree's benchmark"
  go test -c -o "$temporary/head.test" ./test/perf/scheduling
  say "building that of $BASE"
  scenarios=test/perf/scheduling/scenarios harness="the work tree's, for both sides"
  # What the benchmark needs of other tests measures nothing, so that either side's will do.
  overlay test/perf
  build_base && return
  mapfile -t needed < <(needed_tests)
  overlay "${needed[@]}"
  build_base && return
  git -C "${tree[base]}" checkout --quiet --force HEAD
  git -C "${tree[base]}" clean -fdq
  build_base || fail "the benchmark of $BASE does not build, neither with its own harness nor with the work tree's, see $log"
  scenarios=${tree[base]}/test/perf/scheduling/scenarios
  harness="each side's own, since the work tree's does not build with $BASE: differences may be the harness's"
}

# flags_of prints the flags of a side, whose harness may be older than the warm-up.
flags_of() {
  echo -perf-cpuprofile -data-items-dir "$out/profiles-$1"
  if "$temporary/$1.test" -help 2>&1 | grep -q -- '-warm-up'; then echo -warm-up; fi
}

workloads() {
  "$temporary/list" -dir "$scenarios" -scenarios "$BENCH_SCENARIOS" -nodes "$BENCH_NODES" -variants "$BENCH_VARIANTS" -round "$1" -sides base,head
}

compare_scenarios() {
  build_scenarios
  say "harness: $harness"
  echo "harness: $harness" >>"$raw"
  local round scenario size variant side count
  local -A flags=([base]=$(flags_of base) [head]=$(flags_of head))
  count=$(workloads 1 | wc -l)
  for ((round = 1; round <= BENCH_ROUNDS; round++)); do
    say "round $round of $BENCH_ROUNDS, $count workloads, load average $(cut -d' ' -f1-3 /proc/loadavg), log in $log"
    while read -r scenario size variant side; do
      printf 'round: %s\nside: %s\n' "$now-$round" "$side" >>"$raw"
      # shellcheck disable=SC2086 # several words
      measure "$temporary/$side.test" "${tree[$side]}" "$scenario" "$size" "$variant" ${flags[$side]} ||
        say "$scenario/$variant/$size failed on $side, see $log"
    done < <(workloads "$round")
  done
}

# micro_packages prints the folders of a side's packages with benchmarks that are not this one.
micro_packages() {
  (cd "${tree[$1]}" && grep -rl --include='*_test.go' '^func Benchmark' pkg | xargs -r -n 1 dirname | sort -u)
}

build_micro() {
  local side package
  for side in base head; do
    say "building the micro benchmarks of $side"
    while read -r package; do
      (cd "${tree[$side]}" && go test -c -o "$temporary/$side.micro/${package//\//.}.test" "./$package")
    done < <(micro_packages "$side")
  done
}

compare_micro() {
  mkdir -p "$temporary"/{base.micro,head.micro}
  build_micro
  local round side order package
  for ((round = 1; round <= BENCH_ROUNDS; round++)); do
    say "round $round of $BENCH_ROUNDS, load average $(cut -d' ' -f1-3 /proc/loadavg), log in $log"
    order=(base head)
    ((round % 2 == 1)) || order=(head base)
    for side in "${order[@]}"; do
      printf 'round: %s\nside: %s\n' "$now-$round" "$side" >>"$raw"
      while read -r package; do
        (cd "${tree[$side]}/$package" && "$temporary/$side.micro/${package//\//.}.test" -test.run '^$' -test.bench "$BENCH_MICRO" \
          -test.benchmem -test.benchtime 0.5s) </dev/null 2>&1 | tee -a "$log" | { grep -aE '^(goos|goarch|cpu|pkg): |^Benchmark' || true; } >>"$raw"
      done < <(micro_packages "$side")
    done
  done
}

if [[ -n ${BENCH_MICRO:-} ]]; then compare_micro; else compare_scenarios; fi
go run ./test/perf/compare -raw "$raw"
units='burst-s OR p50-ms OR ordinary-pods/s OR scheduler-cpu-ms/pod OR process-cpu-ms/pod OR alloc-KiB/pod OR allocs/pod OR sec/op OR B/op OR allocs/op'
"$TOOLS_DIR/benchstat" -col side -table '' -ignore round,pkg -filter ".unit:($units)" "$raw" >"$out/benchstat-$now.txt"
say "benchstat's tables in $out/benchstat-$now.txt, raw output in $raw"
