package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

var nameOfWeb = types.NamespacedName{Namespace: "default", Name: "web"}

// waitingFor is a cluster in which the pod finds its only node full of a placeholder of the Headroom web.
func waitingFor(pod *corev1.Pod) cluster {
	return cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("web", "1"), 0, "a").Obj()},
		headrooms: []*v1alpha1.Headroom{forApp("web")}, pending: []*corev1.Pod{pod},
	}
}

// fail runs a cycle that ends in vain. During it, something happens.
func (f *fixture) fail(t *testing.T, pod *corev1.Pod, during func()) {
	t.Helper()
	c, state := f.decided(t, pod)
	require.Nil(t, c.swap)
	during()
	_, status := f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
	require.True(t, status.IsRejected())
}

func TestAChangedHeadroomWakesThePodsThatItAdmits(t *testing.T) {
	pod := wants("1").Label("app", "db").Obj()
	f := newFixture(t, waitingFor(pod))
	f.fail(t, pod, func() {})
	f.shared.waker.HeadroomChanged(t.Context(), nameOfWeb)
	require.Empty(t, f.activated, "it still refuses the pod")

	open := hr("web", "1")
	require.NoError(t, f.shared.catalog.Set(open))
	f.shared.waker.HeadroomChanged(t.Context(), nameOfWeb)
	require.Equal(t, activations{pod.Name}, f.activated)
}

func TestAHeadroomThatChangesDuringACycleWakesThePodAfterIt(t *testing.T) {
	pod := wants("1").Label("app", "db").Obj()
	f := newFixture(t, waitingFor(pod))
	f.fail(t, pod, func() {
		require.NoError(t, f.shared.catalog.Set(hr("web", "1")))
		f.shared.waker.HeadroomChanged(t.Context(), nameOfWeb)
		require.Empty(t, f.activated, "nobody knows yet that it fails")
	})
	require.Equal(t, activations{pod.Name}, f.activated)

	f.fail(t, wants("2").Obj(), func() {})
	require.Len(t, f.activated, 1, "nothing has changed since")
}
