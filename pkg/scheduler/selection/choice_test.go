package selection

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	st "k8s.io/kubernetes/pkg/scheduler/testing"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/test/builders"
)

// TestWhyANodeWasChosen has node a go first: the reason names the next of those that suit the pod as well.
func TestWhyANodeWasChosen(t *testing.T) {
	const only = "the only node with headroom that suits the pod"
	for name, tc := range map[string]struct {
		nodes   []*corev1.Node
		units   []*corev1.Pod
		rejects []string
		want    string
	}{
		"there is no other": {nodes: []*corev1.Node{node("a", "z", "1")}, units: []*corev1.Pod{unit(0, "a")}, want: only},
		"the other one does not suit the pod": {
			nodes: []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, units: []*corev1.Pod{unit(0, "a"), unit(1, "b")},
			rejects: []string{"b"}, want: only,
		},
		"its name": {
			nodes: []*corev1.Node{node("b", "z", "1"), node("a", "z", "1"), node("c", "z", "1")},
			units: []*corev1.Pod{unit(0, "a"), unit(1, "b"), unit(2, "c")}, want: "rule 6 Name: a comes before b",
		},
		"it wastes less": {
			nodes: []*corev1.Node{node("b", "z", "2"), node("a", "z", "2")},
			units: []*corev1.Pod{unit(0, "a"), on("a", "x", "1").Obj(), large(9, "b")}, want: "rule 3 LeastWaste: ",
		},
		"it wastes less than one that suits, too": {
			nodes: []*corev1.Node{node("b", "z", "2"), node("a", "z", "2"), node("c", "z", "1")},
			units: []*corev1.Pod{unit(0, "a"), on("a", "x", "1").Obj(), large(9, "b"), unit(1, "c")}, rejects: []string{"c"},
			want: "rule 3 LeastWaste: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tc.nodes, tc.units...)
			for _, name := range tc.rejects {
				f.prober.rejects[name] = true
			}
			swap := f.selected(t.Context(), t, wants("1").Obj())
			require.NotNil(t, swap)
			require.Equal(t, "a", swap.Node)
			require.Contains(t, swap.Why, tc.want)
		})
	}
}

// large is placeholder number i of the Headroom open as it was when its units had two cores.
func large(i int, node string) *corev1.Pod {
	pod := builders.Placeholder(hr("open", "2"), i).Node(node)
	return pod.UID(pod.Obj().Name).Obj()
}

// TestNodesThatDoNotSuitAreSkippedInTheOrderOfTheRules has more nodes than are asked about one by one. Each one's unit is larger than that
// of the one before, so that the nodes are in order.
func TestNodesThatDoNotSuitAreSkippedInTheOrderOfTheRules(t *testing.T) {
	const count = dryrun.Sequential + 4
	var nodes []*corev1.Node
	var units []*corev1.Pod
	for i := range count {
		name, cpu := fmt.Sprintf("node-%02d", i), fmt.Sprintf("%dm", 4000-100*i)
		nodes = append(nodes, node(name, "z", "4"))
		unit := builders.Placeholder(hr("open", cpu), i).Node(name)
		units = append(units, unit.UID(unit.Obj().Name).Obj(), on(name, "x-"+name, fmt.Sprintf("%dm", 100*i)).Obj())
	}
	f := newFixture(t, nodes, units...)
	for rejected := range count {
		last := count - 1 - rejected
		f.requireSwap(t, wants("1").Obj(), nodes[last].Name, fmt.Sprintf("open-headroom-%d", last))
		f.prober.rejects[nodes[last].Name] = true
		f.clock.Step(2 * maxAge)
	}
	f.requireSwap(t, wants("1").Obj(), "")
}

