package headroom

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestAResizeIsLookedAtOnceAUnitOfItsNodeIsReservedForNobody has the swap of another pod give a unit back, of which no object tells.
func TestAResizeIsLookedAtOnceAUnitOfItsNodeIsReservedForNobody(t *testing.T) {
	grows := deferred(on("a", "web", "4"), "2")
	grows.Generation, grows.Spec.SchedulerName = 2, corev1.DefaultSchedulerName
	grows.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred, ObservedGeneration: 2,
	}}
	held, node := unit(hr("open", "2"), 0, "a").Obj(), builders.Node("a", "z-1", res("4")).Obj()
	f := newFixture(t, cluster{nodes: []*corev1.Node{node}, pods: []*corev1.Pod{grows, held}})
	require.NoError(t, f.factory.Core().V1().Nodes().Informer().GetStore().Add(node))
	for _, pod := range []*corev1.Pod{grows, held} {
		require.NoError(t, f.client.Tracker().Add(pod))
	}
	f.shared.leadership.Schedules()
	f.shared.reservations.Reserve("another", []*corev1.Pod{held})
	f.shared.reservations.Release("another", []*corev1.Pod{held})
	require.Eventually(t, func() bool { return slices.Contains(f.deleted(), held.Name) }, patience, glance)
}
