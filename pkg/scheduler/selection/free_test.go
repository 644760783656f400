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
		every int // each so many-th node has room, but for the first one, which a unit holds
		nodes int
		want  bool
	}{
		"every node":             {every: 1, nodes: 500},
		"every tenth":            {every: 10, nodes: 520},
		"every thirtieth":        {every: 30, nodes: 480},
		"two":                    {every: 120, nodes: 320},
		"one":                    {every: 160, nodes: 320, want: true},
		"none":                   {every: 500, nodes: 500, want: true},
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

// nearby returns whether a pod fits near to where room was found last, with nodes in the order of their names.
func (f *fixture) nearby(t *testing.T, pod *corev1.Pod) (fits, scarce bool) {
	t.Helper()
	infos, err := f.snapshot.NodeInfos().List()
	require.NoError(t, err)
	slices.SortFunc(infos, func(a, b fwk.NodeInfo) int { return cmp.Compare(a.Node().Name, b.Node().Name) })
	return f.FitsNearby(t.Context(), f.run(t, pod), pod, infos)
}

func TestAPodIsPutWhereRoomWasFoundLast(t *testing.T) {
	for name, tc := range map[string]struct {
		nodes      int
		free       []int // the nodes that have room
		rejects    []int // those that do not suit the pod
		last, want int
		fits       bool
		scarce     bool
	}{
		"on the first node":     {nodes: 3, free: []int{0, 1, 2}, want: 0, fits: true},
		"on the last one again": {nodes: 3, free: []int{0, 1, 2}, last: 2, want: 2, fits: true},
		"behind it":             {nodes: 3, free: []int{0, 2}, last: 1, want: 2, fits: true},
		"from the first one on, behind the last one": {nodes: 3, free: []int{1}, last: 2, want: 1, fits: true},
		"not where there are fewer nodes now":        {nodes: 3, free: []int{1}, last: 7, want: 1, fits: true},
		"on the farthest that is looked at":          {nodes: nearby + 1, free: []int{nearby - 1}, want: nearby - 1, fits: true},
		"on none beyond that":                        {nodes: nearby + 1, free: []int{nearby}, want: 0},
		"on the last of those that are tried":        {nodes: 9, free: []int{0, 1, 2, 3}, rejects: []int{0, 1}, want: 2, fits: true},
		"on none if so many do not suit it":          {nodes: 9, free: []int{0, 1, 2, 3}, rejects: []int{0, 1, 2}, want: 0},
		"nowhere":                                    {nodes: 3, want: 0},
		"in a large cluster, where room is scarce":   {nodes: fewNodes + 1, free: []int{5}, want: 5, fits: true, scarce: true},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []*corev1.Node
			for i := range tc.nodes {
				cpu := "0"
				if slices.Contains(tc.free, i) {
					cpu = "1"
				}
				nodes = append(nodes, node(fmt.Sprintf("node-%03d", i), "z", cpu))
			}
			f := newFixture(t, nodes)
			for _, i := range tc.rejects {
				f.prober.rejects[nodes[i].Name] = true
			}
			f.lastFree = tc.last
			fits, scarce := f.nearby(t, wants("1").Obj())
			require.Equal(t, tc.fits, fits)
			require.Equal(t, tc.scarce, scarce)
			if tc.fits {
				require.Equal(t, tc.want, f.lastFree, "where the next pod is tried")
			}
		})
	}
}

func TestAPodIsNotPutNearbyIfExtendersHaveASay(t *testing.T) {
	f := newFixture(t, []*corev1.Node{node("a", "z", "1")})
	f.advise(&extender{})
	fits, _ := f.nearby(t, wants("1").Obj())
	require.False(t, fits)
}

func TestRoomIsThatOfEachResource(t *testing.T) {
	for name, tc := range map[string]struct {
		cpu, memory int64
		want        bool
	}{
		"just enough":        {cpu: 1000, memory: 1 << 30, want: true},
		"too little CPU":     {cpu: 1001, memory: 1 << 30},
		"too little memory":  {cpu: 1000, memory: 1<<30 + 1},
		"nothing is nothing": {want: true},
	} {
		t.Run(name, func(t *testing.T) {
			there := builders.Consumer("there", builders.Resources{"cpu": "1", "memory": "1Gi"}).Node("a").Obj()
			info := framework.NewNodeInfo(there)
			info.SetNode(builders.Node("a", "z", builders.Resources{"cpu": "2", "memory": "2Gi"}).Obj())
			require.Equal(t, tc.want, mayFit(&framework.Resource{MilliCPU: tc.cpu, Memory: tc.memory}, info))
		})
	}
	overcommitted := framework.NewNodeInfo(on("a", "there", "3").Obj())
	overcommitted.SetNode(node("a", "z", "2"))
	require.True(t, mayFit(&framework.Resource{}, overcommitted), "a pod that asks for nothing fits anyway")
}

// TestNodesThatAreKnownNotToSuitAreNoRoom asks about all three nodes with room in the first cycle, as the first two do not suit the pod.
func TestNodesThatAreKnownNotToSuitAreNoRoom(t *testing.T) {
	var nodes []*corev1.Node
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, node(name, "z", "1"))
	}
	for i := range 4 {
		nodes = append(nodes, node(fmt.Sprint("full-", i), "z", "0"))
	}
	f := newFixture(t, append(nodes, node("held", "z", "1")), unit(0, "held"))
	pod := wants("1").Obj()
	f.prober.rejects["a"], f.prober.rejects["b"], f.prober.rejects["c"] = true, true, true
	f.requireSwap(t, pod, "held", "open-headroom-0")
	require.Nil(t, f.Free(t.Context(), f.run(t, pod), f.consumer(t, pod)))
}
