package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// cpu is short for requests of CPU.
func cpu(quantity string) builders.Resources { return builders.Resources{"cpu": quantity} }

// explained returns what is said of some nodes of one CPU, where these pods are, by a scheduler whose arguments may be changed.
func explained(t *testing.T, headrooms []*v1alpha1.Headroom, nodes []string, pods []*corev1.Pod, change func(*Profile)) *Cluster {
	t.Helper()
	profile, err := ReadProfile(t.Context(), "", "")
	require.NoError(t, err)
	change(profile)
	objects := Objects{Headrooms: headrooms, Pods: pods}
	for _, name := range nodes {
		objects.Nodes = append(objects.Nodes, builders.Node(name, "z-1", cpu("1")).Obj())
	}
	cluster, err := New(objects, profile)
	require.NoError(t, err)
	return cluster
}

// TestASwapIsPredictedOnlyWhereTheProfileSwaps: with swap: false the scheduler takes units by preemption alone, in a later attempt.
func TestASwapIsPredictedOnlyWhereTheProfileSwaps(t *testing.T) {
	h := builders.Headroom("spare", cpu("1")).Namespace("shop").UID("spare").Obj()
	for name, tc := range map[string]struct {
		swap     bool
		wants    string
		takes    bool
		swapsOff bool
		message  string
	}{
		"it does":                            {swap: true, wants: "1", takes: true},
		"it does not":                        {wants: "1", swapsOff: true, message: messageSwapsOff},
		"it does, and the units are too few": {swap: true, wants: "2", message: "1 of 1 nodes hold headroom, none for this pod: no node holds enough for it"},
		"it does not, and they are too few":  {wants: "2", message: "1 of 1 nodes hold headroom, none for this pod: no node holds enough for it"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := explained(t, []*v1alpha1.Headroom{h}, []string{"a"}, []*corev1.Pod{builders.Placeholder(h, 0).Node("a").UID("unit").Obj()},
				func(profile *Profile) { profile.Args.Swap = tc.swap })
			predicted, err := cluster.Predict(t.Context(), builders.Consumer("web", cpu(tc.wants)).Namespace("shop").UID("web").Obj())
			require.NoError(t, err)
			require.Empty(t, predicted.Fits)
			require.Equal(t, tc.takes, predicted.Swap != nil)
			require.Equal(t, tc.swapsOff, predicted.SwapsOff)
			require.Equal(t, tc.message, predicted.Message)
			require.Len(t, predicted.Assumptions, 2, "they are told whatever is predicted")
		})
	}
}

// TestUnitsThatCannotBeDeletedArePredictedForNobody, as the scheduler takes none of them.
func TestUnitsThatCannotBeDeletedArePredictedForNobody(t *testing.T) {
	h := builders.Headroom("spare", cpu("1")).Namespace("shop").UID("spare").Obj()
	for name, priority := range map[string]int32{"a pod of no importance": 0, "a system-critical one": 2_000_000_000} {
		t.Run(name, func(t *testing.T) {
			profile, err := ReadProfile(t.Context(), "", "")
			require.NoError(t, err)
			cluster, err := New(Objects{
				Headrooms: []*v1alpha1.Headroom{h}, Nodes: []*corev1.Node{builders.Node("a", "z-1", cpu("1")).Obj()},
				Pods:        []*corev1.Pod{builders.Placeholder(h, 0).Node("a").UID("unit").Obj()},
				Undeletable: map[types.NamespacedName]bool{{Namespace: "shop", Name: "spare"}: true},
			}, profile)
			require.NoError(t, err)
			const why = "the API server refuses to delete the placeholders of shop/spare"
			predicted, err := cluster.Predict(t.Context(), dns(priority))
			require.NoError(t, err)
			require.Nil(t, predicted.Swap)
			require.Equal(t, "1 of 1 nodes hold headroom, none for this pod: "+why, predicted.Message)
			options, misfits := cluster.Nodes(dns(priority))
			require.Empty(t, options)
			require.Equal(t, []Misfit{{Node: "a", Why: why}}, misfits)
		})
	}
}

