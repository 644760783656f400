package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

func TestABurstOf200PodsTakes200PlaceholdersWithoutOneFailedAttempt(t *testing.T) {
	w := newWorld(t)
	zones := repeat(7, "a", "b", "c")[:20]
	nodes := w.nodes(t, builders.Resources{"cpu": "10", "memory": "64Gi"}, zones...)
	spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
	for i := range 200 {
		w.place(t, builders.Placeholder(spare, i).Node(nodes[i%len(nodes)]))
	}
	faults := schedulerharness.NewFaults()
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	var pods []string
	for i := range 200 {
		name := fmt.Sprintf("web-%d", i)
		pods = append(pods, name)
		w.CreatePods(t, consumer(name, cpu("1")).Obj())
	}

	w.Eventually(t, "waiting for the burst to be bound", w.boundConsumers(t, 200))

	require.Len(t, evictionsOf(faults), 200, "one delete a placeholder")
	require.Len(t, faults.Writes(), 2*200, "a delete and a bind for each swap, and besides them its event alone")
	w.requireOneAttempt(t, pods...)
}

func TestConsumersTakeRoomWhereTheHeadroomLeavesTheMost(t *testing.T) {
	w := newWorld(t)
	w.CreateNodes(t, builders.Node("a1", "a", cpu("2")).Obj(), builders.Node("a2", "a", cpu("2")).Obj(), builders.Node("b1", "b", cpu("2")).Obj())
	web := w.CreateHeadroom(t, builders.Headroom("web", cpu("2")).Obj())
	w.fill(t, web, "a1", "a2", "b1")
	w.startPlugin(t)

	w.CreatePods(t, consumer("first", cpu("2")).Obj())
	require.Equal(t, map[string]string{"first": "a1"}, w.WaitBound(t, "first"), "zone a has two units, and a1 comes before a2")
	require.NotContains(t, w.Pods(t), "web-headroom-0")
	w.CreatePods(t, consumer("second", cpu("1")).Obj(), consumer("third", cpu("1")).Obj())
	nodes := w.WaitBound(t, "second", "third")
	require.Contains(t, w.Pods(t), map[string]string{"a2": "web-headroom-2", "b1": "web-headroom-1"}[nodes["third"]],
		"the third pod takes the room that the second left")
	w.requireOneAttempt(t, "first", "second", "third")
}

func TestAConsumerLargerThanOnePlaceholderTakesSeveral(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a")
	units := w.hold(t, repeat(4, "n0")...)
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("2500m")).Obj())

	w.WaitBound(t, "web")

	require.Len(t, w.remaining(t, units), 1)
	w.requireOneAttempt(t, "web")
}

func TestASmallConsumerTakesWhatWastesLeast(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a", "a")
	large := w.CreateHeadroom(t, builders.Headroom("large", cpu("4")).SpreadOver(corev1.LabelTopologyZone).Obj())
	medium := w.CreateHeadroom(t, builders.Headroom("medium", cpu("2")).SpreadOver(corev1.LabelTopologyZone).Obj())
	larges := w.fill(t, large, "n0")
	mediums := w.fill(t, medium, "n1")
	w.place(t, builders.Consumer("busy", cpu("2")).Node("n1"))
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("500m")).Obj())

	require.Equal(t, "n1", w.WaitBound(t, "web")["web"], "1500m of 4 are wasted there, and 3500m on the other node")
	require.Equal(t, larges, w.remaining(t, larges))
	require.Empty(t, w.remaining(t, mediums))
}

func TestOneEventTellsOfASwap(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a", "b")
	units := w.hold(t, "n0", "n1")
	w.startPlugin(t)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())
	node := w.WaitBound(t, "web")["web"]
	taken := units[map[string]int{"n0": 0, "n1": 1}[node]]

	var notes []string
	w.Eventually(t, "waiting for the event", func(ctx context.Context) string {
		events, err := w.Client.EventsV1().Events(w.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		notes = nil
		for _, event := range events.Items {
			if event.Reason != "Scheduled" {
				notes = append(notes, fmt.Sprintf("%s %s: %s", event.Regarding.Name, event.Reason, event.Note))
			}
		}
		if len(notes) == 0 {
			return "there is none"
		}
		return ""
	})
	require.Len(t, notes, 1)
	for _, part := range []string{"web", taken, node, "rule"} {
		require.Contains(t, notes[0], part)
	}
}

func TestPlaceholdersOnUnusableNodesAreLeftAlone(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(node *corev1.Node)
		gone  bool
	}{
		{"cordoned", func(node *corev1.Node) {
			node.Spec.Unschedulable = true
			node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
		}, false},
		{"tainted", func(node *corev1.Node) {
			node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: "example.com/gpu", Effect: corev1.TaintEffectNoSchedule})
		}, false},
		{"about to go, as an autoscaler marks it", func(node *corev1.Node) {
			node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule})
		}, false},
		{"gone, while its pods are still to be cleaned up", func(*corev1.Node) {}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			bad := builders.Node("bad", "a", cpu("1")).Obj()
			c.spoil(bad)
			w.CreateNodes(t, bad, builders.Node("good", "a", cpu("2")).Obj())
			spare := w.CreateHeadroom(t, builders.Headroom("spare", cpu("1")).Obj())
			onBad := w.fill(t, spare, "bad")
			onGood := w.fill(t, spare, "good", "good")
			if c.gone {
				require.NoError(t, w.Client.CoreV1().Nodes().Delete(t.Context(), "bad", metav1.DeleteOptions{}))
			}
			w.startPlugin(t)
			w.CreatePods(t, consumer("web-0", cpu("1")).Obj(), consumer("web-1", cpu("1")).Obj(), consumer("web-2", cpu("1")).Obj())

			w.Eventually(t, "waiting for what the good node holds", w.boundConsumers(t, 2))
			w.Eventually(t, "waiting for the third to be told", func(context.Context) string {
				for _, pod := range w.Pods(t) {
					for _, condition := range pod.Status.Conditions {
						if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
							return ""
						}
					}
				}
				return "no pod is unschedulable"
			})
			require.Equal(t, onBad, w.remaining(t, onBad))
			require.Empty(t, w.remaining(t, onGood))
		})
	}
}

