package selection

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

func TestAsManyNodesAreScoredAsKubeSchedulerWould(t *testing.T) {
	for name, tc := range map[string]struct {
		percentage *int32
		nodes      int
		want       int
	}{
		"all of a few":                           {nodes: 99, want: 99},
		"at least a hundred":                     {nodes: 150, want: 100}, // 49 % are 73
		"a share that falls with the size":       {nodes: 1000, want: 420},
		"one in ten of five thousand":            {nodes: 5000, want: 500},
		"never less than one in twenty":          {nodes: 15000, want: 750},
		"what the profile says":                  {percentage: ptr.To(int32(30)), nodes: 1000, want: 300},
		"what the profile says, but not too few": {percentage: ptr.To(int32(1)), nodes: 1000, want: 100},
		"all if the profile says so":             {percentage: ptr.To(int32(100)), nodes: 5000, want: 5000},
		"zero is as good as nothing said":        {percentage: ptr.To(int32(0)), nodes: 5000, want: 500},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, nodesToScore(tc.percentage, 100, tc.nodes))
		})
	}
}

// TestNoMoreNodesAreScoredThanKubeSchedulerWould has three hundred nodes that are equal by all rules before the score, of which every third
// does not suit the pod.
func TestNoMoreNodesAreScoredThanKubeSchedulerWould(t *testing.T) {
	var nodes []*corev1.Node
	var units []*corev1.Pod
	for i := range 300 {
		name := fmt.Sprintf("node-%03d", i)
		nodes, units = append(nodes, node(name, "z", "1")), append(units, unit(i, name))
	}
	f := newFixture(t, nodes, units...)
	for i := 0; i < len(nodes); i += 3 {
		f.prober.rejects[nodes[i].Name] = true
	}
	pod := wants("1").Obj()
	run := f.run(t, pod)
	c := f.consumer(t, pod)
	all := f.Inventory.Nodes()
	cache := f.cacheFor(equivalenceClass{}, all)
	found := f.assess(c, cache)
	ch := &choice{selector: f.Selector, run: run, consumer: c, cache: cache, nodes: all}
	require.Len(t, found.afterEviction, len(nodes))

	fitting, asked := ch.fittingSample(t.Context(), found.afterEviction)

	limit := nodesToScore(f.Handle.PercentageOfNodesToScore(), int(f.Args.MinNodesToScore), len(nodes))
	require.Less(t, limit, 200, "more nodes than that suit the pod")
	require.Len(t, fitting, limit)
	require.Less(t, len(asked), len(nodes), "it stops there")
	require.Subset(t, asked, fitting)
	for _, i := range fitting {
		require.False(t, f.prober.rejects[all[i].Name])
	}
}

func nodesNamed(n int) []inventory.Node {
	nodes := make([]inventory.Node, n)
	for i := range nodes {
		name := fmt.Sprintf("node-%05d", i)
		nodes[i] = inventory.Node{Name: name, Rank: i, Hash: inventory.Hash(name)}
	}
	return nodes
}

// However few are asked for at a time, the order is that of sorting all by key and name.
func TestASampleIsTheBeginningOfOneOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := nodesNamed(rapid.IntRange(1, 300).Draw(t, "nodes"))
		for i := range all {
			if rapid.IntRange(0, 9).Draw(t, "collides") == 0 {
				all[i].Hash = all[0].Hash
			}
		}
		var nodes []int
		for i := range all {
			if rapid.Bool().Draw(t, "tied") {
				nodes = append(nodes, i)
			}
		}
		if len(nodes) == 0 {
			return
		}
		pod := &corev1.Pod{}
		pod.UID = types.UID(rapid.String().Draw(t, "uid"))
		want := slices.Clone(nodes)
		key := func(i int) uint64 { return sampleKey(inventory.Hash(string(pod.UID)), all[i].Hash) }
		slices.SortFunc(want, func(a, b int) int {
			if key(a) != key(b) {
				if key(a) < key(b) {
					return -1
				}
				return 1
			}
			return all[a].Rank - all[b].Rank
		})
		s := newSample(pod, all, nodes, rapid.IntRange(1, len(nodes)).Draw(t, "wanted"))
		var got []int
		for {
			next := s.next(rapid.IntRange(1, 7).Draw(t, "at a time"))
			if len(next) == 0 {
				break
			}
			got = append(got, next...)
		}
		require.Equal(t, want, got)
	})
}

// Each of 1,000 nodes is in the sample of 100 of about one pod in ten: with 2,000 pods 200 times, and six standard deviations of the
// binomial distribution are 80.
func TestSamplesAreUniformOverNodes(t *testing.T) {
	all := nodesNamed(1000)
	nodes := make([]int, len(all))
	for i := range nodes {
		nodes[i] = i
	}
	times := make([]int, len(all))
	for i := range 2000 {
		pod := &corev1.Pod{}
		pod.UID = types.UID(fmt.Sprintf("7f9c24e8-3b12-4fef-91e0-%012d", i))
		for _, node := range newSample(pod, all, nodes, 100).next(100) {
			times[node]++
		}
	}
	require.Greater(t, slices.Min(times), 120)
	require.Less(t, slices.Max(times), 280)
}

