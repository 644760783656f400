package ladder_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/pkg/ladder"
)

func TestPlaces(t *testing.T) {
	at := func(domain string, steps ...int) []ladder.Place {
		var places []ladder.Place
		for _, step := range steps {
			places = append(places, ladder.Place{Domain: domain, Step: step})
		}
		return places
	}
	for name, tc := range map[string]struct {
		steps   int
		domains []string
		units   []ladder.Place
		want    []ladder.Place
	}{
		"the first of each zone stands highest": {
			steps: 3, domains: []string{"b", "a"}, want: []ladder.Place{{"a", 3}, {"b", 3}, {"a", 2}, {"b", 2}},
		},
		"without zones all are of one": {
			steps: 3, units: at("a", 3, 2), want: at("", 3, 1),
		},
		"a zone that lost units gets them back on their steps": {
			steps: 4, domains: []string{"a", "b"}, units: slices.Concat(at("a", 4, 2), at("b", 4, 3, 2, 1)), want: at("a", 3, 1),
		},
		"where there are more than steps, each step gets its share, the highest first": {
			steps: 2, domains: []string{"a"}, want: at("a", 2, 2, 2, 1, 1),
		},
		"units on no step count for their zone": {
			steps: 3, domains: []string{"a", "b"}, units: at("a", 0, 9), want: slices.Concat(at("b", 3, 2), at("a", 3)),
		},
		"units in unknown zones do not count": {
			steps: 3, domains: []string{"a"}, units: at("gone", 3, 3, 3), want: at("a", 3),
		},
		"a zone that is named twice is one": {
			steps: 3, domains: []string{"a", "a"}, want: at("a", 3, 2),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []ladder.Place
			for _, next := range ladder.Places(tc.steps, len(tc.want), tc.domains, tc.units) {
				got = append(got, next.Place)
			}
			require.Equal(t, tc.want, got)
		})
	}
	ranks := map[ladder.Place]int{}
	for _, next := range ladder.Places(2, 3, []string{"a", "b"}, at("a", 2)) {
		ranks[next.Place] = next.Rank
	}
	require.Equal(t, map[ladder.Place]int{{Domain: "b", Step: 2}: 0, {Domain: "a", Step: 1}: 1, {Domain: "b", Step: 1}: 1}, ranks,
		"as many come before each as its domain has by then")
	require.Empty(t, ladder.Places(0, 3, nil, nil), "no steps, no places")
	require.Empty(t, ladder.Places(3, -1, nil, nil))
}

// cluster has units in zones, which somebody takes as kube-scheduler does, and which come back where Places says.
type cluster struct {
	steps   int
	domains []string
	wanted  int
	units   []ladder.Place
}

func drawCluster(t *rapid.T) *cluster {
	c := &cluster{steps: rapid.IntRange(1, 12).Draw(t, "steps"), wanted: rapid.IntRange(0, 150).Draw(t, "units")}
	for i := range rapid.IntRange(1, 4).Draw(t, "zones") {
		c.domains = append(c.domains, fmt.Sprint("zone-", i))
	}
	c.refill()
	return c
}

func (c *cluster) refill() {
	for _, next := range ladder.Places(c.steps, c.wanted-len(c.units), c.domains, c.units) {
		c.units = append(c.units, next.Place)
	}
}

// preempt takes any of the units with the lowest step, as kube-scheduler does that looks at all nodes.
func (c *cluster) preempt(t *rapid.T) {
	lowest := slices.MinFunc(c.units, func(a, b ladder.Place) int { return a.Step - b.Step }).Step
	var candidates []int
	for i, u := range c.units {
		if u.Step == lowest {
			candidates = append(candidates, i)
		}
	}
	i := rapid.SampledFrom(candidates).Draw(t, "taken")
	c.units = slices.Delete(c.units, i, i+1)
}

// byDomain counts units: in each domain on each step (from step 1 on), and in all.
func (c *cluster) byDomain() (onSteps map[string][]int, all []int) {
	onSteps = map[string][]int{}
	for _, d := range c.domains {
		onSteps[d] = make([]int, c.steps)
	}
	for _, u := range c.units {
		onSteps[u.Domain][u.Step-1]++
	}
	for _, d := range c.domains {
		n := 0
		for _, count := range onSteps[d] {
			n += count
		}
		all = append(all, n)
	}
	return onSteps, all
}

// requireEven has every domain have its share of units, and each of its steps its share of those.
func (c *cluster) requireEven(t *rapid.T) {
	onSteps, all := c.byDomain()
	require.LessOrEqual(t, slices.Max(all)-slices.Min(all), 1, "over the zones")
	for domain, counts := range onSteps {
		require.LessOrEqual(t, slices.Max(counts)-slices.Min(counts), 1, "over the steps of %s", domain)
	}
}

func TestUnitsAreEvenOverZonesAndDistinctInEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		c.requireEven(t)
		onSteps, _ := c.byDomain()
		for domain, counts := range onSteps {
			require.True(t, slices.IsSorted(counts), "the first of %s stand highest", domain)
		}
	})
}

// TestStockPreemptionSpendsEvenly has units taken whatever choice among those of the lowest step kube-scheduler makes.
func TestStockPreemptionSpendsEvenly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		perZone := (c.wanted + len(c.domains) - 1) / len(c.domains)
		ofOneStep := (perZone + c.steps - 1) / c.steps
		for len(c.units) > 0 {
			_, all := c.byDomain()
			require.LessOrEqual(t, slices.Max(all)-slices.Min(all), ofOneStep+1, "with %d left", len(c.units))
			c.preempt(t)
		}
	})
}

// TestARefillMakesGoodWhateverWent has units go that nobody chose by their step, as with their node.
func TestARefillMakesGoodWhateverWent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for range rapid.IntRange(0, len(c.units)).Draw(t, "losses") {
				i := rapid.IntRange(0, len(c.units)-1).Draw(t, "lost")
				c.units = slices.Delete(c.units, i, i+1)
			}
			c.refill()
			require.Len(t, c.units, c.wanted)
			c.requireEven(t)
		}
	})
}

// TestUnitsOfOneRankMayBeBoundInAnyOrder plays a constraint with maxSkew 1, which lets a unit into its domain only if that has no more than
// one of the others.
func TestUnitsOfOneRankMayBeBoundInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		for range rapid.IntRange(0, len(c.units)).Draw(t, "losses") {
			i := rapid.IntRange(0, len(c.units)-1).Draw(t, "lost")
			c.units = slices.Delete(c.units, i, i+1)
		}
		_, all := c.byDomain()
		left := map[string]int{}
		for i, domain := range c.domains {
			left[domain] = all[i]
		}
		ranks, lowest := map[int][]ladder.Next{}, map[string]int{}
		last := 0
		for _, next := range ladder.Places(c.steps, c.wanted-len(c.units), c.domains, c.units) {
			require.GreaterOrEqual(t, next.Rank, last)
			if step, some := lowest[next.Domain]; some {
				require.LessOrEqual(t, next.Step, step, "a queue has the higher priority first")
			}
			lowest[next.Domain] = next.Step
			last = next.Rank
			ranks[last] = append(ranks[last], next)
		}
		for _, rank := range slices.Sorted(maps.Keys(ranks)) {
			for _, next := range rapid.Permutation(ranks[rank]).Draw(t, "order") {
				fewest := slices.Min(slices.Collect(maps.Values(left)))
				require.LessOrEqual(t, left[next.Domain], fewest, "of rank %d", rank)
				left[next.Domain]++
			}
		}
	})
}
