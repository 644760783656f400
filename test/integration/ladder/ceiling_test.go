package ladder

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// TestAllZonesButOneAreFull has a hard constraint keep units waiting although one zone has room, kills the controller while the Headroom is
// parked, asks for more units, and then has room come.
func TestAllZonesButOneAreFull(t *testing.T) {
	w := newWorld(t, 30)
	namespace := clustertest.Namespace(t, w.cluster, nil)
	for i := range 20 {
		zone := map[string]string{corev1.LabelTopologyZone: []string{"region-1-a", "region-1-b"}[i%2]}
		pod := builders.Consumer(fmt.Sprintf("other-%d", i), builders.Resources{"cpu": "1"}).Namespace(namespace).NodeSelector(zone).
			Label("other", "yes").Obj()
		require.NoError(t, w.client.Create(t.Context(), pod))
	}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		list := &corev1.PodList{}
		require.NoError(collect, w.client.List(t.Context(), list, client.InNamespace(namespace)))
		for i := range list.Items {
			require.NotEmpty(collect, list.Items[i].Spec.NodeName)
		}
	}, soon, glance)
	headroom := spread(namespace, 9, v1alpha1.LadderEnabled)
	headroom.Spec.Refill = &v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: 30 * time.Second}}
	require.NoError(t, w.client.Create(t.Context(), headroom))
	parked := func(n int32) {
		t.Helper()
		w.waitFor(headroom, func(collect *assert.CollectT) {
			require.EqualValues(collect, 1, headroom.Status.ReadyReplicas, "more in the one zone would break the constraint")
			require.EqualValues(collect, 3, headroom.Status.PendingReplicas, "a probe for each zone")
			require.Equal(collect, n, headroom.Status.ParkedReplicas)
		})
		filled := meta.FindStatusCondition(headroom.Status.Conditions, v1alpha1.ConditionFilled)
		require.Equal(t, v1alpha1.ReasonAtCeiling, filled.Reason)
		require.Contains(t, filled.Message, "The scheduler says: 0/30 nodes are available")
	}
	parked(5)

	w.controller.Kill()
	before := headroom.DeepCopy()
	headroom.Spec.Replicas = ptr.To[int32](12)
	require.NoError(t, w.client.Patch(t.Context(), headroom, client.MergeFrom(before)))
	_, err := w.cluster.RunController(t.Context())
	require.NoError(t, err)
	parked(8)

	require.NoError(t, w.client.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(namespace), client.MatchingLabels{"other": "yes"},
		client.GracePeriodSeconds(0)))
	w.waitFor(headroom, func(collect *assert.CollectT) { require.EqualValues(collect, 12, headroom.Status.ReadyReplicas) })
	require.Equal(t, []int{4, 4, 4}, w.leftByZone(namespace))
}
