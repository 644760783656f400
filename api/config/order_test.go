package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

func TestRulesOfOneTierAreWeighedAgainstEachOther(t *testing.T) {
	args := &config.HeadroomArgs{TopologyKeys: []string{"rack", "zone"}, NodeRules: []config.NodeRule{
		{Name: config.RuleNearest, Tier: 1, Weight: 1}, {Name: config.RuleSpread, Tier: 3, Weight: 2}, {Name: config.RuleLeastWaste, Tier: 3, Weight: 5},
		{Name: config.RuleFewestEvictions, Tier: 4, Weight: 1}, {Name: config.RuleScore, Tier: 4, Weight: 7},
	}}
	require.Equal(t, evictionorder.Order{TopologyKeys: []string{"rack", "zone"}, Tiers: []evictionorder.Tier{
		{{Rule: evictionorder.NodeNearest, Weight: 1}},
		{{Rule: evictionorder.NodeSpread, Weight: 2}, {Rule: evictionorder.NodeLeastWaste, Weight: 5}},
		{{Rule: evictionorder.NodeFewestEvictions, Weight: 1}, {Rule: evictionorder.NodeScore, Weight: 7}},
	}}, args.Order())
	require.Equal(t, evictionorder.Order{}, (&config.HeadroomArgs{}).Order())
}

// TestTheNamesOfTheRulesAreInTheDefaultOrder, which each of them has a place in.
func TestTheNamesOfTheRulesAreInTheDefaultOrder(t *testing.T) {
	require.Equal(t, []string{"Nearest", "Spread", "LeastWaste", "FewestEvictions", "Score"}, config.RuleNames())
	args := &config.HeadroomArgs{}
	for i, name := range config.RuleNames() {
		args.NodeRules = append(args.NodeRules, config.NodeRule{Name: name, Tier: int32(i + 1), Weight: 1})
	}
	require.Equal(t, evictionorder.DefaultOrder().Tiers, args.Order().Tiers)
}
