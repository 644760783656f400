package headroom

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
	"github.com/headroom-dev/headroom/test/builders"
)

// patience is how long a test waits for what must happen, glance how often it looks.
const (
	patience = time.Minute
	glance   = 10 * time.Millisecond
)

// Where most pods need no headroom, PreFilter looks at a few nodes only. Here the node that fits is not among them.
func TestAFreeNodeThatIsNotNearbyIsUsedAllTheSame(t *testing.T) {
	for name, tc := range map[string]struct {
		before int
		change func(*st.NodeWrapper)
	}{
		"behind more full nodes than are looked at":           {before: 100, change: func(*st.NodeWrapper) {}},
		"behind more nodes than are put to Filter plugins":    {before: 5, change: func(n *st.NodeWrapper) { n.Unschedulable(true) }},
		"behind more of both than the look at all is done by": {before: 100, change: func(n *st.NodeWrapper) { n.Unschedulable(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster{nodes: []*corev1.Node{builders.Node("held", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "held").Obj()}}
			for i := range tc.before {
				name := fmt.Sprintf("n-%d", i)
				node := builders.Node(name, "z-1", res("1"))
				tc.change(node)
				c.nodes = append(c.nodes, node.Obj())
				if !node.Spec.Unschedulable {
					c.pods = append(c.pods, on(name, "load-"+name, "1"))
				}
			}
			c.nodes = append(c.nodes, builders.Node("zz-free", "z-1", res("1")).Obj())
			f := newFixture(t, c)
			decided, state := f.decided(t, wants("1").Obj())
			require.Nil(t, decided.swap)
			require.True(t, passes(t, f, state, wants("1").Obj(), "zz-free"))
		})
	}
}

func TestIgnoredResourcesAreNotLookedFor(t *testing.T) {
	for name, change := range map[string]func(*config.HeadroomArgs){
		"by name":  func(args *config.HeadroomArgs) { args.IgnoredResources = []string{"example.com/token"} },
		"by group": func(args *config.HeadroomArgs) { args.IgnoredResourceGroups = []string{"example.com"} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()}, change: change,
			})
			c, _ := f.decided(t, builders.Consumer("consumer", builders.Resources{"cpu": "1", "example.com/token": "1"}).Namespace("default").UID("consumer").Obj())
			require.NotNil(t, c.swap)
		})
	}
}

// blocked is a pod that placeholders keep from a node by an anti-affinity, so that it takes preemption to make room for it.
func blocked() *st.PodWrapper {
	placeholders := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: v1alpha1.LabelHeadroom, Operator: metav1.LabelSelectorOpExists},
	}}
	return wants("1").PodAntiAffinity(corev1.LabelHostname, placeholders, st.PodAntiAffinityWithRequiredReq)
}

func TestPreemptionLeavesAloneWhatASwapHasReservedForAnother(t *testing.T) {
	for name, reserved := range map[string]bool{"reserved": true, "reserved by nobody": false} {
		t.Run(name, func(t *testing.T) {
			pod := blocked().Obj()
			f := newFixture(t, cluster{
				nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()},
				pending: []*corev1.Pod{pod},
			})
			held := f.nodes[0].GetPods()[0].GetPod()
			require.NoError(t, f.client.Tracker().Add(held))
			if reserved {
				f.shared.reservations.Reserve("another", []*corev1.Pod{held})
			}
			_, state := f.decided(t, pod)
			statuses := framework.NewDefaultNodeToStatus()
			statuses.Set("a", f.framework.RunFilterPlugins(t.Context(), state, pod, f.nodes[0]))
			result, status := f.PostFilter(t.Context(), state, pod, statuses)
			if reserved {
				require.True(t, status.IsRejected(), "the other pod will evict it and is bound in its room")
				require.Nil(t, result)
				require.Empty(t, f.deleted())
				return
			}
			require.True(t, status.IsSuccess(), status.Message())
			require.Equal(t, "a", result.NominatedNodeName)
			require.Eventually(t, func() bool { return len(f.deleted()) > 0 }, patience, glance)
		})
	}
}

// deleted returns the names of the pods whose deletion the API server was asked for.
func (f *fixture) deleted() (names []string) {
	for _, action := range f.client.Actions() {
		if deletion, ok := action.(clienttesting.DeleteAction); ok {
			names = append(names, deletion.GetName())
		}
	}
	return names
}

