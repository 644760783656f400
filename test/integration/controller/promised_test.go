package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// TestAUnitWhoseRoomAPodWaitsForIsNotReady: a scheduler has nominated a pod to a node of 32 CPUs, of which a pod holds 30 and a unit 2.
func TestAUnitWhoseRoomAPodWaitsForIsNotReady(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	nodes := e.nodes("a")
	e.startController()
	e.headroom("web", func(spec *v1alpha1.HeadroomSpec) { spec.Requests[corev1.ResourceCPU] = resource.MustParse("2") })
	e.eventually("the unit is made", func() error {
		if len(e.pods()) == 0 {
			return errNotYet
		}
		return nil
	})
	e.bind(&e.pods()[0], nodes[0])
	e.waitFilled("web", 1)
	e.bind(e.podOf("large", "30"), nodes[0])

	waiting := e.podOf("waiting", "2")
	e.update(waiting, func(status *corev1.PodStatus) { status.NominatedNodeName = nodes[0] })
	h := e.waitCounts("web", 1, 0, 1)
	require.Equal(t, v1alpha1.ReasonUnavailable, reasonOf(h, v1alpha1.ConditionFilled))
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "is promised to a pod that waits")

	require.NoError(t, e.client.Delete(t.Context(), waiting, client.GracePeriodSeconds(0)))
	e.waitCounts("web", 1, 1, 0)
}

// TestAReservedUnitWhoseRoomAMemberOfAGroupWaitsForIsLeftAlone: its Headroom names the pods of the namespace, by a label of that, and the
// priority of the unit is above theirs. The Headroom becomes smaller meanwhile.
func TestAReservedUnitWhoseRoomAMemberOfAGroupWaitsForIsLeftAlone(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	nodes := e.nodes("a", "b")
	e.startController(allowReserved)
	e.headroom("web", replicas(2), reserved, func(spec *v1alpha1.HeadroomSpec) {
		spec.Requests[corev1.ResourceCPU] = resource.MustParse("32") // all of a node
		own := map[string]string{corev1.LabelMetadataName: e.namespace}
		spec.Consumers = &v1alpha1.Consumers{NamespaceSelector: &metav1.LabelSelector{MatchLabels: own}}
	})
	e.eventually("the units are made", func() error {
		if len(e.pods()) < 2 {
			return errNotYet
		}
		return nil
	})
	pods := e.pods()
	for i := range pods {
		e.bind(&pods[i], nodes[i])
	}
	e.waitFilled("web", 2)

	waiting := e.podOf("waiting", "2", map[string]string{"scheduling.x-k8s.io/pod-group": "training"})
	e.update(waiting, func(status *corev1.PodStatus) { status.NominatedNodeName = nodes[0] })
	e.waitCounts("web", 2, 1, 1)
	e.change("web", replicas(1))
	e.eventually("the other unit goes", func() error {
		for _, pod := range e.pods() {
			if pod.UID == pods[1].UID && pod.DeletionTimestamp == nil {
				return errNotYet
			}
		}
		return nil
	})
	e.waitCounts("web", 1, 0, 1)

	require.NoError(t, e.client.Delete(t.Context(), waiting, client.GracePeriodSeconds(0)))
	e.waitCounts("web", 1, 1, 0)
	require.Equal(t, pods[0].UID, e.pods()[0].UID, "it is the same")
}

// podOf makes a pod that is no placeholder.
func (e *environment) podOf(name, cpu string, labels ...map[string]string) *corev1.Pod {
	e.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "c", Image: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}},
		}}},
	}
	for _, more := range labels {
		pod.Labels = more
	}
	require.NoError(e, e.client.Create(e.Context(), pod))
	return pod
}
