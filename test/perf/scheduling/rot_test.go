package scheduling

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"

	"github.com/headroom-dev/headroom/test/perf/scheduling/recorder"
)

// The Headroom variant of the first scenario on ten nodes, so that the benchmark cannot rot. What it asserts is counted, never timed.
func TestTheSmallestWorkloadOfTheBenchmarkRuns(t *testing.T) {
	crd, err := os.ReadFile(crdFile)
	require.NoError(t, err)
	unpack(t)
	require.NoError(t, flag.Set("test.benchtime", "1x"))
	perf.PerfSchedulingLabelFilter = "rot"
	*observe = true

	var results []recorder.Result
	failed := false
	testing.Benchmark(func(b *testing.B) {
		b.Cleanup(func() { failed = b.Failed() })
		run(b, "scenarios/a-one-per-node.yaml", "rot", crd, func(_ *testing.B, r recorder.Result) { results = append(results, r) })
	})
	require.False(t, failed, "the workload failed; its log is above")
	require.Len(t, results, 1, "one workload carries the label")
	got, summary := results[0].Counters, results[0].Namespaces[consumers]
	assert.Equal(t, 9, summary.Pods)
	assert.Equal(t, 9, summary.Bound)
	assert.Zero(t, summary.Refused, "no consumer ever shows PodScheduled=False")
	assert.InDelta(t, 9, got.Attempts, 0, "each consumer is bound by its first attempt")
	assert.InDelta(t, 9, got.Binds, 0)
	assert.InDelta(t, 9, got.Deletes, 0, "one victim a consumer")
	assert.Zero(t, got.StatusWrites)
}
