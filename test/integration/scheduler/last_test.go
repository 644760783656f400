package scheduler

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// TestP16RoomThatBecomesFreeIsForPodsInBackOff has pods wait that have failed often, so that their back-off is long, and placeholders that have
// failed once. Then room becomes free for as many as there are of either.
func TestP16RoomThatBecomesFreeIsForPodsInBackOff(t *testing.T) {
	w := newWorld(t)
	w.rules.MayVanish = removedByTest
	nodes := w.nodes(t, cpu("1"), "a", "b", "c")
	rest := w.occupy(t, "1", nodes...)
	w.startPlugin(t)
	var ordinary []string
	for i := range nodes {
		ordinary = append(ordinary, fmt.Sprintf("ordinary-%d", i))
		w.CreatePods(t, consumer(ordinary[i], cpu("1")).Obj())
	}
	for _, name := range ordinary {
		w.WaitUnschedulable(t, name)
	}
	// Each new node wakes the pods, which do not tolerate it and fail again.
	for i := range 3 {
		name := fmt.Sprintf("tainted-%d", i)
		w.CreateNodes(t, builders.Node(name, "a", cpu("1")).Taints([]corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}).Obj())
		w.Eventually(t, "waiting for the pods to fail again", func(context.Context) string {
			for _, pod := range ordinary {
				if message := w.WaitUnschedulable(t, pod); !strings.HasPrefix(message, fmt.Sprintf("0/%d nodes", len(nodes)+i+1)) {
					return message
				}
			}
			return ""
		})
	}
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Replicas(int32(len(nodes))).Consumers(onlyFor("web")).Obj())
	for i := range nodes {
		w.CreatePods(t, builders.Placeholder(spare, i).SchedulerName(schedulerharness.HeadroomScheduler).Obj())
		w.WaitUnschedulable(t, fmt.Sprintf("spare-headroom-%d", i))
	}
	for _, name := range rest {
		w.remove(t, name)
	}
	w.WaitBound(t, ordinary...)
	for i := range nodes {
		require.Empty(t, w.Pod(t, fmt.Sprintf("spare-headroom-%d", i)).Spec.NodeName, "a placeholder was bound before a pod that waited")
	}
}

// TestP16PodsThatCanNeverRunDelayNoRefill has pods wait that fit no node, beside a placeholder for which there is room.
func TestP16PodsThatCanNeverRunDelayNoRefill(t *testing.T) {
	w := newWorld(t)
	w.rules.MayVanish = removedByTest
	nodes := w.nodes(t, cpu("1"), "a")
	rest := w.occupy(t, "1", nodes...)
	w.startPlugin(t)
	for i := range 20 {
		name := fmt.Sprintf("never-%d", i)
		w.CreatePods(t, consumer(name, cpu("1")).NodeSelector(map[string]string{"no": "such"}).Obj())
		w.WaitUnschedulable(t, name)
	}
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	w.CreatePods(t, builders.Placeholder(spare, 0).SchedulerName(schedulerharness.HeadroomScheduler).Obj())
	w.WaitUnschedulable(t, "spare-headroom-0")
	w.remove(t, rest[0])
	w.WaitBound(t, "spare-headroom-0")
}
