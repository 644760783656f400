package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/test/builders"
)

// TestRoomIsKeptAsSoonAsTheStoreOfPodsTells, before any listener hears: the scheduler's own may be the first of them.
func TestRoomIsKeptAsSoonAsTheStoreOfPodsTells(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"for a pod that another scheduler nominated to a node": {foreign("other", 0).NominatedNodeName("a").Obj(), true},
		"where another scheduler preempted one":                {preemptedBy("stock", on("a", "victim", "1")), true},
		"not for one that waits without a node":                {foreign("other", 0).Obj(), false},
		"not where one runs":                                   {on("a", "running", "1"), false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}})
			require.False(t, f.shared.holes.Known(true))
			require.NoError(t, f.factory.Core().V1().Pods().Informer().GetStore().Add(tc.pod))
			require.Equal(t, tc.want, f.shared.holes.Known(true))
		})
	}
}

// TestAPodThatTheStoreHasNoLongerIsNotHeardToBeGoneBeforeAListenerSaysSo: until then a placeholder is not bound beside it.
func TestAPodThatTheStoreHasNoLongerIsNotHeardToBeGoneBeforeAListenerSaysSo(t *testing.T) {
	f, pod := newFixture(t, cluster{}), on("a", "leaving", "1")
	heard := func() bool { return f.shared.heard.All("a", f.shared.podsOn("a")) }
	require.True(t, heard())
	f.shared.podChanged(nil, pod)
	require.False(t, heard())
	f.shared.podChanged(pod, nil)
	require.True(t, heard())
}