// TestFreeRoomBesidePlaceholdersMayBeNominatedAway: then the consumer gets room of these, or none if nothing is left.
func TestFreeRoomBesidePlaceholdersMayBeNominatedAway(t *testing.T) {
	for name, tc := range map[string]struct {
		nominated *corev1.Pod
		want      []string
	}{
		"to nobody":                    {},
		"to one as important":          {nominated: wants("1").Name("other").UID("other").Obj(), want: []string{"open-headroom-0"}},
		"to one that is less":          {nominated: wants("1").Name("other").UID("other").Priority(-1).Obj()},
		"to the consumer":              {nominated: wants("1").Obj()},
		"to one that leaves no victim": {nominated: wants("2").Name("other").UID("other").Obj()},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "2")}, unit(0, "a"))
			if tc.nominated != nil {
				f.nominate(t, tc.nominated, "a")
			}
			pod := wants("1").Obj()
			selected := f.Select(t.Context(), f.run(t, pod), f.consumer(t, pod))
			if tc.want == nil {
				require.Nil(t, selected.Swap)
				return
			}
			require.NotNil(t, selected.Swap)
			require.Equal(t, tc.want, namesOf(selected.Swap.Victims))
			require.Equal(t, 1, selected.Candidates)
		})
	}
}

func TestAllThatIsNominatedToANodeCounts(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "3")}, unit(0, "a"), unit(1, "a"), unit(2, "a"))
	for _, name := range []string{"one", "two"} {
		f.nominate(t, wants("1").Name(name).UID(name).Obj(), "a")
	}
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0", "open-headroom-1", "open-headroom-2")
}

func TestANominatedPodMayAskForWhatTheNodeHasNoneOf(t *testing.T) {
	const slots = "example.org/slots"
	f := newFixture(t, []*corev1.Node{builders.Node("a", "z", builders.Resources{"cpu": "1", slots: "1"}).Obj()}, unit(0, "a"))
	other := builders.Consumer("other", builders.Resources{slots: "1"}).Namespace("default").UID("other").Obj()
	f.nominate(t, other, "a")
	pod := builders.Consumer("consumer", builders.Resources{"cpu": "1", slots: "1"}).Namespace("default").UID("consumer").Obj()
	f.requireSwap(t, pod, "")
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0")
}

// TestWhatIsLeftAroundANodeCountsAsItIsNow: of the zones of two nodes, the one that has more units left loses one.
func TestWhatIsLeftAroundANodeCountsAsItIsNow(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z-1", "1"), node("b", "z-2", "1"), node("c", "z-1", "9"), node("d", "z-2", "9")},
		unit(0, "a"), unit(1, "b"), unit(2, "c"), on("c", "x", "8").Obj(), on("d", "y", "7").Obj())
	spread := builders.Headroom("open", res("1")).Namespace("default").UID("uid-open").SpreadOver(corev1.LabelTopologyZone).Obj()
	require.NoError(t, f.Catalog.Set(spread))
	f.prober.rejects["c"], f.prober.rejects["d"] = true, true
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0")
	f.assume(t, unit(3, "d"))
	f.assume(t, unit(4, "d"))
	swap := f.selected(t.Context(), t, wants("1").Obj())
	require.Equal(t, "b", swap.Node)
	require.Contains(t, swap.Why, evictionorder.NodeSpread.String())
	require.Contains(t, swap.Why, "z-2", "it says what is left where")
}

func TestACordonedNodeHasNoRoom(t *testing.T) {
	cordoned := &st.NodeWrapper{Node: *node("a", "z", "1")}
	f := newFixture(t, []*corev1.Node{cordoned.Unschedulable(true).Obj(), node("b", "z", "1")}, unit(0, "a"), unit(1, "b"))
	pod := wants("1").Obj()
	selected := f.Select(t.Context(), f.run(t, pod), f.consumer(t, pod))
	require.Equal(t, "b", selected.Swap.Node)
	require.Equal(t, 2, selected.Candidates, "whatever other plugins say")
	require.Equal(t, 2, f.CountCandidates(f.consumer(t, pod)))
	selected = f.Select(t.Context(), f.run(t, pod), f.consumer(t, pod))
	require.Equal(t, "b", selected.Swap.Node)
	require.Equal(t, 2, selected.Candidates, "also what is known to be rejected")
}

