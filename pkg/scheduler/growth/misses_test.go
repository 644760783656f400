package growth

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

func TestAResizeThatNoUnitsServeIsCountedOnceForEachSizeThatIsAskedFor(t *testing.T) {
	metrics.RegisterScheduler()
	for name, tc := range map[string]struct {
		desired   string
		bare      bool // there are no units
		consumers *v1alpha1.Consumers
		want      metrics.MissReason
	}{
		"there are none":      {desired: "9", bare: true},
		"units are too small": {desired: "9", want: metrics.MissTooSmall},
		"units are for others": {
			desired: "4", consumers: &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}},
			want: metrics.MissConsumers,
		},
		"units do": {desired: "4"},
	} {
		t.Run(name, func(t *testing.T) {
			before := misses(t)
			bubble(t, func(s *scenery) {
				s.web, s.consumers = resized("web", tc.desired), tc.consumers
				s.web.Namespace = "default"
				if tc.bare {
					s.units = nil
				}
			}, func(_ *testing.T, g *growing) {
				for range 2 { // sizes; that they differ is told by the generation
					for range 3 {
						g.Look("n")
						synctest.Wait()
					}
					g.web.Generation++
					g.web.Status.Conditions[0].ObservedGeneration++
				}
			})
			for reason, count := range misses(t) {
				want := before[reason]
				if reason == string(tc.want) {
					want += 2
				}
				require.InDelta(t, want, count, 0, reason)
			}
		})
	}
}

func TestWhatWasCountedOfAPodThatIsGoneIsForgotten(t *testing.T) {
	metrics.RegisterScheduler()
	before := misses(t)[string(metrics.MissTooSmall)]
	bubble(t, func(s *scenery) {
		s.web = resized("web", "9")
		s.web.Namespace = "default"
	}, func(_ *testing.T, g *growing) {
		for range 2 {
			for range 2 {
				g.Look("n")
				synctest.Wait()
			}
			g.forget("web")
		}
	})
	require.InDelta(t, before+2, misses(t)[string(metrics.MissTooSmall)], 0, "once until it is forgotten, and once more")
}

// counted returns what a metric without labels has counted.
func counted(t *testing.T, name string) float64 {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	require.Fail(t, "there is no such metric", name)
	return 0
}

// misses returns what the metric has counted, by reason.
func misses(t *testing.T) map[string]float64 {
	t.Helper()
	counts := countedBy(t, "headroom_scheduler_misses_total")
	require.Len(t, counts, 4)
	return counts
}

// countedBy returns what a metric with one label has counted, by its value.
func countedBy(t *testing.T, name string) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	families, err := legacyregistry.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				counts[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
			}
		}
	}
	return counts
}
