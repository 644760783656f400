package evictionorder

import (
	"fmt"
	"strconv"
	"strings"
)

// Explanation says why one of two goes before the other.
type Explanation struct {
	// Kind is "rule" among nodes and "victim rule" among placeholders.
	Kind string
	// Number is the rule's number in the package documentation, and of the first rule in a weighed tier.
	Number int
	// Rule is the rule's name, and the names joined by "+" for a weighed tier.
	Rule string
	// Text is the evidence, the one that goes first named first.
	Text string
}

// String is the explanation as events, logs and tools print it.
func (e Explanation) String() string {
	return fmt.Sprintf("%s %d %s: %s", e.Kind, e.Number, e.Rule, e.Text)
}

// Explain names the rule that puts one of two nodes first, and says why in terms of the one that goes first.
func (o Order) Explain(a, b Node) Explanation {
	tier, order := o.decide(&a, &b)
	if order > 0 {
		a, b = b, a
	}
	first := tier[0].Rule
	if len(tier) > 1 {
		return Explanation{Kind: "rule", Number: int(first), Rule: tier.names(), Text: tier.text(&a, &b)}
	}
	return Explanation{Kind: "rule", Number: int(first), Rule: first.String(), Text: o.text(first, &a, &b)}
}

func (t Tier) names() string {
	names := make([]string, 0, len(t))
	for _, w := range t {
		names = append(names, w.Rule.String())
	}
	return strings.Join(names, "+")
}

func (t Tier) text(a, b *Node) string {
	return fmt.Sprintf("%s costs %.4f, %s %.4f", a.Name, float64(t.cost(a))/unit, b.Name, float64(t.cost(b))/unit)
}

// text says why the rule puts a before b.
func (o Order) text(rule NodeRule, a, b *Node) string {
	switch rule {
	case NodeFree:
		return fmt.Sprintf("%s needs no eviction, %s needs %d", a.Name, b.Name, b.Evictions)
	case NodeNearest:
		return fmt.Sprintf("%s is %s, %s is %s", a.Name, o.distance(a.Distance), b.Name, o.distance(b.Distance))
	case NodeSpread:
		return spreadText(a, b)
	case NodeLeastWaste:
		return fmt.Sprintf("%s wastes %s of its size, %s %s", a.Name, percent(a.Waste), b.Name, percent(b.Waste))
	case NodeFewestEvictions:
		return fmt.Sprintf("%s needs %d, %s needs %d", a.Name, a.Evictions, b.Name, b.Evictions)
	case NodeScore:
		return fmt.Sprintf("%s has %d, %s has %d", a.Name, a.Score, b.Name, b.Score)
	default:
		return fmt.Sprintf("%s comes before %s", a.Name, b.Name)
	}
}

// distance words a Node.Distance.
func (o Order) distance(distance int) string {
	if distance >= len(o.TopologyKeys) {
		return "elsewhere"
	}
	return "in the same " + shortKey(o.TopologyKeys[distance])
}

// spreadText words the first entry of Left that differs, for example "zone a has 4 units of ns/web left, zone b has 2".
func spreadText(a, b *Node) string {
	i := firstDifference(a.Left, b.Left)
	second := fmt.Sprintf("%s has %d", b.where(i), b.Left[i])
	if i == len(a.Left) {
		return fmt.Sprintf("%s takes nothing that counts here, %s%s left", a.Name, second, b.units(i))
	}
	text := fmt.Sprintf("%s has %d%s left, %s", a.where(i), a.Left[i], a.units(i), second)
	if a.units(i) != b.units(i) {
		text += b.units(i)
	}
	return text
}

// where names the domain that entry i of Left is about.
func (n *Node) where(i int) string {
	if i >= len(n.Domains) {
		return n.Name
	}
	key := shortKey(n.Domains[i].Key)
	if n.Domains[i].Value == "" {
		return n.Name + " without a " + key
	}
	return key + " " + n.Domains[i].Value
}

// units names, after a space, what entry i of Left counts.
func (n *Node) units(i int) string {
	if i >= len(n.Domains) {
		return " units"
	}
	return " units of " + n.Domains[i].Headroom
}

// shortKey is the part of a label key that people say: zone for topology.kubernetes.io/zone.
func shortKey(key string) string {
	return key[strings.LastIndex(key, "/")+1:]
}

// percent words a share in millionths.
func percent(share int64) string {
	return strconv.FormatFloat(float64(share)/unit, 'f', -1, 64) + "%"
}