func TestAVictimThatSomebodyElseDeletesMeanwhileIsNoFailure(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("2"), "a")
	units := w.hold(t, "n0", "n0")
	faults := schedulerharness.NewFaults()
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsEviction() {
			return nil
		}
		name := r.Path[strings.LastIndex(r.Path, "/")+1:]
		return &schedulerharness.Fault{Before: func() error {
			return w.Client.CoreV1().Pods(w.Namespace).Delete(t.Context(), name, *metav1.NewDeleteOptions(0))
		}}
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.WaitBound(t, "web")

	require.Len(t, w.remaining(t, units), 1)
	w.requireOneAttempt(t, "web")
}

// refuse returns a fault with which the API server refuses a request.
func refuse() *schedulerharness.Fault {
	return &schedulerharness.Fault{Before: func() error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("refused by the test"))
	}}
}

func TestADeleteThatIsRefusedDelaysTheConsumerAndHarmsNobody(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	units := w.hold(t, "n0")
	faults, refused := schedulerharness.NewFaults(), make(chan struct{}, 1000)
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsEviction() {
			return nil
		}
		refused <- struct{}{}
		return refuse()
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())
	await(t, refused, "the refusal")
	await(t, refused, "another: it is tried again")
	require.Empty(t, w.Pod(t, "web").Spec.NodeName)
	require.Equal(t, units, w.remaining(t, units))

	faults.Inject(nil)
	require.Equal(t, "n0", w.WaitBound(t, "web")["web"], "once deletes are allowed again")
}

func TestAConsumerTakesOtherHeadroomWhereDeletesAreRefusedOnAndOn(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a", "a")
	frozen := w.fill(t, w.CreateHeadroom(t, builders.Headroom("frozen", cpu("1")).Obj()), "n0")
	w.hold(t, "n1")
	faults, refused := schedulerharness.NewFaults(), make(chan struct{}, 1000)
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsEviction() || !strings.HasSuffix(r.Path, "/"+frozen[0]) {
			return nil
		}
		refused <- struct{}{}
		return refuse()
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	require.Equal(t, "n1", w.WaitBound(t, "web")["web"])
	await(t, refused, "the refusal")
	require.Equal(t, frozen, w.remaining(t, frozen))
}

func TestABindThatIsRefusedCostsOnePlaceholderAndNoMore(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a", "b")
	units := w.hold(t, "n0", "n1")
	faults, refused := schedulerharness.NewFaults(), 0
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsBind() || refused == 2 {
			return nil
		}
		refused++
		return refuse()
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("web", cpu("1")).Obj())

	w.WaitBound(t, "web")

	require.Len(t, w.remaining(t, units), 1, "the room that is free by now is used: P2")
}

func TestAConsumerThatIsDeletedInMidSwapHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("1"), "a")
	w.hold(t, "n0")
	faults := schedulerharness.NewFaults()
	faults.Inject(func(r schedulerharness.Request) *schedulerharness.Fault {
		if !r.IsBind() || !strings.Contains(r.Path, "/pods/first/") {
			return nil
		}
		return &schedulerharness.Fault{Before: func() error {
			return w.Client.CoreV1().Pods(w.Namespace).Delete(t.Context(), "first", *metav1.NewDeleteOptions(0))
		}}
	})
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), faults)
	w.CreatePods(t, consumer("first", cpu("1")).Obj())
	w.WaitGone(t, "first")
	w.CreatePods(t, consumer("second", cpu("1")).Obj())

	require.Equal(t, "n0", w.WaitBound(t, "second")["second"])
}

func TestTwoProfilesInOneSchedulerShareOneView(t *testing.T) {
	w := newWorld(t)
	w.nodes(t, cpu("4"), "a", "b")
	units := w.hold(t, repeat(3, "n0", "n1")...)
	faults := schedulerharness.NewFaults()
	cfg := withoutDefaultPreemption(schedulerharness.MainScheduler(t))
	w.StartHeadroom(t, cfg, faults)
	// Two pods' worth of free room, six units of headroom: ten pods of each profile compete for them.
	for i := range 10 {
		w.CreatePods(t,
			builders.Consumer(fmt.Sprintf("stock-%d", i), cpu("1")).Obj(),
			consumer(fmt.Sprintf("web-%d", i), cpu("1")).Obj())
	}
	w.Eventually(t, "waiting for all room to be used", w.boundConsumers(t, 8))

	stock := 0
	for name, pod := range w.Pods(t) {
		if strings.HasPrefix(name, "stock-") && pod.Spec.NodeName != "" {
			stock++
		}
	}
	require.LessOrEqual(t, stock, 2, "the default profile takes free room only")
	require.Empty(t, w.remaining(t, units))
	w.judge(t)
}
