package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestAPodForWhichRoomSeemedFreeIsToldOfHeadroomAllTheSame: PreFilter found the room at once and looked no further, and it was gone when
// the node was filtered, or another plugin objected.
func TestAPodForWhichRoomSeemedFreeIsToldOfHeadroomAllTheSame(t *testing.T) {
	pod := wants("1").PreemptionPolicy(corev1.PreemptNever).Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("free", "z-1", res("1")).Obj()},
		pods:  []*corev1.Pod{unit(forApp("web"), 0, "a").Obj()}, headrooms: []*v1alpha1.Headroom{forApp("web")}, pending: []*corev1.Pod{pod},
	})
	c, _ := f.decided(t, pod)
	require.Nil(t, c.consumer, "PreFilter had no need to look")
	require.Equal(t, "1 of 2 nodes hold headroom, none for this pod: its preemptionPolicy is Never", f.missed(t, pod))
}

// TestAPodThatReservedUnitsBlockOtherwiseIsNoMissForTheirSize: larger units would be of no use to it.
func TestAPodThatReservedUnitsBlockOtherwiseIsNoMissForTheirSize(t *testing.T) {
	web := reservedFor("web")
	pod := wants("1").Label("app", "web").HostPort(80).Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{reservedUnit(web, 0, "a").HostPort(80).Obj()},
		headrooms: []*v1alpha1.Headroom{web}, pending: []*corev1.Pod{pod},
	})
	before := counts(t, "headroom_scheduler_misses_total")
	require.Equal(t, selection.ReasonOutOfReach, f.missed(t, pod))
	for reason, count := range counts(t, "headroom_scheduler_misses_total") {
		want := before[reason]
		if reason == string(metrics.MissFiltered) {
			want++
		}
		require.InDelta(t, want, count, 0, reason)
	}
}
