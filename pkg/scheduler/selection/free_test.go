package selection

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
	"github.com/headroom-dev/headroom/test/builders"
)

func TestACycleIsNarrowedToTheNodesWithRoomWhereTheseAreFew(t *testing.T) {
	for name, tc := range map[string]struct {
		free, full int
		want       int
	}{
		"a few of many":                    {free: 3, full: 60, want: 3},
		"all that kube-scheduler scores":   {free: fewNodes, full: 2 * fewNodes, want: fewNodes},
		"more than it is sure to score":    {free: fewNodes + 1, full: 2 * fewNodes},
		"most nodes":                       {free: 6, full: 4},
		"none, where eviction is the only": {full: 10},
	} {
		t.Run(name, func(t *testing.T) {
			nodes, want := []*corev1.Node{node("held", "z", "1")}, sets.New[string]()
			for i := range tc.free {
				nodes = append(nodes, node(fmt.Sprintf("free-%d", i), "z", "1"))
				want.Insert(fmt.Sprintf("free-%d", i))
			}
			for i := range tc.full {
				nodes = append(nodes, node(fmt.Sprintf("full-%d", i), "z", "0"))
			}
			f := newFixture(t, nodes, unit(0, "held"))
			pod := wants("1").Obj()
			run := f.Profile.NewRun(framework.NewCycleState(), pod)
			selected := f.Select(t.Context(), run, f.consumer(t, pod))
			if tc.want == 0 {
				require.Nil(t, selected.Free)
				return
			}
			require.Nil(t, selected.Swap)
			require.Equal(t, want, selected.Free)
			require.Equal(t, want, f.Free(t.Context(), run, f.consumer(t, pod)), "also if the pod was found to fit without a look at all nodes")
		})
	}
}

func TestTheCycleOfAPodOfAGroupIsNotNarrowed(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("held", "z", "1"), node("free", "z", "1")}, unit(0, "held"))
	pod := wants("1").Obj()
	f.consumer(t, pod)
	alone := f.Profile.NewRun(framework.NewCycleState(), pod)
	require.Equal(t, sets.New("free"), f.namesOfFew(alone, []int{f.indexOf("free")}))
	require.Nil(t, f.namesOfFew(f.Profile.NewRunInGroup(framework.NewCycleState(), pod), []int{f.indexOf("free")}))
}

// indexOf returns the index of a node.
func (f *fixture) indexOf(name string) int {
	return slices.IndexFunc(f.Inventory.Nodes(), func(n inventory.Node) bool { return n.Name == name })
}

func TestRoomIsScarceWhereNearlyNoneOfManyNodesHasIt(t *testing.T) {
	for name, tc := range map[string]struct {
		every int // each so many-th node has room
		nodes int
		want  bool
	}{
		"every node":             {every: 1, nodes: 500},
		"every tenth":            {every: 10, nodes: 520},
		"one":                    {every: 500, nodes: 500, want: true},
		"one in a small cluster": {every: fewNodes, nodes: fewNodes},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []*corev1.Node
			for i := range tc.nodes {
				cpu := "0"
				if i%tc.every == 0 {
					cpu = "1"
				}
				nodes = append(nodes, node(fmt.Sprintf("node-%03d", i), "z", cpu))
			}
			f := newFixture(t, nodes, unit(0, "node-000"))
			infos, err := f.snapshot.NodeInfos().List()
			require.NoError(t, err)
			// A snapshot that is made at once has its nodes in no order.
			slices.SortFunc(infos, func(a, b fwk.NodeInfo) int { return cmp.Compare(a.Node().Name, b.Node().Name) })
			require.Equal(t, tc.want, roomIsScarce(f.requests(wants("1").Obj()), infos))
		})
	}
}

func TestANodeThatCanHaveNoMorePodsHasNoRoom(t *testing.T) {
	for name, tc := range map[string]struct {
		pods string
		want bool
	}{"one more": {pods: "2", want: true}, "none more": {pods: "1"}} {
		t.Run(name, func(t *testing.T) {
			info := framework.NewNodeInfo(on("a", "there", "1").Obj())
			info.SetNode(builders.Node("a", "z", builders.Resources{"cpu": "4", "pods": tc.pods}).Obj())
			require.Equal(t, tc.want, mayFit(&framework.Resource{MilliCPU: 1000}, info))
		})
	}
}
