package selection

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/test/builders"
)

// another is another pod that waits, of the consumer's priority.
func another(name, cpu string) *corev1.Pod {
	return builders.Consumer(name, res(cpu)).Namespace("default").UID(name).Obj()
}

// sized is placeholder number i of the Headroom open as it was when its units were of that size.
func sized(i int, node, cpu string) *corev1.Pod {
	pod := builders.Placeholder(hr("open", cpu), i).Node(node)
	return pod.UID(pod.Obj().Name).Obj()
}

// TestNominatedPodsMayMakeTheNextNodeBetter has nodes in the order a, b, c, by how much larger their units are than the consumer, as
// long as nobody is nominated to b: with another pod there, a far larger unit has to go.
func TestNominatedPodsMayMakeTheNextNodeBetter(t *testing.T) {
	for name, tc := range map[string]struct {
		first   string // the size of a's unit, where the pod must not go
		beside  string // what else is requested of a
		nominee bool
		want    string
	}{
		"nobody is nominated":                     {first: "1050m", beside: "3050m", want: "b"},
		"one is, to the second best":              {first: "1050m", beside: "3050m", nominee: true, want: "c"},
		"one is, to one of two that are equal":    {first: "1100m", beside: "3", nominee: true, want: "c"},
		"nobody is, to any of two that are equal": {first: "1100m", beside: "3", want: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "4100m"), node("b", "z", "4100m"), node("c", "z", "4100m")},
				sized(0, "a", tc.first), on("a", "x", tc.beside).Obj(), sized(1, "b", "1100m"), sized(2, "b", "3"),
				sized(3, "c", "1200m"), on("c", "y", "2900m").Obj())
			spread := builders.Headroom("open", res("1")).Namespace("default").UID("uid-open").SpreadOver(corev1.LabelTopologyRegion).Obj()
			require.NoError(t, f.Catalog.Set(spread))
			f.prober.rejects["a"] = true
			if tc.nominee {
				f.nominate(t, another("other", "1"), "b")
			}
			require.Equal(t, tc.want, f.selected(t.Context(), t, wants("1").Obj()).Node)
		})
	}
}

// TestPodsMayBeNominatedToSeveralNodes has three nodes of two units, to each of which as many pods are nominated.
func TestPodsMayBeNominatedToSeveralNodes(t *testing.T) {
	for name, tc := range map[string]struct {
		pod     *corev1.Pod
		rejects string
		want    int
	}{
		"the first by name":                {pod: wants("1").Obj()},
		"the one that scores more, though": {pod: prefers("disk", "ssd").Obj(), want: 2},
		"one that suits":                   {pod: wants("1").Obj(), rejects: "a", want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var units []*corev1.Pod
			nodes := []*corev1.Node{node("a", "z", "2"), node("b", "z", "2"), fast(node("c", "z", "2"))}
			for i := range nodes {
				units = append(units, unit(2*i, nodes[i].Name), unit(2*i+1, nodes[i].Name))
			}
			f := newFixture(t, nodes, units...)
			for _, n := range nodes {
				f.nominate(t, another("to-"+n.Name, "1"), n.Name)
			}
			f.prober.rejects[tc.rejects] = true
			f.requireSwap(t, tc.pod, nodes[tc.want].Name, fmt.Sprint("open-headroom-", 2*tc.want), fmt.Sprint("open-headroom-", 2*tc.want+1))
		})
	}
}

// TestFreeRoomOfSeveralNodesMayBeNominatedAway: b and c have a unit beside it, and the others' does not suit the pod.
func TestFreeRoomOfSeveralNodesMayBeNominatedAway(t *testing.T) {
	nodes := []*corev1.Node{node("b", "z", "2"), node("c", "z", "2")}
	for i := range 9 {
		nodes = append(nodes, node(fmt.Sprint("a-", i), "z", "1"))
	}
	f := newFixture(t, nodes, unit(0, "b"), unit(1, "c"))
	for _, node := range nodes[2:] {
		f.prober.rejects[node.Name] = true
	}
	f.nominate(t, another("to-b", "1"), "b")
	f.nominate(t, another("to-c", "1"), "c")
	pod := wants("1").Obj()
	selected := f.Select(t.Context(), f.run(t, pod), f.consumer(t, pod))
	require.NotNil(t, selected.Swap)
	require.Equal(t, "b", selected.Swap.Node)
	require.Equal(t, 2, selected.Candidates)
}

func TestANodeWhoseRoomIsNominatedAwayIsNoReason(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1"), node("b", "z", "1")}, unit(0, "a"), unit(1, "b"))
	f.nominate(t, another("other", "1"), "a")
	swap := f.selected(t.Context(), t, wants("1").Obj())
	require.Equal(t, "b", swap.Node)
	require.Equal(t, "the only node with headroom that suits the pod", swap.Why)
}

