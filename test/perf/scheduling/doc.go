// Package scheduling measures what it costs to schedule into headroom, beside stock kube-scheduler on free room and beside
// stock preemption. `make bench` runs it and docs/benchmarks.md has the results.
//
// It stands on Kubernetes' own test/integration/scheduler_perf: each file of scenarios/ is one of its test configurations,
// with one test case a variant (FreeRoom, StockPreemption, Headroom; FreeRoomAgain and FreeRoomDeleting as controls) and one workload a size.
// scheduler_perf starts etcd, an API server and the scheduler afresh for each of them, all but etcd in this process, and writes
// CPU and allocation profiles of exactly the time that is measured. What it does not report, package recorder adds to the same
// benchmark line: creation to binding of each pod, attempts, API writes, CPU, allocations and live heap.
//
// Nodes, their load and the placeholders are created bound, with spec.nodeName set. So each variant starts from exactly the same
// cluster, and the set-up leaves no queue of Scheduled events behind it, which would be written during the measurement:
// with a set-up that is scheduled, the first scenario after a big one is up to twice as slow unless one waits half a minute.
//
// `make bench` gives each workload a process of its own, so that none inherits the heap of another, lets it warm up with a small
// workload, and measures the variants of one scenario and size one after the other. It repeats the whole in rounds, in an order that is
// balanced over them: a ratio is between neighbors in time, and what drifts meanwhile falls upon all alike. `make bench-compare` does the
// same with two revisions.
package scheduling
