package controller

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// TestGatedPlaceholders: a queue that gates every pod gates placeholders too.
func TestGatedPlaceholders(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	for _, object := range mutation(e.namespace, gate) {
		require.NoError(t, e.client.Create(t.Context(), object))
		t.Cleanup(func() { _ = e.client.Delete(context.Background(), object) })
	}
	e.waitMutated(func(pod *corev1.Pod) bool { return len(pod.Spec.SchedulingGates) > 0 })
	e.startController()
	e.headroom("batch", replicas(3))
	h := e.waitStatus("batch", v1alpha1.ReasonValid, v1alpha1.ReasonGated, 0, 3)
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "Scheduling gates hold 3 placeholders back: queue.example.org/admission.")
	e.waitEvent("batch", "CannotFill", "queue.example.org/admission")
}

func TestASchedulerThatDoesNotExist(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("typo", replicas(2), func(spec *v1alpha1.HeadroomSpec) { spec.SchedulerName = nobody })
	h := e.waitStatus("typo", v1alpha1.ReasonValid, v1alpha1.ReasonNoScheduler, 0, 2)
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), `Is there a scheduler named "nobody"?`)
	e.waitEvent("typo", "CannotFill", `"nobody"`)
	e.change("typo", func(spec *v1alpha1.HeadroomSpec) { spec.SchedulerName = "" })
	e.waitFilled("typo", 2)
}

// TestANodeThatFailsEveryPod: the status tells what the kubelet says, also in the moments in which all units are bound.
func TestANodeThatFailsEveryPod(t *testing.T) {
	t.Parallel()
	e, _ := filled(t, 1)
	for range 4 {
		var pod corev1.Pod
		e.eventually("there is a unit", func() error {
			pods := e.pods()
			if len(pods) != 1 {
				return fmt.Errorf("%d pods", len(pods))
			}
			pod = pods[0]
			return nil
		})
		e.fail(&pod, "Evicted", "The node was low on resource: memory.")
		e.waitReplaced(pod.UID)
	}
	var h *v1alpha1.Headroom
	e.eventually("the kubelet's words are in the status while the unit is bound", func() error {
		h = e.get("web")
		if h.Status.ReadyReplicas != 1 || reasonOf(h, v1alpha1.ConditionFilled) != v1alpha1.ReasonUnitsFail {
			return fmt.Errorf("ready %d, Filled %s", h.Status.ReadyReplicas, reasonOf(h, v1alpha1.ConditionFilled))
		}
		return nil
	})
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "Evicted: The node was low on resource: memory.")
	e.waitEvent("web", "CannotFill", "Evicted: The node was low on resource: memory.")
	require.Equal(t, v1alpha1.ReasonValid, reasonOf(h, v1alpha1.ConditionReady))
}
