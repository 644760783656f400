package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// perNode puts a unit on each node of the test.
func (e *environment) perNode(spec *v1alpha1.HeadroomSpec) {
	spec.Placement, spec.NodeSelector = v1alpha1.PlacementPerNode, map[string]string{"test": e.namespace}
}

// bindDaemons plays the scheduler for the pods of a DaemonSet, each of which names its node.
func (e *environment) bindDaemons() {
	e.bindBy(func(pod *corev1.Pod) string {
		terms := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		return terms[0].MatchFields[0].Values[0]
	})
}

func TestPerNodeKeepsAUnitOnEachNode(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.nodes("a", "b")
	e.bindDaemons()
	c := e.startController()
	e.headroom("reserve", e.perNode)
	h := e.waitFilled("reserve", 2)
	require.Equal(t, int32(2), h.Status.DesiredReplicas)
	require.Equal(t, "a:1 b:1", h.Status.Spread.Summary)
	for _, pod := range e.pods() {
		headroom, ok := placeholder.HeadroomOf(&pod, func(string, string, types.UID) (types.NamespacedName, bool) {
			return client.ObjectKeyFromObject(h), true
		})
		require.True(t, ok)
		require.Equal(t, "reserve", headroom.Name)
	}

	more := e.nodes("c", "c", "c")[2] // the first two are there already
	require.NotEmpty(t, more)
	e.waitFilled("reserve", 3)

	e.change("reserve", func(spec *v1alpha1.HeadroomSpec) { spec.PodLabels = map[string]string{"team": "a"} })
	e.eventually("the change rolled through", func() error {
		for _, pod := range e.pods() {
			if pod.Labels["team"] != "a" {
				return errNotYet
			}
		}
		return nil
	})
	e.waitFilled("reserve", 3)
	require.Zero(t, c.value(t, "headroom_consumed_total"))
}

func TestPerNodeLeavesADaemonSetOfSomebodyElseAlone(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.nodes("a")
	labels := map[string]string{"app": "other"}
	foreign := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: placeholder.DaemonSetName("reserve")},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeSelector: map[string]string{"no": "node"}, Containers: []corev1.Container{{Name: "c", Image: "c"}},
				},
			},
		},
	}
	require.NoError(t, e.client.Create(t.Context(), foreign))
	e.startController()
	e.headroom("reserve", e.perNode)
	e.waitStatus("reserve", v1alpha1.ReasonNameTaken, v1alpha1.ReasonNotReady, 0, 0)
	now := &appsv1.DaemonSet{}
	require.NoError(t, e.client.Get(t.Context(), client.ObjectKeyFromObject(foreign), now))
	require.Equal(t, foreign.UID, now.UID)
	require.Equal(t, foreign.Generation, now.Generation)
}

func TestPerNodeTellsWhatTheNamespaceRefuses(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.nodes("a", "b")
	e.createLaxLimits()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "one"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("1")}},
	}
	require.NoError(t, e.client.Create(t.Context(), quota))
	e.waitRefused("exceeded quota: one")
	e.bindDaemons()
	e.startController()
	e.headroom("reserve", e.perNode)
	h := e.waitStatus("reserve", v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonNotReady, 1, 0)
	require.Contains(t, messageOf(h, v1alpha1.ConditionReady), "exceeded quota: one")
	require.NoError(t, e.client.Delete(t.Context(), quota))
	e.waitFilled("reserve", 2)
}
