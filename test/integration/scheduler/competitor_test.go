package scheduler

import (
	"context"
	"fmt"
	"strings"
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
		w.CreatePods(t, builders.Consumer(fmt.Sprintf("stock-%d", i), cpu("1")).PreemptionPolicy("Never").Obj(),
			consumer(fmt.Sprintf("web-%d", i), cpu("1")).Obj())
	}

	bound := map[string]int{}
	w.Eventually(t, "waiting for all headroom that helps to be taken and every consumer to be answered", func(context.Context) string {
		clear(bound)
		onNode := map[string]int{}
		pods := w.Pods(t)
		for _, pod := range pods {
			onNode[pod.Spec.NodeName]++
		}
		for name, pod := range pods {
			kind, _, _ := strings.Cut(name, "-")
			switch {
			case kind == "spare" && onNode[pod.Spec.NodeName] == 10:
				// On a node that is overcommitted, one placeholder less makes no room: the kubelet's rejection has to come first, and
				// no kubelet runs here.
				return name + " is still there"
			case pod.Spec.NodeName != "":
				bound[kind]++
			case kind == "web" && len(pod.Status.Conditions) == 0:
				return name + " has not been answered yet"
			}
		}
		return ""
	})

	history, err := w.observer.Stop(t.Context())
	require.NoError(t, err)
	rejected := 0
	for _, violation := range observer.Check(t.Context(), history, w.rules) {
		if violation.Property == "kubelet" {
			rejected++
		}
		require.NotEqual(t, "P1", violation.Property, violation.Message)
	}
	t.Logf("%d consumers and as many pods of another scheduler wanted the room of %d placeholders: %d consumers and %d others were bound, "+
		"and a kubelet would have rejected %d of them", count, count, bound["web"], bound["stock"], rejected)
	require.LessOrEqual(t, bound["web"]+bound["stock"]+bound["spare"]-rejected, count, "what is not rejected fits")
}
