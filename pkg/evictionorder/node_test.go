package evictionorder

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func zones(value string) []Domain {
	return []Domain{{Key: "topology.kubernetes.io/zone", Value: value, Headroom: "ns/web"}}
}

// TestNodeRules has one test for each rule of the default order, by its number. In each, all later rules say the opposite.
func TestNodeRules(t *testing.T) {
	tests := []struct {
		name          string
		first, second Node
		want          string
	}{
		{
			name:   "0: a node that needs no eviction wins over one that does",
			first:  Node{Name: "y", Distance: 3, Score: 1},
			second: Node{Name: "x", Left: []int{5}, Evictions: 1, Score: 9},
			want:   "rule 0 Free: y needs no eviction, x needs 1",
		},
		{
			name:   "0: among nodes that need none, only the score counts",
			first:  Node{Name: "y", Distance: 3, Score: 9},
			second: Node{Name: "x", Distance: 0, Score: 1},
			want:   "rule 5 Score: y has 9, x has 1",
		},
		{
			name:   "1: smallest distance",
			first:  Node{Name: "y", Distance: 1, Left: []int{0}, Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Distance: 3, Left: []int{5}, Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 1 Nearest: y is in the same zone, x is elsewhere",
		},
		{
			name:   "1: the farthest key is nearer than elsewhere",
			first:  Node{Name: "y", Distance: 2, Left: []int{0}, Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Distance: 3, Left: []int{5}, Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 1 Nearest: y is in the same region, x is elsewhere",
		},
		{
			name:   "1: the nearest key is the first",
			first:  Node{Name: "y", Distance: 0, Left: []int{0}, Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Distance: 1, Left: []int{5}, Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 1 Nearest: y is in the same hostname, x is in the same zone",
		},
		{
			name:   "2: most units left",
			first:  Node{Name: "y", Left: []int{4}, Domains: zones("a"), Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Left: []int{2}, Domains: zones("b"), Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 2 Spread: zone a has 4 units of ns/web left, zone b has 2",
		},
		{
			name:   "2: the next key counts when the first is even",
			first:  Node{Name: "y", Left: []int{4, 1}, Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Left: []int{4, 0}, Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 2 Spread: y has 1 units left, x has 0",
		},
		{
			name:   "2: the last key counts when all before are even",
			first:  Node{Name: "y", Left: []int{4, 1, 3}, Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Left: []int{4, 1, 2}, Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 2 Spread: y has 3 units left, x has 2",
		},
		{
			name:   "2: no loss by a further key is best where the others are even",
			first:  Node{Name: "y", Left: []int{4}, Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Left: []int{4, 9}, Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 2 Spread: y takes nothing that counts here, x has 9 units left",
		},
		{
			name:   "2: no loss at all is best",
			first:  Node{Name: "y", Waste: 9, Evictions: 2, Score: 1},
			second: Node{Name: "x", Left: []int{9}, Domains: zones("b"), Waste: 1, Evictions: 1, Score: 9},
			want:   "rule 2 Spread: y takes nothing that counts here, zone b has 9 units of ns/web left",
		},
		{
			name:   "3: least waste",
			first:  Node{Name: "y", Waste: 10_000, Evictions: 2, Score: 1},
			second: Node{Name: "x", Waste: 10_001, Evictions: 1, Score: 9},
			want:   "rule 3 LeastWaste: y wastes 1% of its size, x 1.0001%",
		},
		{
			name:   "4: fewest evictions",
			first:  Node{Name: "y", Evictions: 1, Score: 1},
			second: Node{Name: "x", Evictions: 2, Score: 9},
			want:   "rule 4 FewestEvictions: y needs 1, x needs 2",
		},
		{
			name:   "4: fewer of many evictions",
			first:  Node{Name: "y", Evictions: 11, Score: 1},
			second: Node{Name: "x", Evictions: 12, Score: 9},
			want:   "rule 4 FewestEvictions: y needs 11, x needs 12",
		},
		{
			name:   "5: highest score",
			first:  Node{Name: "y", Evictions: 1, Score: 9},
			second: Node{Name: "x", Evictions: 1, Score: 1},
			want:   "rule 5 Score: y has 9, x has 1",
		},
		{
			name:   "6: lower name",
			first:  Node{Name: "x", Evictions: 1},
			second: Node{Name: "y", Evictions: 1},
			want:   "rule 6 Name: x comes before y",
		},
	}
	order := DefaultOrder()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Negative(t, order.Compare(tt.first, tt.second))
			require.Positive(t, order.Compare(tt.second, tt.first))
			require.Equal(t, tt.want, order.Explain(tt.first, tt.second).String())
			require.Equal(t, tt.want, order.Explain(tt.second, tt.first).String(), "whichever is asked about first")
		})
	}
}

func TestExplainNamesADomainWithoutAValue(t *testing.T) {
	a := Node{Name: "x", Evictions: 1, Left: []int{4}, Domains: zones("")}
	b := Node{Name: "y", Evictions: 1, Left: []int{2}, Domains: []Domain{{Key: "kubernetes.io/hostname", Value: "y", Headroom: "ns/ci"}}}
	require.Equal(t, "rule 2 Spread: x without a zone has 4 units of ns/web left, hostname y has 2 units of ns/ci",
		DefaultOrder().Explain(a, b).String())
}

func TestExplainNamesTheHeadroomOfTheUnitsThatDiffer(t *testing.T) {
	in := func(zone string) []Domain {
		const key = "topology.kubernetes.io/zone"
		return []Domain{{Key: key, Value: zone, Headroom: "ns/web"}, {Key: key, Value: zone, Headroom: "ns/ci"}}
	}
	a := Node{Name: "x", Evictions: 2, Left: []int{2, 4}, Domains: in("a")}
	b := Node{Name: "y", Evictions: 2, Left: []int{2, 3}, Domains: in("b")}
	require.Equal(t, "rule 2 Spread: zone a has 4 units of ns/ci left, zone b has 3", DefaultOrder().Explain(a, b).String())
}

func TestExplainNamesTheDomainOfTheUnitsThatDiffer(t *testing.T) {
	in := func(zone, host string) []Domain {
		return []Domain{
			{Key: "topology.kubernetes.io/zone", Value: zone, Headroom: "ns/web"}, {Key: "kubernetes.io/hostname", Value: host, Headroom: "ns/web"},
		}
	}
	a := Node{Name: "x", Evictions: 2, Left: []int{2, 4}, Domains: in("a", "x")}
	b := Node{Name: "y", Evictions: 2, Left: []int{2, 3}, Domains: in("b", "y")}
	require.Equal(t, "rule 2 Spread: hostname x has 4 units of ns/web left, hostname y has 3", DefaultOrder().Explain(a, b).String())
}

func TestRulesCanBeReorderedAndLeftOut(t *testing.T) {
	order := Order{Tiers: []Tier{{{Rule: NodeFewestEvictions, Weight: 1}}, {{Rule: NodeNearest, Weight: 1}}}}
	near := Node{Name: "near", Distance: 0, Evictions: 2, Waste: 1}
	cheap := Node{Name: "cheap", Distance: 3, Evictions: 1, Waste: 9}
	require.Positive(t, order.Compare(near, cheap))
	require.Equal(t, "rule 4 FewestEvictions: cheap needs 1, near needs 2", order.Explain(near, cheap).String())

	cheap.Evictions, cheap.Distance = 2, 0
	require.Equal(t, "rule 6 Name: cheap comes before near", order.Explain(near, cheap).String(), "waste is left out")
}

func TestWeighedRulesTradeOneForAnother(t *testing.T) {
	// One step of distance is worth 10 percent of a node.
	order := Order{Tiers: []Tier{{{Rule: NodeNearest, Weight: 10}, {Rule: NodeLeastWaste, Weight: 1}}}}
	near := func(waste int64) Node { return Node{Name: "near", Distance: 0, Evictions: 1, Waste: waste} }
	far := func(waste int64) Node { return Node{Name: "far", Distance: 1, Evictions: 1, Waste: waste} }

	require.Negative(t, order.Compare(near(109_999), far(10_000)), "10.9999 < 10+1")
	require.Positive(t, order.Compare(near(110_001), far(10_000)), "11.0001 > 10+1")
	require.Equal(t, "rule 1 Nearest+LeastWaste: far costs 11.0000, near 11.0001", order.Explain(near(110_001), far(10_000)).String())
	require.Equal(t, "rule 6 Name: far comes before near", order.Explain(near(110_000), far(10_000)).String())
}

func TestWeighedSpreadCountsUnitsLeftAtTheFirstKey(t *testing.T) {
	order := Order{Tiers: []Tier{{{Rule: NodeSpread, Weight: 2}, {Rule: NodeFewestEvictions, Weight: 3}}}}
	a := Node{Name: "a", Evictions: 2, Left: []int{5, 0}} // (100-5)*2 + 2*3 = 196
	b := Node{Name: "b", Evictions: 1, Left: []int{3, 9}} // (100-3)*2 + 1*3 = 197
	require.Equal(t, "rule 2 Spread+FewestEvictions: a costs 196.0000, b 197.0000", order.Explain(a, b).String())

	many := Node{Name: "many", Evictions: 1, Left: []int{5000}}
	none := Node{Name: "none", Evictions: 1}
	require.Equal(t, "Name", order.Explain(many, none).Rule, "beyond the cap, more is no better")
}

func TestEveryRuleOfATierIsWeighed(t *testing.T) {
	for name, tt := range map[string]struct {
		rule          NodeRule
		first, second Node
		want          string
	}{
		"each step of distance costs one": {
			NodeNearest, Node{Name: "y", Distance: 1}, Node{Name: "x", Distance: 3}, "y costs 3.0000, x 9.0000",
		},
		"each unit fewer left costs one": {
			NodeSpread, Node{Name: "y", Left: []int{97}}, Node{Name: "x", Left: []int{90}}, "y costs 9.0000, x 30.0000",
		},
		"no loss costs nothing": {NodeSpread, Node{Name: "y"}, Node{Name: "x", Left: []int{99}}, "y costs 0.0000, x 3.0000"},
		"each percent of the node costs one, a fraction of one its fraction": {
			NodeLeastWaste, Node{Name: "y", Waste: 15_000}, Node{Name: "x", Waste: 20_000}, "y costs 4.5000, x 6.0000",
		},
		"more than the whole node costs more": {
			NodeLeastWaste, Node{Name: "y", Waste: million}, Node{Name: "x", Waste: 2 * million}, "y costs 300.0000, x 600.0000",
		},
		"what no number holds costs a hundred nodes": {
			NodeLeastWaste, Node{Name: "y", Waste: million}, Node{Name: "x", Waste: math.MaxInt64}, "y costs 300.0000, x 30000.0000",
		},
		"each eviction costs one": {NodeFewestEvictions, Node{Name: "y"}, Node{Name: "x", Evictions: 2}, "y costs 0.0000, x 6.0000"},
		"each point of score saves one": {
			NodeScore, Node{Name: "y", Score: 9}, Node{Name: "x", Score: 2}, "y costs -27.0000, x -6.0000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			other := NodeNearest // Both nodes are as near, so that it weighs nothing, unless it is the rule that is asked about.
			if tt.rule == NodeNearest {
				other = NodeScore
			}
			tier := Tier{{Rule: other, Weight: 7}, {Rule: tt.rule, Weight: 3}}
			require.Negative(t, tier.compare(&tt.first, &tt.second))
			require.Positive(t, tier.compare(&tt.second, &tt.first))
			require.Equal(t, tt.want, tier.text(&tt.first, &tt.second))
		})
	}
}

func TestNodesTieWhereOnlyScoreAndNameDiffer(t *testing.T) {
	node := func() Node {
		return Node{Name: "x", Distance: 1, Left: []int{3, 2}, Domains: zones("a"), Waste: 5, Evictions: 2, Score: 7}
	}
	for name, tt := range map[string]struct {
		change func(*Node)
		want   bool
	}{
		"nothing":                  {func(*Node) {}, true},
		"score and name":           {func(n *Node) { n.Name, n.Score = "y", 9 }, true},
		"the names of the domains": {func(n *Node) { n.Domains = zones("b") }, true},
		"distance":                 {func(n *Node) { n.Distance = 2 }, false},
		"waste":                    {func(n *Node) { n.Waste = 6 }, false},
		"evictions":                {func(n *Node) { n.Evictions = 3 }, false},
		"units left":               {func(n *Node) { n.Left = []int{3, 1} }, false},
		"keys by which some go":    {func(n *Node) { n.Left = []int{3} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			one, other := node(), node()
			tt.change(&other)
			require.Equal(t, tt.want, one.Ties(&other))
			require.Equal(t, tt.want, other.Ties(&one))
		})
	}
}

func TestRulesThatAreNoneAreNamedByTheirNumber(t *testing.T) {
	require.Equal(t, "NodeRule(9)", NodeRule(9).String())
	require.Equal(t, "VictimRule(9)", VictimRule(9).String())
}

func nodes(t *rapid.T) []Node {
	few := rapid.Int64Range(0, 2)
	drawn := make([]Node, rapid.IntRange(0, 6).Draw(t, "count"))
	for i := range drawn {
		drawn[i] = Node{
			Name:      string(rune('a' + i)),
			Distance:  int(few.Draw(t, "distance")),
			Left:      rapid.SliceOfN(rapid.IntRange(0, 2), 0, 2).Draw(t, "left"),
			Waste:     few.Draw(t, "waste") * unit,
			Evictions: int(few.Draw(t, "evictions")),
			Score:     few.Draw(t, "score"),
		}
	}
	return drawn
}

func TestEveryOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.Permutation([]NodeRule{NodeNearest, NodeSpread, NodeLeastWaste, NodeFewestEvictions, NodeScore}).Draw(t, "rules")
		order := Order{Tiers: []Tier{{}}}
		for _, rule := range rules[:rapid.IntRange(1, len(rules)).Draw(t, "listed")] {
			last := len(order.Tiers) - 1
			if len(order.Tiers[last]) > 0 && rapid.Bool().Draw(t, "new tier") {
				order.Tiers = append(order.Tiers, Tier{})
				last++
			}
			weight := rapid.Int64Range(1, 3).Draw(t, "weight")
			order.Tiers[last] = append(order.Tiers[last], Weighted{Rule: rule, Weight: weight})
		}
		drawn := nodes(t)
		requireTotalOrder(t, drawn, order.Compare)
		if len(drawn) > 0 {
			best := slices.MinFunc(drawn, order.Compare)
			free := slices.ContainsFunc(drawn, func(n Node) bool { return n.Evictions == 0 })
			require.Equal(t, free, best.Evictions == 0, "a free node wins in every order")
		}
	})
}

func TestExplainAgreesWithCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := DefaultOrder()
		drawn := nodes(t)
		for _, a := range drawn {
			for _, b := range drawn {
				if a.Name == b.Name {
					continue
				}
				explanation := order.Explain(a, b)
				rule := NodeRule(explanation.Number)
				require.Equal(t, sign(order.Compare(a, b)), sign(rule.compare(&a, &b)), explanation.String())
				require.Equal(t, rule.String(), explanation.Rule)
			}
		}
	})
}