// TestWhatIsLeftCountsAlsoWherePodsAreNominated: two units of zone z-1 have to go for a pod beside another, or one of zone z-2.
func TestWhatIsLeftCountsAlsoWherePodsAreNominated(t *testing.T) {
	for name, tc := range map[string]struct {
		more []*corev1.Pod // in z-1
		want string
	}{
		"more are left where none are": {want: "b"},
		"more are left where they are": {more: []*corev1.Pod{unit(7, "c"), unit(8, "c")}, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z-1", "2"), node("b", "z-2", "2"), node("c", "z-1", "9"), node("d", "z-2", "2")},
				append(tc.more, unit(0, "a"), unit(1, "a"), unit(2, "b"), unit(3, "d"), on("b", "x", "1").Obj(), on("d", "y", "1").Obj())...)
			spread := builders.Headroom("open", res("1")).Namespace("default").UID("uid-open").SpreadOver(corev1.LabelTopologyZone).Obj()
			require.NoError(t, f.Catalog.Set(spread))
			f.prober.rejects["c"], f.prober.rejects["d"] = true, true
			f.nominate(t, another("other", "1"), "a")
			swap := f.selected(t.Context(), t, wants("1").Obj())
			require.Equal(t, tc.want, swap.Node)
			require.Contains(t, swap.Why, evictionorder.NodeSpread.String())
		})
	}
}

func TestAPodOfTheConsumersNameElsewhereIsAnother(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "2")}, unit(0, "a"), unit(1, "a"))
	f.nominate(t, builders.Consumer("consumer", res("1")).Namespace("elsewhere").UID("another").Obj(), "a")
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0", "open-headroom-1")
}

// TestTheReasonNamesWhatIsLostWherePodsAreNominated: there a unit of each of two Headrooms goes, and nothing is left of the second.
func TestTheReasonNamesWhatIsLostWherePodsAreNominated(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z-1", "2"), node("b", "z-2", "2"), node("c", "z-1", "2"), node("d", "z-2", "2")},
		unit(0, "a"), unitOf("second", 0, "a").Obj(), unit(1, "b"), on("b", "x", "1").Obj(), unit(2, "c"), unit(3, "c"),
		unit(4, "d"), on("d", "y", "1").Obj())
	for _, name := range []string{"open", "second"} {
		spread := builders.Headroom(name, res("1")).Namespace("default").UID(hr(name, "1").UID).SpreadOver(corev1.LabelTopologyZone).Obj()
		require.NoError(t, f.Catalog.Set(spread))
	}
	f.prober.rejects["c"], f.prober.rejects["d"] = true, true
	f.requireSwap(t, wants("1").Obj(), "a", "open-headroom-0")
	f.nominate(t, another("other", "1"), "a")
	swap := f.selected(t.Context(), t, wants("1").Obj())
	require.Equal(t, "b", swap.Node)
	require.Contains(t, swap.Why, "zone z-2 has 1 units of default/open left, zone z-1 has 0 units of default/second")
}

// TestWhoIsNominatedCountsOnEachOfEqualNodes: on those that do not suit the pod, by asking for nothing, on the last one by its requests.
func TestWhoIsNominatedCountsOnEachOfEqualNodes(t *testing.T) {
	var nodes []*corev1.Node
	var units []*corev1.Pod
	for i := range 9 {
		name := fmt.Sprint("a-", i)
		nodes, units = append(nodes, node(name, "z", "2")), append(units, unit(2*i, name), unit(2*i+1, name))
	}
	f := newFixture(t, append(nodes, node("b", "z", "2")), append(units, unit(100, "b"), unit(101, "b"))...)
	for _, n := range nodes {
		f.prober.rejects[n.Name] = true
		f.nominate(t, another("to-"+n.Name, "0"), n.Name)
	}
	f.nominate(t, another("to-b", "1"), "b")
	f.requireSwap(t, wants("1").Obj(), "b", "open-headroom-100", "open-headroom-101")
}

// TestANodeIsNoCandidateWhereNominatedPodsLeaveTooLittle whatever goes of its placeholders, though it has room without them.
func TestANodeIsNoCandidateWhereNominatedPodsLeaveTooLittle(t *testing.T) {
	for name, tc := range map[string]struct {
		nominated string
		want      int
	}{"they leave a core": {nominated: "1", want: 2}, "they leave half a core": {nominated: "1500m", want: 1}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []*corev1.Node{node("a", "z", "2"), node("b", "z", "1")}, unit(0, "a"), unit(1, "b"))
			f.prober.rejects["b"] = true
			f.nominate(t, another("other", tc.nominated), "a")
			pod := wants("1").Obj()
			selected := f.Select(t.Context(), f.run(t, pod), f.consumer(t, pod))
			require.Equal(t, tc.want, selected.Candidates)
			require.Equal(t, tc.want == 2, selected.Swap != nil)
		})
	}
}
