package metrics

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"
)

func TestSchedulerMetricsShowFromTheStart(t *testing.T) {
	RegisterScheduler()
	RegisterScheduler() // once a profile
	before := schedulerCounters(t)

	ObserveSwap(0.004, 2, 25_000)
	CountFailedSwap(SwapVictimStayed)
	CountMiss(MissTooSmall)
	CountEvictions(3)
	CountGrowth(GrowthTook)
	CountGrowthEvictions(2)
	CountUnentitledEviction(ExceptionSystemCritical)
	CountGuard(GuardShared)

	added := map[string]float64{}
	for series, value := range schedulerCounters(t) {
		require.Contains(t, before, series, "it shows from the start")
		added[series] = value - before[series]
	}
	require.Equal(t, map[string]float64{
		"swaps bind_refused": 0, "swaps bound": 1, "swaps devices_stayed": 0, "swaps eviction_refused": 0, "swaps undone": 0,
		"swaps victim_stayed": 1, "misses consumers": 0, "misses filtered": 0, "misses priority": 0, "misses too_small": 1,
		"growths eviction_refused": 0, "growths took": 1, "growths undone": 0, "growths victim_stayed": 0,
		"guards failed": 0, "guards made": 0, "guards no_hostname": 0, "guards no_slot": 0, "guards refused": 0, "guards shared": 1,
		"unentitled_evictions running_pods": 0, "unentitled_evictions system_critical": 1, "evictions": 3, "growth_evictions": 2,
	}, added)
}

// schedulerCounters are the plugin's counters now. They are the process's: what other tests counted is in them.
func schedulerCounters(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		name, ours := strings.CutPrefix(family.GetName(), "headroom_scheduler_")
		name, counts := strings.CutSuffix(name, "_total")
		if !ours || !counts {
			continue
		}
		require.NotEmpty(t, family.GetHelp())
		for _, metric := range family.GetMetric() {
			require.LessOrEqual(t, len(metric.GetLabel()), 1)
			series := name
			for _, label := range metric.GetLabel() {
				series += " " + label.GetValue()
			}
			values[series] = metric.GetCounter().GetValue()
		}
	}
	return values
}

// TestASwapThatBoundIsMeasured: its waste is a share of the node.
func TestASwapThatBoundIsMeasured(t *testing.T) {
	RegisterScheduler()
	sums := func() map[string]float64 {
		found := map[string]float64{}
		for _, name := range []string{"duration_seconds", "victims", "waste_ratio"} {
			vec, err := testutil.GetHistogramVecFromGatherer(legacyregistry.DefaultGatherer, "headroom_scheduler_swap_"+name, nil)
			require.NoError(t, err)
			found[name] = vec.GetAggregatedSampleSum()
		}
		return found
	}
	before := sums()
	ObserveSwap(0.5, 3, 250_000)
	after := sums()
	for name, want := range map[string]float64{"duration_seconds": 0.5, "victims": 3, "waste_ratio": 0.25} {
		require.InDelta(t, want, after[name]-before[name], 1e-9, name)
	}
}

// TestASwapThatEvictedNothingCountsAsOne: another's had evicted what was in its way.
func TestASwapThatEvictedNothingCountsAsOne(t *testing.T) {
	RegisterScheduler()
	swaps := func() map[string]uint64 {
		found := map[string]uint64{}
		for _, name := range []string{"duration_seconds", "victims", "waste_ratio"} {
			vec, err := testutil.GetHistogramVecFromGatherer(legacyregistry.DefaultGatherer, "headroom_scheduler_swap_"+name, nil)
			require.NoError(t, err)
			found[name] = vec.GetAggregatedSampleCount()
		}
		return found
	}
	ObserveSwap(0.1, 1, 1) // so that each is there
	before, measured := schedulerCounters(t), swaps()
	ObserveSwap(0.1, 0, 0)
	after := schedulerCounters(t)
	for name, count := range swaps() {
		require.Equal(t, measured[name]+1, count, name)
	}
	require.InDelta(t, 1, after["swaps bound"]-before["swaps bound"], 0)
	require.InDelta(t, 0, after["evictions"]-before["evictions"], 0)
}

func TestEveryMetricIsDocumented(t *testing.T) {
	RegisterScheduler()
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	require.NoError(t, err)
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "headroom_") {
			require.Contains(t, string(page), "`"+family.GetName()+"`")
		}
	}
	for _, result := range swapResults() {
		require.Contains(t, string(page), "`"+string(result)+"`")
	}
	for _, result := range guardResults() {
		require.Contains(t, string(page), "`"+string(result)+"`")
	}
	for _, reason := range missReasons() {
		require.Contains(t, string(page), "`"+string(reason)+"`")
	}
}
