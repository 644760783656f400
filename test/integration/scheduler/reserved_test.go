package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// reserve creates reserved headroom of units of one core for the pods of app=web, and puts one unit on each of the nodes.
func (w *world) reserve(t *testing.T, nodes ...string) []string {
	t.Helper()
	w.rules.Names = func(_, pod *corev1.Pod) bool { return pod.Labels["app"] == "web" }
	h := w.CreateHeadroom(t, builders.Headroom("reserve", cpu("1")).Consumers(onlyFor("web")).Reserved().Obj())
	var names []string
	for i, node := range nodes {
		names = append(names, w.place(t, builders.ReservedUnit(h, i).Node(node)))
	}
	return names
}

// TestP1NamedConsumersTakeReservedUnitsInOneCycle, whatever their priority, and nobody else of any scheduler does but system-critical pods.
func TestP1NamedConsumersTakeReservedUnitsInOneCycle(t *testing.T) {
	w := newWorld(t)
	units := w.reserve(t, w.nodes(t, cpu("1"), "a", "b", "c")...)
	w.startPlugin(t)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	others := []string{"stock", "stock-as-high", "unnamed", "unnamed-above"}
	w.CreatePods(t,
		builders.Consumer("stock", cpu("1")).Obj(),
		builders.Consumer("stock-as-high", cpu("1")).Priority(builders.ReservedPriority).Obj(),
		consumer("unnamed", cpu("1")).Priority(builders.ReservedPriority).Obj(),
		consumer("unnamed-above", cpu("1")).Priority(builders.ReservedPriority+1).Obj())
	for _, name := range others {
		w.WaitUnschedulable(t, name)
	}
	require.Len(t, w.remaining(t, units), 3)
	for _, name := range others { // they would preempt consumers of lower priority, and race for the room between an eviction and a bind
		w.remove(t, name)
	}

	w.CreatePods(t, consumer("low", cpu("1")).Priority(-1000).Label("app", "web").Obj())
	w.WaitBound(t, "low")
	w.CreatePods(t, consumer("critical", cpu("1")).Priority(2_000_000_000).Obj())
	w.WaitBound(t, "critical")
	require.Len(t, w.remaining(t, units), 1)
	w.requireOneAttempt(t, "low", "critical")
}

// TestReservedUnitsYieldToAPodOfADaemonSet of another scheduler, the fewest, and the refill leaves it the room.
func TestReservedUnitsYieldToAPodOfADaemonSet(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes(t, cpu("3"), "a", "b")
	units := w.reserve(t, nodes[0], nodes[0], nodes[0], nodes[1], nodes[1], nodes[1])
	w.startPlugin(t)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	w.CreatePods(t, daemonOn(nodes[1], "1500m"))
	require.Equal(t, nodes[1], w.WaitBound(t, "daemon")["daemon"])
	require.Subset(t, w.remaining(t, units), units[:3], "those of another node stay")
	require.Len(t, w.remaining(t, units), 4, "the fewest went")
	yielded := map[types.UID]bool{}
	for _, event := range w.judge(t) {
		if event.Pod != nil && event.Type == watch.Deleted {
			for _, condition := range event.Pod.Status.Conditions {
				yielded[event.Pod.UID] = yielded[event.Pod.UID] || condition.Reason == swapevent.ReasonYielded
			}
		}
	}
	require.Len(t, yielded, 2, "each says for the account why it went")
	for _, is := range yielded {
		require.True(t, is)
	}
}

// TestReservedUnitsYieldTheFewestBesideOrdinaryOnes has a pod of a DaemonSet that needs more than the ordinary units of its node hold: these its
// own scheduler preempts, and of the reserved ones only what is missing goes.
func TestReservedUnitsYieldTheFewestBesideOrdinaryOnes(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	ordinary := w.hold(t, "n0", "n0")
	units := w.reserve(t, "n0", "n0")
	w.startPlugin(t)
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	w.CreatePods(t, daemonOn("n0", "2500m"))
	w.WaitBound(t, "daemon")
	require.Empty(t, w.remaining(t, ordinary))
	require.Len(t, w.remaining(t, units), 1)
}

// daemonOn builds a pod of a DaemonSet for a node.
func daemonOn(node, size string) *corev1.Pod {
	pod := builders.Consumer("daemon", cpu(size)).Obj()
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "daemon", UID: "set", Controller: ptr.To(true)}}
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{
				{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}},
			},
		}}},
	}}
	return pod
}
