package headroom

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// res is short for requests of CPU.
func res(cpu string) builders.Resources { return builders.Resources{"cpu": cpu} }

func hr(name, cpu string) *v1alpha1.Headroom {
	return builders.Headroom(name, res(cpu)).Namespace("default").UID("uid-" + "hr").Obj()
}

// unit is placeholder number i of a Headroom on a node.
func unit(h *v1alpha1.Headroom, i int, node string) *st.PodWrapper {
	pod := builders.Placeholder(h, i).Node(node)
	return pod.UID(pod.Obj().Name)
}

func on(node, name, cpu string) *corev1.Pod {
	return builders.Consumer(name, res(cpu)).Namespace("default").UID(name).Node(node).Obj()
}

func wants(cpu string) *st.PodWrapper {
	return builders.Consumer("consumer", res(cpu)).Namespace("default").UID("consumer")
}

func names(pods []*corev1.Pod) []string {
	var list []string
	for _, pod := range pods {
		list = append(list, pod.Name)
	}
	return list
}

func TestDecision(t *testing.T) {
	web, open := hr("web", "1"), hr("open", "1")
	web.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	polite := hr("polite", "1")
	polite.Spec.Consumers = &v1alpha1.Consumers{NonPreempting: v1alpha1.NonPreemptingAllow}
	two := []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj(), builders.Node("b", "z-2", res("2")).Obj()}
	for name, tc := range map[string]struct {
		nodes        []*corev1.Node
		pods         []*corev1.Pod
		consumer     *corev1.Pod
		wantNode     string
		wantVictims  []string
		wantContains string
	}{
		"a pod that fits as it is takes nothing": {
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "a").Obj()},
			consumer: wants("2").Obj(),
		},
		"the only node with headroom": {
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj(), on("a", "x", "1"), on("b", "y", "2")},
			consumer: wants("1").Obj(), wantNode: "a", wantVictims: []string{"open-headroom-0"}, wantContains: "the only node",
		},
		"a large consumer takes several": {
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "a").Obj(), unit(open, 2, "b").Obj(), on("b", "y", "1")},
			consumer: wants("2").Obj(), wantNode: "a", wantVictims: []string{"open-headroom-0", "open-headroom-1"},
		},
		"the zone with most units left loses one": {
			nodes: append(two[:2:2], builders.Node("c", "z-2", res("2")).Obj()),
			pods: []*corev1.Pod{
				unit(open, 0, "a").Obj(), on("a", "x", "1"), unit(open, 1, "b").Obj(), on("b", "y", "1"), unit(open, 2, "c").Obj(), on("c", "z", "1"),
			},
			consumer: wants("1").Obj(), wantNode: "b", wantVictims: []string{"open-headroom-1"}, wantContains: "rule 6 Name",
		},
		"a named consumer takes what is kept for it first": {
			pods:     []*corev1.Pod{unit(web, 0, "a").Obj(), unit(open, 0, "a").Obj(), on("b", "y", "2")},
			consumer: wants("1").Label("app", "web").Obj(), wantNode: "a", wantVictims: []string{"web-headroom-0"},
		},
		"a pod that is not entitled takes nothing": {
			pods:     []*corev1.Pod{unit(web, 0, "a").Obj(), unit(web, 1, "a").Obj(), on("b", "y", "2")},
			consumer: wants("1").Obj(),
		},
		"a pod that must not preempt takes nothing": {
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "a").Obj(), on("b", "y", "2")},
			consumer: wants("1").PreemptionPolicy(corev1.PreemptNever).Obj(),
		},
		"a pod that must not preempt takes what is open to such pods": {
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "a").Obj(), unit(polite, 0, "b").Obj(), unit(polite, 1, "b").Obj()},
			consumer: wants("1").PreemptionPolicy(corev1.PreemptNever).Obj(), wantNode: "b", wantVictims: []string{"polite-headroom-0"},
		},
		"a pod of no higher priority takes nothing": {
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "a").Obj(), on("b", "y", "2")},
			consumer: wants("1").Priority(builders.PlaceholderPriority).Obj(),
		},
		"a stray label costs no pod its life": {
			pods:     []*corev1.Pod{builders.Consumer("stray", res("2")).UID("s").Label(v1alpha1.LabelHeadroom, "open").Priority(-10).Node("a").Obj(), on("b", "y", "2")},
			consumer: wants("1").Obj(),
		},
		"the number of pods can be what is missing": {
			nodes:    []*corev1.Node{builders.Node("a", "z-1", builders.Resources{"cpu": "9", "pods": "1"}).Obj()},
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj()},
			consumer: wants("1").Obj(), wantNode: "a", wantVictims: []string{"open-headroom-0"},
		},
		"a cordoned node is not asked for": {
			nodes:    []*corev1.Node{builders.Node("a", "z-1", res("1")).Unschedulable(true).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "b").Obj()},
			consumer: wants("1").Obj(), wantNode: "b", wantVictims: []string{"open-headroom-1"},
		},
		"a better node that other plugins deny decides nothing": {
			nodes: []*corev1.Node{
				builders.Node("a", "z-1", res("3")).Unschedulable(true).Obj(), builders.Node("b", "z-1", res("3")).Obj(), builders.Node("c", "z-1", res("3")).Obj(),
			},
			pods: []*corev1.Pod{
				unit(hr("small", "1"), 0, "a").Obj(), on("a", "x", "2"), unit(hr("medium", "2"), 0, "b").Obj(), on("b", "y", "1"),
				unit(hr("large", "3"), 0, "c").Obj(),
			},
			consumer: wants("1").Obj(), wantNode: "b", wantVictims: []string{"medium-headroom-0"}, wantContains: "rule 3 LeastWaste: b",
		},
		"free room that other plugins deny is no room": {
			nodes: []*corev1.Node{
				builders.Node("a", "z-1", res("1")).Obj(),
				builders.Node("b", "z-1", res("9")).Taints([]corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}).Obj(),
			},
			pods:     []*corev1.Pod{unit(open, 0, "a").Obj()},
			consumer: wants("1").Obj(), wantNode: "a", wantVictims: []string{"open-headroom-0"},
		},
		"near the pods that the annotation selects": {
			nodes: []*corev1.Node{
				builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-2", res("1")).Obj(), builders.Node("c", "z-2", res("1")).Obj(),
			},
			pods: []*corev1.Pod{
				unit(open, 0, "a").Obj(), unit(open, 1, "b").Obj(),
				builders.Consumer("db", res("1")).Namespace("default").UID("db").Label("app", "db").Node("c").Obj(),
			},
			consumer: wants("1").Annotation(v1alpha1.AnnotationNear, "app=db").Obj(), wantNode: "b", wantVictims: []string{"open-headroom-1"},
			wantContains: "rule 1 Nearest",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.nodes == nil {
				tc.nodes = two
			}
			f := newFixture(t, cluster{nodes: tc.nodes, pods: tc.pods, headrooms: []*v1alpha1.Headroom{web, open, polite}})
			c, _ := f.decided(t, tc.consumer)
			if tc.wantNode == "" {
				require.Nil(t, c.swap)
				return
			}
			require.NotNil(t, c.swap)
			require.Equal(t, tc.wantNode, c.swap.Node)
			require.ElementsMatch(t, tc.wantVictims, names(c.swap.Victims))
			require.Contains(t, c.swap.Why, tc.wantContains)
		})
	}
}

