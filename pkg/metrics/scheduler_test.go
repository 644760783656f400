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

	added := map[string]float64{}
	for series, value := range schedulerCounters(t) {
		require.Contains(t, before, series, "it shows from the start")
		added[series] = value - before[series]
	}
	require.Equal(t, map[string]float64{
		"swaps bind_refused": 0, "swaps bound": 1, "swaps devices_stayed": 0, "swaps eviction_refused": 0, "swaps undone": 0,
		"swaps victim_stayed": 1, "misses consumers": 0, "misses filtered": 0, "misses priority": 0, "misses too_small": 1,
	}, added)
}

// schedulerCounters are the counters of swaps and misses now. They are the process's: what other tests counted is in them.
func schedulerCounters(t *testing.T) map[string]float64 {
	t.Helper()
	names := map[string]string{"headroom_scheduler_swaps_total": "swaps", "headroom_scheduler_misses_total": "misses"}
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		if name, ok := names[family.GetName()]; ok {
			require.NotEmpty(t, family.GetHelp())
			for _, metric := range family.GetMetric() {
				require.Len(t, metric.GetLabel(), 1)
				values[name+" "+metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
			}
		}
	}
	return values
}

func TestSwapWasteIsAShareOfTheNode(t *testing.T) {
	RegisterScheduler()
	sum := func() float64 {
		vec, err := testutil.GetHistogramVecFromGatherer(legacyregistry.DefaultGatherer, "headroom_scheduler_swap_waste_ratio", nil)
		require.NoError(t, err)
		return vec.GetAggregatedSampleSum()
	}
	before := sum()
	ObserveSwap(0, 1, 250_000)
	require.InDelta(t, 0.25, sum()-before, 1e-9)
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
