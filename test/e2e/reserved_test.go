package e2e

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/observer"
)

const (
	// reservedUnits is how many reserved units there are, and pods of the workload at first: one of each on a node.
	reservedUnits = 6
	// remaining is how many pods of the workload are left.
	remaining = 2
	// fewest is how many nodes hold the units and what is left of the workload, without room to spare.
	fewest = (reservedUnits + remaining) * unitCPU / largest
)

// TestReservedUnitsMoveWhenKarpenterConsolidates has each of six nodes shared by a reserved unit and a pod of a workload that may not
// take it. When most of these pods go, Karpenter empties nodes until the rest are full: nodes of reserved units are not kept from it.
func TestReservedUnitsMoveWhenKarpenterConsolidates(t *testing.T) {
	t.Parallel()
	// Nodes of one size: Karpenter cannot replace one by a smaller one, only have its pods go to others.
	w := newWorldOf(t, cluster.NodePool{
		Name: "default", InstanceTypes: []string{"karpenter-4-16Gi"}, ConsolidateAfter: 5 * time.Second,
	}, "--allow-reserved")
	w.createWorkload(t, apart)
	w.scale(t, "deployment/"+workload, reservedUnits)
	w.waitRunning(t, reservedUnits)
	w.createReserved(t)
	w.waitReserved(t)
	require.Len(t, w.nodeNames(t), reservedUnits)
	before, ordered := w.placeholders(t), w.claims.ordered()

	pods := w.workloadPods(t)
	w.scale(t, "deployment/"+workload, remaining)
	for _, pod := range without(pods, w.waitRunning(t, remaining)) {
		w.scaledDown.Insert(pod.UID)
	}
	w.eventually(t, func(collect *assert.CollectT) {
		require.Len(collect, w.nodeNames(collect), fewest)
	}, "nodes go until the others are full")
	w.waitRest(t)
	w.waitReserved(t)
	require.Len(t, w.nodeNames(t), fewest, "still: %v", w.claims)
	require.Equal(t, ordered, w.claims.ordered(), "no node came for the units that moved: %v", w.claims)
	moved := without(w.placeholders(t), before)
	require.GreaterOrEqual(t, len(moved), reservedUnits-fewest, "a unit of each node that went was made anew")

	history, err := w.observer.Stop(context.Background())
	require.NoError(t, err)
	for _, violation := range observer.Check(w.ctx, history, observer.Rules{MayVanish: w.mayVanish}) {
		t.Error(violation)
	}
	evictions := 0
	for _, event := range history {
		if event.Type == watch.Deleted && event.Pod != nil && event.Pod.Labels[v1alpha1.LabelHeadroom] == headroomName {
			require.True(t, disruptedBy(event.Pod, evicted), "%s went from %s without an eviction", event.Pod.Name, event.Pod.Spec.NodeName)
			evictions++
		}
	}
	require.Equal(t, reservedUnits, mostUnits(history), "no unit was made beside those that nodes which were about to go still had")
	require.Empty(t, w.forbidden(t))
	t.Logf("%d nodes went, by %d evictions of units", reservedUnits-fewest, evictions)
}

// mostUnits is how many units there were at a time, without those that were being deleted.
func mostUnits(history observer.History) (most int) {
	living := sets.New[types.UID]()
	for _, event := range history {
		switch {
		case event.Pod == nil || event.Pod.Labels[v1alpha1.LabelHeadroom] != headroomName:
		case event.Type == watch.Deleted || event.Pod.DeletionTimestamp != nil:
			living.Delete(event.Pod.UID)
		default:
			living.Insert(event.Pod.UID)
			most = max(most, living.Len())
		}
	}
	return most
}

// apart puts no two pods of the workload on one node.
func apart(spec *corev1.PodSpec) {
	spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": workload}},
		}},
	}}
}

// createReserved makes a Headroom of reserved units for others than the pods of the workload.
func (w *world) createReserved(t *testing.T) {
	t.Helper()
	require.NoError(t, w.client.Create(w.ctx, &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: headroomName},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To[int32](reservedUnits), Requests: unit(), Reserved: true,
			Consumers: &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "payments"}}},
		},
	}))
}

// waitReserved waits until all reserved units are there and ready, by what the Headroom and the pods say.
func (w *world) waitReserved(t *testing.T) {
	t.Helper()
	w.eventually(t, func(collect *assert.CollectT) {
		h := w.headroom(collect)
		require.EqualValues(collect, reservedUnits, h.Status.ReadyReplicas)
		require.Zero(collect, h.Status.PendingReplicas)
		require.True(collect, meta.IsStatusConditionTrue(h.Status.Conditions, v1alpha1.ConditionFilled))
		units := w.placeholders(collect)
		require.Len(collect, units, reservedUnits)
		for _, pod := range units {
			require.Equal(collect, v1alpha1.ReservedPriorityClassName, pod.Spec.PriorityClassName)
			require.NotEmpty(collect, pod.Spec.NodeName)
		}
	}, "the reserved headroom is filled")
}

func (w *world) nodeNames(t require.TestingT) []string {
	return slices.Sorted(maps.Keys(w.nodesByName(t)))
}
