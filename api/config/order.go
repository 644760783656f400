package config

import "github.com/headroom-dev/headroom/pkg/evictionorder"

// Names of node rules in configuration files.
const (
	RuleNearest         = "Nearest"
	RuleSpread          = "Spread"
	RuleLeastWaste      = "LeastWaste"
	RuleFewestEvictions = "FewestEvictions"
	RuleScore           = "Score"
)

// RuleNames returns the names of all node rules, in the default order.
func RuleNames() []string {
	return []string{RuleNearest, RuleSpread, RuleLeastWaste, RuleFewestEvictions, RuleScore}
}

var ruleOf = map[string]evictionorder.NodeRule{
	RuleNearest:         evictionorder.NodeNearest,
	RuleSpread:          evictionorder.NodeSpread,
	RuleLeastWaste:      evictionorder.NodeLeastWaste,
	RuleFewestEvictions: evictionorder.NodeFewestEvictions,
	RuleScore:           evictionorder.NodeScore,
}

// Order returns the order among nodes that the arguments ask for. The arguments must be valid.
func (a *HeadroomArgs) Order() evictionorder.Order {
	order := evictionorder.Order{TopologyKeys: a.TopologyKeys}
	for i, rule := range a.NodeRules {
		if i == 0 || rule.Tier != a.NodeRules[i-1].Tier {
			order.Tiers = append(order.Tiers, nil)
		}
		last := &order.Tiers[len(order.Tiers)-1]
		*last = append(*last, evictionorder.Weighted{Rule: ruleOf[rule.Name], Weight: int64(rule.Weight)})
	}
	return order
}
