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

	ObserveSwap(0.004, 2, 25_000)
	CountFailedSwap(SwapVictimStayed)
	CountMiss(MissTooSmall)

	require.NoError(t, testutil.GatherAndCompare(legacyregistry.DefaultGatherer, strings.NewReader(`
# HELP headroom_scheduler_swaps_total [ALPHA] Swaps by result: bound, eviction_refused, victim_stayed, devices_stayed, bind_refused, undone. A swap evicts placeholders and binds their consumer in one scheduling cycle.
# TYPE headroom_scheduler_swaps_total counter
headroom_scheduler_swaps_total{result="bind_refused"} 0
headroom_scheduler_swaps_total{result="bound"} 1
headroom_scheduler_swaps_total{result="devices_stayed"} 0
headroom_scheduler_swaps_total{result="eviction_refused"} 0
headroom_scheduler_swaps_total{result="undone"} 0
headroom_scheduler_swaps_total{result="victim_stayed"} 1
# HELP headroom_scheduler_misses_total [ALPHA] Pods that no headroom could serve although some node held headroom, each counted once, by the reason at the time: consumers, priority, too_small, filtered.
# TYPE headroom_scheduler_misses_total counter
headroom_scheduler_misses_total{reason="consumers"} 0
headroom_scheduler_misses_total{reason="filtered"} 0
headroom_scheduler_misses_total{reason="priority"} 0
headroom_scheduler_misses_total{reason="too_small"} 1
`), "headroom_scheduler_swaps_total", "headroom_scheduler_misses_total"))
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
	for _, reason := range missReasons() {
		require.Contains(t, string(page), "`"+string(reason)+"`")
	}
}
