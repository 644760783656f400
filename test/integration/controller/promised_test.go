package controller

import (
	"testing"
	"time"

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
	h := e.waitCounts("web", time.Minute, 1, 0, 1)
	require.Equal(t, v1alpha1.ReasonUnavailable, reasonOf(h, v1alpha1.ConditionFilled))
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "is promised to a pod that waits")

	require.NoError(t, e.client.Delete(t.Context(), waiting, client.GracePeriodSeconds(0)))
	e.waitCounts("web", time.Minute, 1, 1, 0)
}

// podOf makes a pod that is no placeholder.
func (e *environment) podOf(name, cpu string) *corev1.Pod {
	e.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "c", Image: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}},
		}}},
	}
	require.NoError(e, e.client.Create(e.Context(), pod))
	return pod
}