func TestEachPodHasASampleOfItsOwn(t *testing.T) {
	all, nodes := nodesNamed(1000), make([]int, 1000)
	for i := range nodes {
		nodes[i] = i
	}
	first := func(uid types.UID) []int {
		pod := &corev1.Pod{}
		pod.UID = uid
		return newSample(pod, all, nodes, 100).next(100)
	}
	sampled := first("one")
	require.Equal(t, sampled, first("one"))
	require.NotEqual(t, sampled, first("another"))
}

// TestAllNodesAreAskedAboutUnlessTheScoreComesLater has more nodes than are scored, in profiles that weigh the score against other rules.
func TestAllNodesAreAskedAboutUnlessTheScoreComesLater(t *testing.T) {
	rule := func(tier int32, name string) config.NodeRule {
		return config.NodeRule{Name: name, Tier: tier, Weight: 1}
	}
	for name, tc := range map[string]struct {
		rules  []config.NodeRule
		before int
		all    bool
	}{
		"it comes last":          {rules: []config.NodeRule{rule(1, config.RuleLeastWaste), rule(2, config.RuleScore)}, before: 1},
		"it is weighed":          {rules: []config.NodeRule{rule(1, config.RuleLeastWaste), rule(1, config.RuleScore)}, all: true},
		"it comes before others": {rules: []config.NodeRule{rule(1, config.RuleScore), rule(2, config.RuleLeastWaste)}},
		"it does not count":      {rules: []config.NodeRule{rule(1, config.RuleLeastWaste)}, before: 1, all: true},
		"it is weighed second to one": {
			rules: []config.NodeRule{rule(1, config.RuleNearest), rule(2, config.RuleSpread), rule(2, config.RuleScore)}, before: 1, all: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			const count = 120
			var nodes []*corev1.Node
			var units []*corev1.Pod
			for i := range count {
				name := fmt.Sprintf("node-%03d", i)
				nodes, units = append(nodes, node(name, "z", "1")), append(units, unit(i, name))
			}
			f := newFixture(t, nodes, units...)
			f.Args.NodeRules = tc.rules
			f.Selector = New(f.Options)
			require.Len(t, f.rulesBeforeScore.Tiers, tc.before)
			require.Len(t, f.scoreAndLater.Tiers, len(f.order.Tiers)-tc.before)
			pod := wants("1").Obj()
			run, c := f.run(t, pod), f.consumer(t, pod)
			cache := f.cacheFor(equivalenceClass{}, f.Inventory.Nodes())
			found := f.assess(c, cache)
			ch := &choice{selector: f.Selector, run: run, consumer: c, cache: cache, nodes: f.Inventory.Nodes()}
			fitting, asked := ch.fittingSample(t.Context(), found.afterEviction)
			require.Equal(t, tc.all, len(asked) == count)
			require.Len(t, fitting, len(asked))
		})
	}
}

// choiceOf returns the choice for a pod, and the nodes on which it would fit after eviction.
func choiceOf(t *testing.T, f *fixture, pod *corev1.Pod) (ch *choice, held []int) {
	t.Helper()
	run, c := f.run(t, pod), f.consumer(t, pod)
	cache := f.cacheFor(equivalenceClass{}, f.Inventory.Nodes())
	held = f.assess(c, cache).afterEviction
	return &choice{selector: f.Selector, run: run, consumer: c, cache: cache, nodes: f.Inventory.Nodes()}, held
}

// TestASampleIsAsLargeAsTheClusterHasIt: kube-scheduler would score half of forty nodes, which is as many as are equal.
func TestASampleIsAsLargeAsTheClusterHasIt(t *testing.T) {
	for name, tc := range map[string]struct{ equal, others, want int }{
		"half of the nodes are equal": {equal: 20, others: 20, want: 20},
		"all are":                     {equal: 40, want: 20},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []*corev1.Node
			var units []*corev1.Pod
			for i := range tc.equal {
				name := fmt.Sprintf("equal-%02d", i)
				nodes, units = append(nodes, node(name, "z", "1")), append(units, unit(i, name))
			}
			for i := range tc.others {
				nodes = append(nodes, node(fmt.Sprintf("other-%02d", i), "z", "0"))
			}
			f := newFixture(t, nodes, units...)
			f.Args.MinNodesToScore = 1
			ch, held := choiceOf(t, f, wants("1").Obj())
			require.Len(t, held, tc.equal)
			fitting, asked := ch.fittingSample(t.Context(), held)
			require.Len(t, fitting, tc.want)
			require.Len(t, asked, tc.want)
		})
	}
}

// TestExtendersHaveTheLastWordAlsoOfASample, which goes on until so many nodes suit them, too.
func TestExtendersHaveTheLastWordAlsoOfASample(t *testing.T) {
	var nodes []*corev1.Node
	var units []*corev1.Pod
	e := &extender{}
	for i := range 40 {
		name := fmt.Sprintf("node-%02d", i)
		nodes, units = append(nodes, node(name, "z", "1")), append(units, unit(i, name))
		if i%4 == 0 {
			e.rejects = append(e.rejects, name)
		}
	}
	f := newFixture(t, nodes, units...)
	f.Args.MinNodesToScore = 1
	f.advise(e)
	ch, held := choiceOf(t, f, wants("1").Obj())
	fitting, asked := ch.fittingSample(t.Context(), held)
	require.Len(t, fitting, 20)
	require.Less(t, len(asked), len(nodes))
	for _, i := range fitting {
		require.NotContains(t, e.rejects, ch.nodes[i].Name)
	}
}