func TestPreemptionSparesThePlaceholderThatGoesLast(t *testing.T) {
	first, last := unit(hr("open", "1"), 0, "a").Obj(), unit(hr("open", "1"), 1, "a").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{first, last},
		change: func(args *config.HeadroomArgs) { args.Swap = false },
	})
	f.shared.refresh(f.nodes, false)
	f.attempt.victims = f.selector.PossibleVictims(f.selector.Consumer(wants("1").Obj())).Evidence
	victim := func(i int) preemption.Victim { return preemption.NewPodVictim(f.nodes[0].GetPods()[i], nil, nil) }
	a, b := f.attempt.victims[first.UID], f.attempt.victims[last.UID]
	require.Negative(t, evictionorder.Compare(a, b))
	require.False(t, f.preemption.MoreImportantVictim(victim(0), victim(1)), "the order puts the first before the last")
	require.True(t, f.preemption.MoreImportantVictim(victim(1), victim(0)))
	require.True(t, f.preemption.IsEligiblePod(nil, victim(0), nil))
	delete(f.attempt.victims, first.UID)
	require.False(t, f.preemption.IsEligiblePod(nil, victim(0), nil))
}

func TestAPlaceholderOfThePodsOwnPriorityWakesNobody(t *testing.T) {
	f := newFixture(t, cluster{headrooms: []*v1alpha1.Headroom{forApp("web")}})
	pod := wants("1").Label("app", "web").Priority(builders.PlaceholderPriority).Obj()
	hint, err := f.isSchedulableAfterPodAdd(klog.Background(), pod, nil, unit(forApp("web"), 0, "a").Obj())
	require.NoError(t, err)
	require.Equal(t, fwk.QueueSkip, hint)
}

func TestTheHeadroomOfADaemonSetIsFoundByUID(t *testing.T) {
	h := hr("web", "1")
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-headroom", UID: "now"}}
	set.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(h, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))}
	f := newFixture(t, cluster{})
	require.NoError(t, f.handle.SharedInformerFactory().Apps().V1().DaemonSets().Informer().GetStore().Add(set))
	found, ok := f.shared.daemonSets("default", "web-headroom", "now")
	require.True(t, ok)
	require.Equal(t, placeholder.Owner{NamespacedName: nameOfWeb, UID: h.UID}, found)
	_, ok = f.shared.daemonSets("default", "web-headroom", "before")
	require.False(t, ok, "pods of an earlier DaemonSet of the name may be anything")
}

// group is the state of a cycle for a group of pods.
type group struct{ fwk.PodGroupCycleState }

func TestANodeIsReadAnewAfterAPodOfAGroupWasTriedOnIt(t *testing.T) {
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("4")).Obj()}, pods: []*corev1.Pod{unit(hr("open", "1"), 0, "a").Obj()},
	})
	f.shared.refresh(f.nodes, false)
	pod := wants("1").Obj()
	for name, step := range map[string]func(*framework.CycleState){
		"reserve":   func(state *framework.CycleState) { f.Reserve(t.Context(), state, pod, "a") },
		"unreserve": func(state *framework.CycleState) { f.Unreserve(t.Context(), state, pod, "a") },
	} {
		for _, grouped := range []bool{false, true} {
			state := framework.NewCycleState()
			if grouped {
				state.SetPodGroupSchedulingCycle(group{})
			}
			before := f.shared.inventory.Node("a").Revision
			step(state)
			f.shared.refresh(f.nodes, false)
			require.Equal(t, grouped, f.shared.inventory.Node("a").Revision != before, "%s, in a group: %t", name, grouped)
		}
	}
}

func TestAPodThatPreemptsWaitsWhileItsVictimLeaves(t *testing.T) {
	leaving := on("a", "ordinary", "1")
	leaving.Spec.Priority = new(int32)
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	leaving.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
	}}
	pod := blocked().Priority(100).NominatedNodeName("a").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{leaving, unit(hr("open", "1"), 0, "a").Obj()},
		pending: []*corev1.Pod{pod},
	})
	c, state := f.decided(t, pod)
	require.Nil(t, c.swap)
	statuses := framework.NewDefaultNodeToStatus()
	statuses.Set("a", f.framework.RunFilterPlugins(t.Context(), state, pod, f.nodes[0]))
	_, status := f.PostFilter(t.Context(), state, pod, statuses)
	require.True(t, status.IsRejected(), "it is no placeholder that leaves, and the nomination keeps its room")
	reason, _ := f.selector.Miss(pod, func() int { return 1 }, func() selection.Objections { return nil })
	require.Equal(t, metrics.MissFiltered, reason)
}
