package scheduler

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// TestASecondSchedulerForTheSameNodes measures the price of deployment B: between the eviction and the bind another scheduler may take the
// room, and the kubelet then rejects the later pod. docs/concepts/two-schedulers.md tells what comes out.
func TestASecondSchedulerForTheSameNodes(t *testing.T) {
	w := newWorld(t)
	w.judged = true // overcommit is what is counted here
	const count = 100
	nodes := w.nodes(t, cpu("10"), repeat(4, "a", "b", "c")[:10]...)
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	for i := range count {
		w.place(t, builders.Placeholder(spare, i).Node(nodes[i%len(nodes)]))
	}
	w.startPlugin(t)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	// Both queues are full all the time: pods of the stock scheduler wait for every core that an eviction frees.
	for i := range count {
		w.CreatePods(t, builders.Consumer(fmt.Sprintf("stock-%d", i), cpu("1")).PreemptionPolicy("Never").Obj(), consumer(fmt.Sprintf("web-%d", i), cpu("1")).Obj())
	}

	w.Eventually(t, "waiting for the consumers", func(context.Context) string {
		bound := 0
		for name, pod := range w.Pods(t) {
			if len(name) > 4 && name[:4] == "web-" && pod.Spec.NodeName != "" {
				bound++
			}
		}
		if bound < count {
			return fmt.Sprintf("%d of %d are bound", bound, count)
		}
		return ""
	})

	history, err := w.observer.Stop(context.Background())
	require.NoError(t, err)
	rejected := 0
	for _, violation := range observer.Check(t.Context(), history, w.rules) {
		if violation.Property == "kubelet" {
			rejected++
		}
		require.NotEqual(t, "P1", violation.Property, violation.Message)
	}
	t.Logf("%d consumers, %d pods of another scheduler waiting for the same room: a kubelet would have rejected %d", count, count, rejected)
}
