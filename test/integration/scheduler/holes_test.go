package scheduler

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

// refill stands in for headroom-controller: for each placeholder that goes it makes another one at once, until the test ends. No two have the
// same name.
func (w *world) refill(t *testing.T, h *v1alpha1.Headroom) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := w.Client.CoreV1().Pods(h.Namespace).Watch(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom + "=" + h.Name})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		next := 1000
		for change := range changes.ResultChan() {
			if change.Type != watch.Deleted {
				continue
			}
			next++
			pod := builders.Placeholder(h, next).SchedulerName(schedulerharness.HeadroomScheduler).Obj()
			if _, err := w.Client.CoreV1().Pods(h.Namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil && ctx.Err() == nil {
				t.Errorf("creating a placeholder: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		changes.Stop()
		<-done
	})
}

// removedByTest lets pods vanish that are no placeholders, where the test removes some.
func removedByTest(pod *corev1.Pod) bool { return pod.Labels[v1alpha1.LabelHeadroom] == "" }

// bound waits until that many placeholders of the Headroom are bound.
func (w *world) bound(t *testing.T, h *v1alpha1.Headroom, want int) {
	t.Helper()
	w.Eventually(t, "waiting for placeholders to be bound", func(context.Context) string {
		bound := 0
		for _, pod := range w.Pods(t) {
			if pod.Labels[v1alpha1.LabelHeadroom] == h.Name && pod.Spec.NodeName != "" && pod.DeletionTimestamp == nil {
				bound++
			}
		}
		if bound != want {
			return fmt.Sprintf("%d of %d are", bound, want)
		}
		return ""
	})
}

// waitBoundByStock waits until kube-scheduler has bound the pods, of which it may forget one for five minutes: see nominatedAgain in
// pkg/scheduler/headroom. The end of any pod wakes it, here of one on a node that is too small for anything else.
func (w *world) waitBoundByStock(t *testing.T, aside string, names ...string) {
	t.Helper()
	woken := time.Now()
	w.Eventually(t, "waiting for pods to be bound", func(context.Context) string {
		pods := w.Pods(t)
		for _, name := range names {
			if pods[name].Spec.NodeName != "" {
				continue
			}
			if time.Since(woken) > 10*time.Second {
				woken = time.Now()
				w.remove(t, w.place(t, builders.Consumer(fmt.Sprintf("waker-%d", woken.UnixNano()), cpu("50m")).Node(aside)))
			}
			return fmt.Sprintf("pod %s is not: %v", name, pods[name].Status.Conditions)
		}
		return ""
	})
}

// TestP15ARefillFillsNoHoleOfAnotherScheduler has a stock kube-scheduler preempt all placeholders, again and again, while each is made anew at
// once. docs/concepts/two-schedulers.md tells what comes out.
func TestP15ARefillFillsNoHoleOfAnotherScheduler(t *testing.T) {
	const rounds = 7
	w := newWorld(t)
	w.judged = true // what is found is counted here
	w.rules.Holes, w.rules.MayVanish = true, removedByTest
	nodes := w.nodes(t, cpu("4"), "a", "b", "c", "a", "b", "c")
	w.occupy(t, "3", nodes...)
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Replicas(int32(len(nodes))).Obj())
	w.fill(t, spare, nodes...)
	w.startPlugin(t)
	w.CreateNodes(t, builders.Node("aside", "a", cpu("100m")).Obj())
	w.StartScheduler(t, schedulerharness.SchedulerOptions{})
	w.refill(t, spare)
	for round := range rounds {
		var plain []string
		for i := range nodes {
			name := fmt.Sprintf("plain-%d-%d", round, i)
			plain = append(plain, name)
			w.CreatePods(t, builders.Consumer(name, cpu("1")).Obj())
		}
		w.waitBoundByStock(t, "aside", plain...)
		for _, name := range plain {
			w.remove(t, name)
		}
		w.bound(t, spare, len(nodes))
	}

	history, err := w.observer.Stop(t.Context())
	require.NoError(t, err)
	found := map[string]int{}
	for _, violation := range observer.Check(t.Context(), history, w.rules) {
		t.Log(violation)
		found[violation.Property]++
	}
	t.Logf("Of %d nodes, a kubelet would have rejected a pod on %d; %d placeholders were bound into a hole.",
		rounds*len(nodes), found["kubelet"], found["P15"])
	require.Empty(t, found)
}

