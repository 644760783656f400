package scheduler

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/chaos/proxy"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// TestP15HoldsAcrossAGapInTheWatch has the victim of a preemption marked and deleted while headroom-scheduler hears nothing: where it lists all
// pods anew the victim is missing, and it never saw the mark. Nor is the pod nominated that the victim went for.
func TestP15HoldsAcrossAGapInTheWatch(t *testing.T) {
	w := newWorld(t)
	w.rules.Holes, w.rules.MayVanish = true, removedByTest
	nodes := w.nodes(t, cpu("1"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	victim := w.fill(t, spare, nodes...)[0]
	between, err := proxy.Start(w.Config, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, between.Close()) })
	w.StartHeadroomBehind(t, schedulerharness.MainScheduler(t), between.Server())

	between.SetFaults(proxy.Faults{Away: true})
	w.patch(t, victim, "status", map[string]any{"status": map[string]any{"conditions": []any{map[string]any{
		"type": corev1.DisruptionTarget, "status": corev1.ConditionTrue, "reason": corev1.PodReasonPreemptionByScheduler,
		"message": "default-scheduler: preempting to accommodate a higher priority pod",
	}}}})
	w.remove(t, victim)
	const refill = "spare-headroom-1000"
	w.CreatePods(t, builders.Placeholder(spare, 1000).SchedulerName(schedulerharness.HeadroomScheduler).Obj())
	between.SetFaults(proxy.Faults{})

	w.Eventually(t, "waiting for the scheduler to try the new placeholder", func(context.Context) string {
		if pod := w.Pod(t, refill); pod.Spec.NodeName == "" && len(pod.Status.Conditions) == 0 {
			return "it did not yet"
		}
		return ""
	})
	require.Empty(t, w.Pod(t, refill).Spec.NodeName, "the room may be somebody's")
	w.WaitUnschedulable(t, refill)
	w.CreatePods(t, consumer("preemptor", cpu("1")).Obj())
	require.Equal(t, map[string]string{"preemptor": nodes[0]}, w.WaitBound(t, "preemptor"))
	w.judge(t)
}
