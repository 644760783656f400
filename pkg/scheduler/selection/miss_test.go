package selection

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/apis/scheduling"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

func TestAMissNamesThreeHeadroomsAndCountsTheOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		refusals map[int]string
		want     string
	}{
		"one":                  {refusals: map[int]string{7: "x"}, want: "x"},
		"three, in order":      {refusals: map[int]string{0: "c", 1: "a", 2: "b"}, want: "a; b; c"},
		"one more":             {refusals: map[int]string{0: "d", 1: "a", 2: "b", 3: "c"}, want: "a; b; c; and 1 more"},
		"as many as there are": {refusals: map[int]string{0: "e", 1: "a", 2: "b", 3: "c", 4: "d"}, want: "a; b; c; and 2 more"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, join(tc.refusals)) })
	}
}

func TestWhoIsToldThatTheAPIServerRefuses(t *testing.T) {
	const refused = "1 of 1 nodes hold headroom, none for this pod: the API server refuses to delete the placeholders of default/open"
	shut := hr("open", "1")
	shut.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "nobody"}}}
	for name, tc := range map[string]struct {
		headroom *v1alpha1.Headroom
		priority int32
		reason   metrics.MissReason
		want     string
	}{
		"a pod that the Headroom entitles": {headroom: hr("open", "1"), reason: metrics.MissFiltered, want: refused},
		"not one that it does not": {
			headroom: shut, reason: metrics.MissConsumers,
			want: "1 of 1 nodes hold headroom, none for this pod: consumers.podSelector of default/open does not match",
		},
		"but a system-critical one": {
			headroom: shut, priority: scheduling.SystemCriticalPriority, reason: metrics.MissFiltered, want: refused,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1")}, unit(0, "a"))
			require.NoError(t, f.Catalog.Set(tc.headroom))
			f.Undeletable = func(types.NamespacedName) bool { return true }
			pod := wants("1").Priority(tc.priority).Obj()
			f.consumer(t, pod)
			reason, message := f.Miss(pod, func() int { return 0 }, func() Objections { return nil })
			require.Equal(t, tc.reason, reason)
			require.Equal(t, tc.want, message)
		})
	}
}