func TestAPredictionLeavesTheProfileAsItIs(t *testing.T) {
	var profile *Profile
	cluster := explained(t, nil, []string{"a"}, nil, func(p *Profile) { profile = p })
	before := profile.Scheduler.DeepCopy()
	for range 2 {
		predicted, err := cluster.Predict(t.Context(), dns(1))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, predicted.Fits)
	}
	require.Equal(t, before, profile.Scheduler, "the next prediction is for the same scheduler")
}

func TestANodeThatThePodsAffinityDoesNotNameIsNotExplainedByItsRoom(t *testing.T) {
	full := func(node string) *corev1.Pod {
		return builders.Consumer("on-"+node, cpu("1")).Namespace("shop").UID("on-" + node).Node(node).Obj()
	}
	cluster := explained(t, nil, []string{"a", "b"}, []*corev1.Pod{full("a"), full("b")}, func(*Profile) {})
	pod := dns(1)
	pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}},
		}}},
	}}}
	predicted, err := cluster.Predict(t.Context(), pod)
	require.NoError(t, err)
	require.Equal(t, []Misfit{
		{Node: "a", Why: "the pod's affinity names other nodes"}, {Node: "b", Why: "it has too little room, and holds no headroom"},
	}, predicted.Misfits)
}

func TestANodeThatIsNotAmongTheObjectsHoldsUnitsAllTheSame(t *testing.T) {
	h := builders.Headroom("spare", cpu("1")).Namespace("shop").UID("spare").Obj()
	cluster := explained(t, []*v1alpha1.Headroom{h}, []string{"b"}, []*corev1.Pod{
		builders.Placeholder(h, 0).Node("b").UID("unit-0").Obj(), builders.Placeholder(h, 1).Node("a").UID("unit-1").Obj(),
	}, func(*Profile) {})
	held := cluster.Placeholders()
	require.Len(t, held, 2)
	require.Equal(t, "a", held[0].Name, "in the order of names")
	require.Len(t, held[0].Placeholders, 1)
	options, misfits := cluster.Nodes(dns(1))
	require.Len(t, options, 1)
	require.Equal(t, "b", options[0].Evidence.Name)
	require.Len(t, misfits, 1, "it has no room")
}

func TestWhatKeepsAPodFromANodeIsSaidInOrderAndOnce(t *testing.T) {
	var headrooms []*v1alpha1.Headroom
	var units []*corev1.Pod
	for i, name := range []string{"c", "a", "b", "a"} {
		h := builders.Headroom(name, cpu("100m")).Namespace("shop").UID(types.UID(name)).Consumers(v1alpha1.Consumers{
			PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		}).Obj()
		headrooms, units = append(headrooms, h), append(units, builders.Placeholder(h, i).Node("n").UID(fmt.Sprintf("unit-%d", i)).Obj())
	}
	_, misfits := explained(t, headrooms, []string{"n"}, units, func(*Profile) {}).Nodes(dns(1))
	require.Equal(t, []Misfit{{Node: "n", Why: "consumers.podSelector of shop/a does not match; consumers.podSelector of shop/b does not match; " +
		"consumers.podSelector of shop/c does not match"}}, misfits)
}

func TestConsumersThatDoNotParseAreSaidToKeepEveryPodOut(t *testing.T) {
	h := builders.Headroom("typo", cpu("1")).Namespace("shop").UID("typo").Consumers(v1alpha1.Consumers{
		PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}},
	}).Obj()
	units := []*corev1.Pod{builders.Placeholder(h, 0).Node("a").UID("unit").Obj()}
	_, misfits := explained(t, []*v1alpha1.Headroom{h}, []string{"a"}, units, func(*Profile) {}).Nodes(dns(1))
	require.Len(t, misfits, 1)
	require.Contains(t, misfits[0].Why, "parsing consumers.podSelector of Headroom shop/typo")
}