func TestFilterLetsThePodOntoTheDecidedNodeOnly(t *testing.T) {
	open := hr("open", "1")
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
		pods:  []*corev1.Pod{unit(open, 0, "a").Obj(), unit(open, 1, "b").Obj()},
	})
	pod := wants("1").Obj()
	c, state := f.decided(t, pod)
	require.Equal(t, "a", c.swap.Node)
	for _, info := range f.nodes {
		status := f.framework.RunFilterPlugins(context.Background(), state, pod, info)
		require.Equal(t, info.Node().Name == "a", status.IsSuccess(), info.Node().Name)
	}
}

func TestWhatIsPromisedIsNotPromisedAgain(t *testing.T) {
	open := hr("open", "2")
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()},
		pods:  []*corev1.Pod{unit(open, 0, "a").Obj()},
	})
	next := func(name string) *cycle {
		pod := wants("1").Name(name).UID(name).Obj()
		c, state := f.decided(t, pod)
		if c.swap == nil {
			return c
		}
		pod.Spec.NodeName = c.swap.Node
		info, err := framework.NewPodInfo(pod)
		require.NoError(t, err)
		require.NoError(t, f.snapshot.AssumePod(info))
		f.shared.inventory.MarkDirty(c.swap.Node) // as the snapshot's generation, which only the scheduler's cache raises
		require.True(t, f.Reserve(context.Background(), state, pod, c.swap.Node).IsSuccess())
		return c
	}
	require.Equal(t, []string{"open-headroom-0"}, names(next("first").swap.Victims))
	require.Equal(t, []string{"open-headroom-0"}, names(next("second").swap.Victims), "the placeholder is twice as large as a consumer")
	require.Nil(t, next("third").swap)
}