// TestAPodThatMustSpreadGetsRoomWhereItMayBe has units in two zones, where pods of its kind come to be, and free room in one of them.
func TestAPodThatMustSpreadGetsRoomWhereItMayBe(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	web := wants("1").Label("app", "web").
		SpreadConstraint(1, corev1.LabelTopologyZone, corev1.DoNotSchedule, selector, nil, nil, nil, nil).Obj()
	ofItsKind := func(name, node string) *corev1.Pod { return on(node, name, "0").Label("app", "web").Obj() }
	// They come to be on nodes without room, so that nothing changes on those with some.
	f := newFixture(t, []*corev1.Node{
		node("a", "z-1", "1"), node("b", "z-2", "1"), node("c", "z-3", "1"),
		node("a-2", "z-1", "0"), node("b-2", "z-2", "0"), node("c-2", "z-3", "0"),
	}, unit(0, "a"), unit(1, "b"), ofItsKind("1", "a-2"))
	f.requireSwap(t, web, "") // there is free room in the third zone
	f.assume(t, ofItsKind("3", "c-2"))
	f.requireSwap(t, web, "b", "open-headroom-1") // and now not for this pod
	f.assume(t, ofItsKind("2", "b-2"))
	f.assume(t, on("c", "x", "1").Obj())
	f.requireSwap(t, web, "a", "open-headroom-0")
	f.assume(t, ofItsKind("4", "a-2"))
	f.requireSwap(t, web, "b", "open-headroom-1")
}

// TestTheNextBestNodesAreRankedByAllRulesIfTheBestDoNotSuit has two pairs of nodes, of which the second wastes more, and a node that wastes
// still more.
func TestTheNextBestNodesAreRankedByAllRulesIfTheBestDoNotSuit(t *testing.T) {
	nodes := []*corev1.Node{node("a", "z", "2"), node("b", "z", "2"), node("c", "z", "2"), fast(node("d", "z", "2")), node("e", "z", "2")}
	f := newFixture(t, nodes,
		sized(0, "a", "1"), on("a", "v", "1").Obj(), sized(1, "b", "1"), on("b", "w", "1").Obj(),
		sized(2, "c", "1500m"), on("c", "x", "500m").Obj(), sized(3, "d", "1500m"), on("d", "y", "500m").Obj(), sized(4, "e", "2"))
	for _, tc := range []struct {
		rejects    []string
		want, over string
	}{
		{rejects: []string{"a", "b"}, want: "d", over: "Score"},
		{rejects: []string{"d"}, want: "c", over: "LeastWaste"},
		{rejects: []string{"c"}, want: "e", over: "the only node"},
	} {
		for _, name := range tc.rejects {
			f.prober.rejects[name] = true
		}
		f.clock.Step(2 * maxAge)
		swap := f.selected(t.Context(), t, prefers("disk", "ssd").Obj())
		require.NotNil(t, swap)
		require.Equal(t, tc.want, swap.Node)
		require.Contains(t, swap.Why, tc.over)
	}
}

// TestAPodThatPreFilterPluginsRejectGetsNothing: it names two nodes at once.
func TestAPodThatPreFilterPluginsRejectGetsNothing(t *testing.T) {
	named := func(name string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{name}}
	}
	for name, tc := range map[string]struct {
		names []corev1.NodeSelectorRequirement
		want  bool
	}{
		"it names one node": {names: []corev1.NodeSelectorRequirement{named("a")}, want: true},
		"it names two":      {names: []corev1.NodeSelectorRequirement{named("a"), named("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, unit(0, "a"), unit(1, "b"))
			pod := wants("1").Obj()
			terms := &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: tc.names}}}
			pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
			selected := f.Select(t.Context(), f.Profile.NewRun(framework.NewCycleState(), pod), f.consumer(t, pod))
			require.Equal(t, tc.want, selected.Swap != nil)
			require.Equal(t, 2, selected.Candidates)
		})
	}
}
