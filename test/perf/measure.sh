# What bench.sh and compare.sh have in common. Both set: out (folder of everything that is left behind), raw and log (files), and
# TOOLS_DIR (which has etcd). shellcheck shell=bash

# etcd waits for its disk at each write, for as long as that disk happens to take: its data go to memory where there is room. Sets
# scratch; where the caller may remove it, also own_scratch.
choose_scratch() {
  local room
  scratch=${TMPDIR:-/tmp} own_scratch=
  room=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1 || true)
  if ((${room:-0} > 4 << 20)); then # KiB
    scratch=$(mktemp -d /dev/shm/headroom-bench.XXXXXX)
    own_scratch=$scratch
  fi
}

# machine writes what a reader of the raw output has to know of the machine.
machine() {
  echo "date: $(date -u +%Y-%m-%d)"
  echo "go: $(go env GOVERSION)"
  echo "cores: $(nproc)"
  echo "memory: $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)"
  echo "etcd-data: $(stat -f -c %T "$scratch")"
  [[ -z ${BENCH_NOTE:-} ]] || echo "note: $BENCH_NOTE"
}

# measure runs one workload in a process of its own, after a warm-up where the binary knows one; the output goes to the log, the result to
# the raw file. Arguments: binary, repository whose CRD it takes, scenario, size, variant, further flags.
measure() {
  local binary=$1 tree=$2 scenario=$3 size=$4 variant=$5
  shift 5
  (cd "$tree/test/perf/scheduling" && PATH=$TOOLS_DIR:$PATH ARTIFACTS=$out/artifacts TMPDIR=$scratch "$binary" \
    -test.run '^$' -test.benchtime 1x -test.timeout 6h -test.bench "^BenchmarkScheduling\$/^$scenario\$/^$variant\$/^$size\$" \
    -v=0 "$@" ${BENCH_FLAGS:-}) </dev/null 2>&1 |
    tee -a "$log" | { grep -aE --line-buffered '^(goos|goarch|cpu): |^Benchmark[^ ]+[[:space:]]+[0-9]+[[:space:]]' || true; } >>"$raw"
}
