package scheduler

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
)

// nodeCritical is the priority of system-node-critical.
const nodeCritical = 2_000_001_000

// closed creates the Headroom spare, of units of one core for pods that no test has, puts one on each of the nodes and returns their names.
func (w *world) closed(t *testing.T, nodes ...string) []string {
	t.Helper()
	return w.fill(t, w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Consumers(onlyFor("nobody")).Obj()), nodes...)
}

// occupy puts an ordinary pod of that size and priority 0 on each of the nodes and returns their names.
func (w *world) occupy(t *testing.T, size string, nodes ...string) []string {
	t.Helper()
	var names []string
	for i, node := range nodes {
		names = append(names, w.place(t, ordinary(fmt.Sprintf("ordinary-%s-%d", node, i), node, size, 0)))
	}
	return names
}

func TestP12NoRunningPodDiesWherePlaceholdersOfOthersWouldDo(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes(t, cpu("2"), "a", "b", "c", "a", "b", "c")
	running := w.occupy(t, "1", append(nodes, nodes[3:]...)...)
	units := w.closed(t, nodes[:3]...)
	w.startPlugin(t)
	for i := range 3 {
		name := fmt.Sprintf("urgent-%d", i)
		w.CreatePods(t, consumer(name, cpu("1")).Priority(1000).Obj())
		w.WaitBound(t, name)
	}

	require.Empty(t, w.remaining(t, units))
	require.Equal(t, running, w.remaining(t, running))
}

func TestP12EntitledPlaceholdersGoBeforeThoseOfOthers(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	closed := w.closed(t, "n0")
	open := w.fill(t, w.CreateHeadroom(t, builders.Headroom("open", cpu("1")).Obj()), "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("critical", cpu("1")).Priority(nodeCritical).Obj())
	w.WaitBound(t, "critical")

	require.Empty(t, w.remaining(t, open))
	require.Equal(t, closed, w.remaining(t, closed))
}

func TestP12SystemCriticalPodsOfEveryNodeCostNoRunningPod(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes(t, cpu("4"), "a", "b", "c", "a", "b", "c")
	running := w.occupy(t, "3", nodes...)
	units := w.closed(t, nodes...)
	w.startPlugin(t)
	var agents []string
	for _, node := range nodes {
		agents = append(agents, "agent-"+node)
		// As a DaemonSet's controller makes them.
		w.CreatePods(t, consumer("agent-"+node, cpu("900m")).Priority(nodeCritical).NodeAffinityIn(metav1.ObjectNameField, []string{node}, st.NodeSelectorTypeMatchFields).Obj())
	}
	for name, node := range w.WaitBound(t, agents...) {
		require.Equal(t, name, "agent-"+node)
	}

	require.Empty(t, w.remaining(t, units))
	require.Equal(t, running, w.remaining(t, running))
	w.requireOneAttempt(t, agents...)
}

func TestP12AClosedHeadroomNeverKeepsASystemCriticalPodWaiting(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	unit := w.closed(t, "n0")
	uid := w.uidsOf(t, unit)[unit[0]]
	w.startPlugin(t)
	w.CreatePods(t, consumer("critical", cpu("1")).Priority(nodeCritical).Obj())

	w.WaitBound(t, "critical")

	require.Empty(t, w.remaining(t, unit))
	require.Equal(t, map[types.UID][]string{uid: {"critical"}}, w.credits(t))
	require.Equal(t, map[string]int{unit[0]: 1}, w.namedInEvents(t, 1), "the event is that of every other swap: "+swapevent.Reason)
	w.requireOneAttempt(t, "critical")
}

func TestP12TheFewestRunningPodsDieWherePlaceholdersAloneWouldNotDo(t *testing.T) {
	w := newWorld(t)
	w.letPreempt()
	w.nodes(t, cpu("4"), "a")
	running := w.occupy(t, "1", "n0", "n0", "n0")
	unit := w.closed(t, "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("urgent", cpu("3")).Priority(1000).Obj())
	w.WaitBound(t, "urgent")

	require.Empty(t, w.remaining(t, unit))
	require.Len(t, w.remaining(t, running), 1)
}

func TestP12APlaceholderGoesBeforeARunningPodOfLowerPriority(t *testing.T) {
	w := newWorld(t)
	w.letPreempt()
	w.nodes(t, cpu("4"), "a")
	running := []string{
		w.place(t, ordinary("first", "n0", "1", -100)), w.place(t, ordinary("second", "n0", "1", -100)), w.place(t, ordinary("third", "n0", "1", -100)),
	}
	unit := w.closed(t, "n0")
	w.startPlugin(t)
	w.CreatePods(t, consumer("urgent", cpu("3")).Priority(1000).Obj())
	w.WaitBound(t, "urgent")

	require.Empty(t, w.remaining(t, unit))
	require.Len(t, w.remaining(t, running), 1)
}

func TestP8PlaceholdersOfOthersStayWhereNoRunningPodWouldGo(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a", "a")
	// On n0 the running pod would have to go together with the unit, which then does not; on n1 it is of the same priority.
	running := append(w.occupy(t, "1", "n0"), w.place(t, ordinary("equal", "n1", "1", 1000)))
	units := w.closed(t, "n0", "n1")
	w.startPlugin(t)
	w.CreatePods(t, consumer("urgent", cpu("2")).Priority(1000).Obj())
	w.WaitUnschedulable(t, "urgent")

	require.Empty(t, w.Pod(t, "urgent").Status.NominatedNodeName)
	require.Equal(t, units, w.remaining(t, units))
	require.Equal(t, running, w.remaining(t, running))
	require.Equal(t, corev1.PodPending, w.Pod(t, "urgent").Status.Phase)
}