// TestP15HoldsAcrossAKill kills headroom-scheduler when a stock kube-scheduler has evicted a placeholder and has not yet written for which pod:
// the one that starts then sees neither the victim nor a nomination. That write is held up until the new one has tried to bind the
// placeholder that was made anew, or for a second.
func TestP15HoldsAcrossAKill(t *testing.T) {
	w := newWorld(t)
	w.rules.Holes, w.rules.MayVanish = true, removedByTest
	nodes := w.nodes(t, cpu("1"), "a")
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	w.fill(t, spare, nodes...)
	doomed := w.StartHeadroom(t, schedulerharness.SecondScheduler(t), nil)

	evicted, written := make(chan struct{}), make(chan struct{})
	first, write := sync.OnceFunc(func() { close(evicted) }), sync.OnceFunc(func() { close(written) })
	t.Cleanup(write)
	faults := schedulerharness.NewFaults()
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		switch {
		case r.IsEviction():
			return &schedulerharness.Fault{After: func() error { first(); return nil }}
		case strings.HasSuffix(r.Path, "/pods/plain/status"):
			return &schedulerharness.Fault{Before: func() error { <-written; return nil }}
		}
		return nil
	})
	w.StartScheduler(t, schedulerharness.SchedulerOptions{Faults: faults})
	w.CreatePods(t, builders.Consumer("plain", cpu("1")).Obj())
	await(t, evicted, "the eviction")
	doomed.Kill()
	w.CreatePods(t, builders.Placeholder(spare, 1000).SchedulerName(schedulerharness.HeadroomScheduler).Obj())
	w.startPlugin(t)

	late := time.AfterFunc(time.Second, write)
	defer late.Stop()
	w.Eventually(t, "waiting for the new scheduler to try", func(context.Context) string {
		pod := w.Pod(t, "spare-headroom-1000")
		if pod.Spec.NodeName == "" && len(pod.Status.Conditions) == 0 && w.Pod(t, "plain").Status.NominatedNodeName == "" {
			return "it did not yet"
		}
		return ""
	})
	write()
	require.Equal(t, map[string]string{"plain": nodes[0]}, w.WaitBound(t, "plain"))
	w.judge(t)
}

// TestP15APlaceholderTakesTheRoomOnceNobodyElseDoes has a pod of another scheduler nominated that is deleted before it is bound.
func TestP15APlaceholderTakesTheRoomOnceNobodyElseDoes(t *testing.T) {
	w := newWorld(t)
	w.rules.Holes = true
	nodes := w.nodes(t, cpu("1"), "a")
	nominated := w.CreatePods(t, builders.Consumer("nominated", cpu("1")).SchedulerName("nobody").Obj())[0]
	clustertest.ChangeStatus(t, w.Headrooms, nominated, func(p *corev1.Pod) { p.Status.NominatedNodeName = nodes[0] })
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	w.startPlugin(t)
	w.CreatePods(t, builders.Placeholder(spare, 0).SchedulerName(schedulerharness.HeadroomScheduler).Obj())
	message := w.WaitUnschedulable(t, "spare-headroom-0")
	require.Contains(t, message, "room is kept for another pod")

	w.remove(t, "nominated")
	require.Equal(t, map[string]string{"spare-headroom-0": nodes[0]}, w.WaitBound(t, "spare-headroom-0"))
}

// TestANodeThatIsOvercommittedLosesItsPlaceholder has another scheduler bind a pod to a node that is full, as happens when two bind at the same
// time, and then a node shrink.
func TestANodeThatIsOvercommittedLosesItsPlaceholder(t *testing.T) {
	w := newWorld(t)
	w.judged = true // overcommit is what is made here
	w.nodes(t, cpu("2"), "a", "b")
	w.occupy(t, "1", "n0", "n1")
	units := w.hold(t, "n0", "n1")
	w.startPlugin(t)
	w.CreatePods(t, builders.Consumer("late", cpu("1")).SchedulerName("nobody").Obj())
	require.NoError(t, w.Client.CoreV1().Pods(w.Namespace).Bind(t.Context(), &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: "late"}, Target: corev1.ObjectReference{Kind: "Node", Name: "n0"},
	}, metav1.CreateOptions{}))
	w.WaitGone(t, units[0])
	require.Equal(t, units[1:], w.remaining(t, units))

	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
	clustertest.ChangeStatus(t, w.Headrooms, node, func(n *corev1.Node) {
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1500m")}
	})
	w.WaitGone(t, units[1])

	require.Equal(t, map[string]string{units[0]: swapevent.ReasonOvercommitted, units[1]: swapevent.ReasonOvercommitted}, w.whyGone(t))
}

// whyGone returns the last condition that each pod had that is gone. It ends the observation.
func (w *world) whyGone(t *testing.T) map[string]string {
	t.Helper()
	history, err := w.observer.Stop(t.Context())
	require.NoError(t, err)
	why := map[string]string{}
	for _, event := range history {
		if event.Pod != nil && event.Type == watch.Deleted {
			for _, c := range event.Pod.Status.Conditions {
				why[event.Pod.Name] = c.Reason
			}
		}
	}
	return why
}

// TestANodeThatWasOvercommittedBeforeTheStartLosesItsPlaceholder has no scheduler watch when more is put on a node than it has, and then a pod
// come that is made for its node.
func TestANodeThatWasOvercommittedBeforeTheStartLosesItsPlaceholder(t *testing.T) {
	w := newWorld(t)
	w.judged = true // overcommit is what is made here
	w.nodes(t, cpu("2"), "a", "b")
	w.occupy(t, "1", "n0", "n0", "n1")
	units := w.hold(t, "n0", "n1")
	w.startPlugin(t)
	w.WaitGone(t, units[0])
	require.Equal(t, units[1:], w.remaining(t, units))

	w.place(t, ordinary("static", "n1", "1", 0))
	w.WaitGone(t, units[1])

	require.Equal(t, map[string]string{units[0]: swapevent.ReasonOvercommitted, units[1]: swapevent.ReasonOvercommitted}, w.whyGone(t))
}
