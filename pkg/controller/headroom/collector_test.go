package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

// TestTheStateMetricsAreThoseOfTheStatus: each number of it is another one.
func TestTheStateMetricsAreThoseOfTheStatus(t *testing.T) {
	h := webOf(1)
	h.Status = v1alpha1.HeadroomStatus{
		DesiredReplicas: 1, Replicas: 2, ReadyReplicas: 3, PendingReplicas: 4, ParkedReplicas: 5, UnavailableReplicas: 6, OutdatedReplicas: 7,
		Spread:     v1alpha1.SpreadStatus{Domains: []v1alpha1.DomainStatus{{Name: "a", ReadyReplicas: 8}, {Name: "b", ReadyReplicas: 9}}},
		Usage:      v1alpha1.UsageStatus{Taken: 10},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonValid}},
	}
	s := newScene(t, h)
	states, err := States(t.Context(), s.api)
	require.NoError(t, err)
	require.Equal(t, []metrics.HeadroomState{{
		NamespacedName: web, Desired: 1, Bound: 3, Pending: 4, Parked: 5, Unavailable: 6, Outdated: 7,
		Domains: map[string]int32{"a": 8, "b": 9}, Usage: h.Status.Usage, Conditions: s.headroom().Status.Conditions,
	}}, states)
}