func TestGivenBackIsTakenAgain(t *testing.T) {
	open := hr("open", "1")
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(open, 0, "a").Obj()},
	})
	pod := wants("1").Obj()
	c, state := f.decided(t, pod)
	f.Reserve(context.Background(), state, pod, "a")
	require.True(t, f.shared.reservations.Reserved(c.swap.Victims[0].UID))
	f.Unreserve(context.Background(), state, pod, "a")
	require.False(t, f.shared.reservations.Reserved(c.swap.Victims[0].UID))
	again, _ := f.decided(t, pod)
	require.Equal(t, "a", again.swap.Node)
}

func TestRoomForAPodNominatedToANodeIsLeftToIt(t *testing.T) {
	open := hr("open", "1")
	nominated := wants("1").Name("other").UID("other").NominatedNodeName("a").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj(), builders.Node("b", "z-1", res("2")).Obj()},
		pods:  []*corev1.Pod{unit(open, 0, "a").Obj(), on("a", "x", "1"), unit(open, 1, "b").Obj(), on("b", "y", "1")},
	})
	other, err := framework.NewPodInfo(nominated)
	require.NoError(t, err)
	f.nominated["a"] = append(f.nominated["a"], other)
	c, _ := f.decided(t, wants("1").Obj())
	require.NotNil(t, c.swap)
	require.Equal(t, "b", c.swap.Node)
}

func TestAnUnparsableAnnotationIsWarnedAboutOnce(t *testing.T) {
	open := hr("open", "1")
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(open, 0, "a").Obj()},
	})
	near := func(value string) *corev1.Pod { return wants("1").Annotation(v1alpha1.AnnotationNear, value).Obj() }
	c, _ := f.decided(t, near("app in web"))
	require.Equal(t, "a", c.swap.Node, "it is scheduled all the same")
	require.Contains(t, <-f.events.Events, "InvalidNearAnnotation annotation headroom.dev/near is no label selector")

	f.decided(t, near("app in web"))
	require.Empty(t, f.events.Events, "the next attempt of the same pod")
	f.decided(t, near("app in db"))
	require.Len(t, f.events.Events, 1, "its author tried something else, in vain")
	f.shared.forget("consumer")
	f.decided(t, near("app in db"))
	require.Len(t, f.events.Events, 2, "another pod, as far as is known")
}

func TestThatAPodWasWarnedDoesNotKeepTheWarningFromAnotherOfItsName(t *testing.T) {
	open := hr("open", "1")
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(open, 0, "a").Obj()},
	})
	near := wants("1").Annotation(v1alpha1.AnnotationNear, "app in web")
	f.decided(t, near.Obj())
	require.Len(t, f.events.Events, 1)
	f.decided(t, near.UID("successor").Obj())
	require.Len(t, f.events.Events, 2, "it was made anew")
	f.decided(t, near.Namespace("other").UID("elsewhere").Obj())
	require.Len(t, f.events.Events, 3)
}