func TestPodsThatHaveFinishedTakeNoRoom(t *testing.T) {
	for phase, want := range map[corev1.PodPhase]bool{corev1.PodRunning: false, corev1.PodSucceeded: true, corev1.PodFailed: true} {
		t.Run(string(phase), func(t *testing.T) {
			other := builders.Consumer("other", cpu("1")).Namespace("shop").UID("other").Node("a").Obj()
			other.Status.Phase = phase
			cluster := explained(t, nil, []string{"a"}, []*corev1.Pod{other}, func(*Profile) {})
			options, _ := cluster.Nodes(dns(1))
			require.Equal(t, want, len(options) == 1)
			predicted, err := cluster.Predict(t.Context(), dns(1))
			require.NoError(t, err)
			require.Equal(t, want, len(predicted.Fits) == 1)
		})
	}
}

func TestAPodThatIsThereAlreadyIsNotInItsOwnWay(t *testing.T) {
	there, other := dns(1), dns(1)
	there.Spec.NodeName, other.UID, other.Name = "a", "other", "other"
	cluster := explained(t, nil, []string{"a"}, []*corev1.Pod{there}, func(*Profile) {})
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{"it is not": {pod: there, want: true}, "it is in that of others": {pod: other}} {
		t.Run(name, func(t *testing.T) {
			options, _ := cluster.Nodes(tc.pod)
			require.Equal(t, tc.want, len(options) == 1)
			predicted, err := cluster.Predict(t.Context(), tc.pod)
			require.NoError(t, err)
			require.Equal(t, tc.want, len(predicted.Fits) == 1)
		})
	}
}

// forWeb is a Headroom that entitles none of the pods below.
func forWeb() *v1alpha1.Headroom {
	return builders.Headroom("web", cpu("1")).Namespace("shop").UID("web").Consumers(v1alpha1.Consumers{
		PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
	}).Obj()
}

func dns(priority int32) *corev1.Pod {
	return builders.Consumer("dns", cpu("1")).Namespace("shop").UID("dns").Priority(priority).Obj()
}

func TestASystemCriticalPodIsPredictedToTakeUnitsOfOthers(t *testing.T) {
	h := forWeb()
	for name, tc := range map[string]struct {
		priority int32
		want     bool
	}{"it is": {priority: 2_000_000_000, want: true}, "another one is not": {priority: 1_999_999_999}} {
		t.Run(name, func(t *testing.T) {
			cluster := explained(t, []*v1alpha1.Headroom{h}, []string{"a"}, []*corev1.Pod{builders.Placeholder(h, 0).Node("a").UID("unit").Obj()},
				func(*Profile) {})
			predicted, err := cluster.Predict(t.Context(), dns(tc.priority))
			require.NoError(t, err)
			require.Equal(t, tc.want, predicted.Swap != nil)
			require.Equal(t, tc.want, predicted.Message == "")
		})
	}
}

func TestOfNodesWithUnitsOfOthersASystemCriticalPodIsToldThatTheyAreForLast(t *testing.T) {
	h := forWeb()
	cluster := explained(t, []*v1alpha1.Headroom{h}, []string{"free", "full", "held"}, []*corev1.Pod{
		builders.Placeholder(h, 0).Node("held").UID("unit").Obj(),
		builders.Consumer("full", cpu("1")).Namespace("shop").UID("full").Node("full").Obj(),
	}, func(*Profile) {})
	const last = "; a system-critical pod gets the room all the same where no other node serves it"
	for name, tc := range map[string]struct {
		priority int32
		want     bool
	}{"one that is": {priority: 2_000_000_000, want: true}, "one that is not": {priority: 1}} {
		t.Run(name, func(t *testing.T) {
			options, misfits := cluster.Nodes(dns(tc.priority))
			require.Len(t, options, 1)
			require.Equal(t, "free", options[0].Evidence.Name)
			require.Len(t, misfits, 2)
			require.Equal(t, Misfit{Node: "full", Why: "it has too little room, and holds no headroom"}, misfits[0])
			require.Equal(t, "held", misfits[1].Node)
			require.Equal(t, tc.want, strings.HasSuffix(misfits[1].Why, last), misfits[1].Why)
		})
	}
}
