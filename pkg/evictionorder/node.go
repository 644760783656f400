package evictionorder

import (
	"cmp"
	"fmt"
	"slices"
)

// Node is the evidence about one node on which the pod fits after evictions, or as it is.
type Node struct {
	// Name of the node.
	Name string
	// Distance to the pod's anchors: the index of the first topology key whose domain the node shares with an anchor, the
	// number of keys if there is none, and 0 for all nodes if the pod has no anchors.
	Distance int
	// Left is what the losing Headrooms still have around the node, by Left. A missing entry counts as larger than any.
	Left []int
	// Domains name what the entries of Left are about. They are read by Explain only and may be missing.
	Domains []Domain
	// Waste is by Waste, of the requests of all victims.
	Waste int64
	// Evictions is the number of victims; 0 means that the pod fits as it is.
	Evictions int
	// Score is the weighted sum of the pod's own Score plugins; higher is better.
	Score int64
}

// Ties reports whether the evidence about two nodes is the same but for score and name, so that no other rule tells them apart.
func (n *Node) Ties(other *Node) bool {
	return n.Waste == other.Waste && n.Distance == other.Distance && n.Evictions == other.Evictions && slices.Equal(n.Left, other.Left)
}

// Domain names what an entry of Node.Left is about, for people to read.
type Domain struct {
	// Key is the topology key, for example topology.kubernetes.io/zone.
	Key string
	// Value is the node's value of the key, empty if it has none.
	Value string
	// Headroom is namespace/name of the Headroom that has so few units left.
	Headroom string
}

// NodeRule is a rule of the order among nodes.
type NodeRule int

// The node rules, by their number in the package documentation.
const (
	NodeFree NodeRule = iota
	NodeNearest
	NodeSpread
	NodeLeastWaste
	NodeFewestEvictions
	NodeScore
	NodeName
)

// String returns the rule's name in the package documentation.
func (r NodeRule) String() string {
	switch r {
	case NodeFree:
		return "Free"
	case NodeNearest:
		return "Nearest"
	case NodeSpread:
		return "Spread"
	case NodeLeastWaste:
		return "LeastWaste"
	case NodeFewestEvictions:
		return "FewestEvictions"
	case NodeScore:
		return "Score"
	case NodeName:
		return "Name"
	default:
		return fmt.Sprintf("NodeRule(%d)", int(r))
	}
}

// compare returns a negative number if the rule, alone, puts a before b.
func (r NodeRule) compare(a, b *Node) int {
	switch r {
	case NodeFree:
		return trueFirst(a.Evictions == 0, b.Evictions == 0)
	case NodeNearest:
		return cmp.Compare(a.Distance, b.Distance)
	case NodeSpread:
		return compareLeft(a.Left, b.Left)
	case NodeLeastWaste:
		return cmp.Compare(a.Waste, b.Waste)
	case NodeFewestEvictions:
		return cmp.Compare(a.Evictions, b.Evictions)
	case NodeScore:
		return cmp.Compare(b.Score, a.Score)
	default:
		return cmp.Compare(a.Name, b.Name)
	}
}

// compareLeft puts the one that leaves more first, entry by entry; a missing entry counts as larger.
func compareLeft(a, b []int) int {
	if i := firstDifference(a, b); i < min(len(a), len(b)) {
		return cmp.Compare(b[i], a[i])
	}
	return cmp.Compare(len(a), len(b))
}

// firstDifference returns the first index at which a and b differ, and the length of the shorter if there is none.
func firstDifference(a, b []int) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// Weighted is a rule and what one unit of it costs.
type Weighted struct {
	// Rule is one of NodeNearest, NodeSpread, NodeLeastWaste, NodeFewestEvictions and NodeScore.
	Rule NodeRule
	// Weight is the cost of one unit of the rule, at least 1: of one step of distance, one unit of headroom fewer left, one
	// percent of the node wasted, one more eviction, one point of score fewer. It has no effect on a rule alone in its tier.
	Weight int64
}

// Tier is one step of an Order. A tier of one rule is that rule as documented. The rules of a larger tier are weighed against
// each other: the node with the lower sum of weight times units goes first. There, spread counts the first entry of Left only,
// up to spreadCap units.
type Tier []Weighted

// Order is the order among nodes: each tier is asked in turn, until one tells the nodes apart.
type Order struct {
	// Tiers are asked after rule 0 and before rule 6.
	Tiers []Tier
	// TopologyKeys are what Node.Distance counts, nearest first. They are read by Explain only.
	TopologyKeys []string
}

// DefaultTopologyKeys returns the keys that distance is measured by unless told otherwise, nearest first.
func DefaultTopologyKeys() []string {
	return []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region"}
}

// DefaultOrder returns the published order: rules 1 to 5, each on its own.
func DefaultOrder() Order {
	order := Order{TopologyKeys: DefaultTopologyKeys()}
	for rule := NodeNearest; rule <= NodeScore; rule++ {
		order.Tiers = append(order.Tiers, Tier{{Rule: rule, Weight: 1}})
	}
	return order
}

// Compare returns a negative number if a goes before b, a positive one if b goes before a, and zero only for one name.
func (o Order) Compare(a, b Node) int {
	_, order := o.decide(&a, &b)
	return order
}

// decide returns the tier that tells a from b, and the order it puts them in.
func (o Order) decide(a, b *Node) (Tier, int) {
	if order := NodeFree.compare(a, b); order != 0 {
		return freeTier, order
	}
	tiers := o.Tiers
	if a.Evictions == 0 {
		tiers = scoreTiers
	}
	for _, tier := range tiers {
		if order := tier.compare(a, b); order != 0 {
			return tier, order
		}
	}
	return nameTier, NodeName.compare(a, b)
}

var (
	freeTier   = Tier{{Rule: NodeFree, Weight: 1}}
	scoreTiers = []Tier{{{Rule: NodeScore, Weight: 1}}}
	nameTier   = Tier{{Rule: NodeName, Weight: 1}}
)

func (t Tier) compare(a, b *Node) int {
	if len(t) == 1 {
		return t[0].Rule.compare(a, b)
	}
	return cmp.Compare(t.cost(a), t.cost(b))
}

const (
	// spreadCap is how many units left count in a weighed tier; to have more, or no loss at all, is no better.
	spreadCap = 100
	// unit is what one unit of a rule adds to a cost at weight 1: so many that a millionth of waste is still a whole number.
	unit = million / 100
)

// cost is what the node costs by the weighed rules of the tier, in units of 1/unit.
func (t Tier) cost(n *Node) int64 {
	sum := int64(0)
	for _, w := range t {
		sum += w.Weight * w.Rule.cost(n)
	}
	return sum
}

func (r NodeRule) cost(n *Node) int64 {
	switch r {
	case NodeNearest:
		return int64(n.Distance) * unit
	case NodeSpread:
		left := spreadCap
		if len(n.Left) > 0 {
			left = min(left, n.Left[0])
		}
		return int64(spreadCap-left) * unit
	case NodeLeastWaste:
		return min(n.Waste, 100*million)
	case NodeFewestEvictions:
		return int64(n.Evictions) * unit
	case NodeScore:
		return -n.Score * unit
	default:
		return 0
	}
}