func TestTheLastPlaceholderIsSharedWhileItGoes(t *testing.T) {
	open := hr("open", "2")
	last := unit(open, 0, "a").Obj()
	f := newFixture(t, cluster{nodes: []*corev1.Node{builders.Node("a", "z-1", res("2")).Obj()}, pods: []*corev1.Pod{last}})
	first := wants("1").Obj()
	c, state := f.decided(t, first)
	require.NotNil(t, c.swap)
	require.True(t, f.Reserve(t.Context(), state, first, "a").IsSuccess())
	// It is deleted, and the informer knows. The snapshot is older.
	require.NoError(t, f.handle.SharedInformerFactory().Core().V1().Pods().Informer().GetStore().Delete(last))

	c, _ = f.decided(t, wants("1").Name("second").UID("second").Obj())
	require.NotNil(t, c.swap)
	require.Equal(t, []string{last.Name}, names(c.swap.Victims))
}

func TestMessageOfAMiss(t *testing.T) {
	web := hr("web", "1")
	web.Spec.Consumers = &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	nodes := []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()}
	for name, tc := range map[string]struct {
		consumer *st.PodWrapper
		want     string
	}{
		"not entitled":     {wants("1"), "1 of 2 nodes hold headroom, none for this pod: consumers.podSelector of default/web does not match"},
		"not higher":       {wants("1").Label("app", "web").Priority(-5), "1 of 2 nodes hold headroom, none for this pod: its priority -5 is not above that of the placeholders"},
		"must not preempt": {wants("1").PreemptionPolicy(corev1.PreemptNever), "1 of 2 nodes hold headroom, none for this pod: its preemptionPolicy is Never"},
		"too large":        {wants("2").Label("app", "web"), "1 of 2 nodes hold headroom, none for this pod: no node holds enough for it"},
		"denied by others": {
			wants("1").Label("app", "web").NodeSelector(map[string]string{"disk": "ssd"}),
			"1 of 2 nodes hold headroom, none for this pod: 1 would have the room, but 1 node(s) didn't match Pod's node affinity/selector",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := tc.consumer.Obj()
			f := newFixture(t, cluster{
				nodes: nodes, pods: []*corev1.Pod{unit(web, 0, "a").Obj(), on("b", "y", "1")}, headrooms: []*v1alpha1.Headroom{web},
				pending: []*corev1.Pod{pod},
			})
			require.Equal(t, tc.want, f.missed(t, pod))
		})
	}
}

// missed returns what PostFilter says of a pod that no node suits.
func (f *fixture) missed(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	_, state := f.decided(t, pod)
	statuses := framework.NewDefaultNodeToStatus()
	for _, info := range f.nodes {
		statuses.Set(info.Node().Name, f.framework.RunFilterPlugins(context.Background(), state, pod, info))
	}
	_, status := f.PostFilter(context.Background(), state, pod, statuses)
	return status.Message()
}

// TestAMissCountsReasons: some of the Filter plugins have their say about the nodes as they are; those that come after the one for
// resources are asked what they would say once the units have gone.
func TestAMissCountsReasons(t *testing.T) {
	open := hr("open", "1")
	pod := wants("1").Label("app", "web").PodAntiAffinity(corev1.LabelHostname,
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, st.PodAntiAffinityWithRequiredReq).Obj()
	taint := []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
	db := func(node string) *corev1.Pod {
		return builders.Consumer("db-"+node, nil).Namespace("default").UID("db-"+node).Label("app", "db").Node(node).Obj()
	}
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{
			builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj(),
			builders.Node("c", "z-1", res("1")).Taints(taint).Obj(), builders.Node("d", "z-1", res("1")).Obj(),
		},
		pods: []*corev1.Pod{
			unit(open, 0, "a").Obj(), unit(open, 1, "b").Obj(), unit(open, 2, "c").Obj(), on("d", "full", "1"), db("a"), db("b"),
		},
		headrooms: []*v1alpha1.Headroom{open}, pending: []*corev1.Pod{pod},
	})
	require.Equal(t, "3 of 4 nodes hold headroom, none for this pod: 3 would have the room, but "+
		"1 node(s) had untolerated taint(s), 2 node(s) didn't match pod anti-affinity rules", f.missed(t, pod))
}
