package headroom

import (
	"errors"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/headroom-dev/headroom/pkg/metrics"
)

// gathered returns the samples of one of the process's metrics.
func gathered(t *testing.T, name string) []*dto.Metric {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()
		}
	}
	require.Fail(t, "there is no such metric", name)
	return nil
}

// counts returns what a metric with one label has counted, by the values of the label.
func counts(t *testing.T, name string) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	for _, sample := range gathered(t, name) {
		counts[sample.GetLabel()[0].GetValue()] = sample.GetCounter().GetValue()
	}
	return counts
}

func TestASwapThatDoesNotEndBoundIsCountedByHowFarItGot(t *testing.T) {
	refuses := func(verb, subresource string) func(*testing.T, *fixture) {
		return func(_ *testing.T, f *fixture) {
			f.client.PrependReactor(verb, "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
				return action.GetSubresource() == subresource, nil, apierrors.NewInternalError(errors.New("etcd"))
			})
		}
	}
	stays := func(t *testing.T, f *fixture) {
		t.Helper()
		held := f.nodes[0].GetPods()[0].GetPod().DeepCopy()
		held.Finalizers = []string{"example.com/hold"}
		require.NoError(t, f.factory.Core().V1().Pods().Informer().GetStore().Update(held))
		f.evictor.Wait = 0
	}
	for name, tc := range map[string]struct {
		arrange func(*testing.T, *fixture) // nil: it gets no further than Reserve
		group   bool
		want    metrics.SwapResult
		evicted float64
	}{
		"not to Bind":                              {want: metrics.SwapUndone},
		"to an eviction that is refused":           {arrange: refuses("delete", ""), want: metrics.SwapEvictionRefused},
		"to an eviction of what stays":             {arrange: stays, want: metrics.SwapVictimStayed, evicted: 1},
		"to a binding that is refused":             {arrange: refuses("create", "binding"), want: metrics.SwapBindRefused, evicted: 1},
		"not if it was tried for a group on paper": {group: true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := wants("1").Obj()
			f, state := swapping(t, pod)
			evicted := func() float64 { return gathered(t, "headroom_scheduler_evictions_total")[0].GetCounter().GetValue() }
			before, evictedBefore := counts(t, "headroom_scheduler_swaps_total"), evicted()
			if tc.group {
				state.SetPodGroupSchedulingCycle(group{})
			}
			if tc.arrange != nil {
				tc.arrange(t, f)
				require.False(t, f.Bind(t.Context(), state, pod, "a").IsSuccess())
			}
			f.Unreserve(t.Context(), state, pod, "a")
			for result, count := range counts(t, "headroom_scheduler_swaps_total") {
				want := before[result]
				if result == string(tc.want) {
					want++
				}
				require.InDelta(t, want, count, 0, result)
			}
			require.InDelta(t, tc.evicted, evicted()-evictedBefore, 0)
		})
	}
}
