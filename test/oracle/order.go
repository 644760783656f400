package oracle

import (
	"cmp"
	"slices"
)

// shortfall is what the consumer lacks on a node as it is: for each resource it requests, what it needs beyond what is
// left, and the same for the number of pods.
type shortfall struct {
	amounts Amounts
	pods    int64
}

func (c *Cluster) shortfall(node Node) shortfall {
	used, count := Amounts{}, int64(0)
	for _, p := range c.Pods {
		if p.Node == node.Name {
			used = used.plus(p.Size)
			count++
		}
	}
	short := func(want, used, size int64) int64 {
		if want == 0 {
			return 0 // a resource that is not asked for is never short
		}
		return max(0, want+used-size)
	}
	want := c.Consumer.Size
	return shortfall{
		amounts: Amounts{
			CPU:    short(want.CPU, used.CPU, node.Size.CPU),
			Memory: short(want.Memory, used.Memory, node.Size.Memory),
			GPU:    short(want.GPU, used.GPU, node.Size.GPU),
		},
		pods: short(1, count, node.Pods),
	}
}

// coveredBy reports whether the victims make up for the shortfall.
func (s shortfall) coveredBy(victims []Pod) bool {
	freed := sum(victims)
	return freed.CPU >= s.amounts.CPU && freed.Memory >= s.amounts.Memory && freed.GPU >= s.amounts.GPU && int64(len(victims)) >= s.pods
}

// waste is what the victims free beyond the shortfall: the largest share of the node, in millionths rounded up.
func (s shortfall) waste(victims []Pod, node Node) int64 {
	worst := int64(0)
	freed, missing, size := sum(victims).each(), s.amounts.each(), node.Size.each()
	for i := range freed {
		if surplus := freed[i] - missing[i]; surplus > 0 && size[i] > 0 {
			worst = max(worst, (surplus*1_000_000+size[i]-1)/size[i])
		}
	}
	return worst
}

func sum(pods []Pod) Amounts {
	total := Amounts{}
	for _, p := range pods {
		total = total.plus(p.Size)
	}
	return total
}

// critical is the lowest priority of pods that no Headroom keeps waiting.
const critical = 2_000_000_000

// neverWaits reports whether no Headroom keeps the consumer waiting. One that never preempts takes only what is open to such pods.
func (c *Cluster) neverWaits() bool { return c.Consumer.Priority >= critical && !c.Consumer.Never }

// reach is which placeholders of lower priority the consumer may take.
type reach int

// Those of Headrooms that entitle it, or all, or of all only those that kube-scheduler's preemption would take.
const (
	ownOnly reach = iota
	everybodys
	preemptible
)

// takeable reports whether the consumer may take the pod: a placeholder of lower priority, and one whose Headroom entitles it if only these are
// within reach. A reserved one goes to a pod that its Headroom names whatever their priorities, and to nobody else but those that never wait.
func (c *Cluster) takeable(p Pod, within reach) bool {
	if p.Headroom < 0 || p.Stray || c.Consumer.Headroom >= 0 {
		return false
	}
	h := c.Headrooms[p.Headroom]
	named := c.entitles(h) && h.Consumers.name()
	switch {
	case p.Reserved && named && within != preemptible:
		return true // whatever its priority
	case c.Consumer.Priority <= p.Priority:
		return false
	case c.entitles(h):
		return true
	default:
		return within != ownOnly && (!p.Reserved || c.neverWaits())
	}
}

// kinship ranks the Headroom of a placeholder by what it is to the consumer: one that names it, one that is open to all, one that excludes it.
func (c *Cluster) kinship(p Pod) int {
	h := c.Headrooms[p.Headroom]
	switch {
	case !c.entitles(h):
		return 2
	case h.Consumers.name():
		return 0
	default:
		return 1
	}
}

// entitles reports whether the Headroom's consumers entitle the consumer.
func (c *Cluster) entitles(h Headroom) bool {
	rule := h.Consumers
	if c.Consumer.Never && (rule == nil || !rule.Polite) {
		return false
	}
	if rule == nil {
		return true
	}
	if rule.App != "" && rule.App != c.Consumer.App {
		return false
	}
	if rule.MinPriority != nil && c.Consumer.Priority < *rule.MinPriority {
		return false
	}
	switch rule.Namespaces {
	case "":
		return rule.App == "" || h.Namespace == c.Consumer.Namespace
	case "all":
		return true
	default:
		return c.Teams[c.Consumer.Namespace] == rule.Namespaces
	}
}

// victims says which placeholders of the node go, of those within reach, and whether the consumer fits then. None go if it fits as it is.
func (c *Cluster) victims(node Node, within reach) (victims []Pod, fits bool) {
	short := c.shortfall(node)
	if short.coveredBy(nil) {
		return nil, true
	}
	var candidates []Pod
	for _, p := range c.Pods {
		if p.Node == node.Name && c.takeable(p, within) {
			candidates = append(candidates, p)
		}
	}
	slices.SortFunc(candidates, func(a, b Pod) int { return c.compareVictims(a, b, short, node) })
	for len(victims) < len(candidates) && !short.coveredBy(victims) {
		victims = candidates[:len(victims)+1]
	}
	if !short.coveredBy(victims) {
		return nil, false
	}
	victims = slices.Clone(victims)
	for i := len(victims) - 1; i >= 0; i-- {
		without := slices.Delete(slices.Clone(victims), i, i+1)
		if short.coveredBy(without) {
			victims = without
		}
	}
	return victims, true
}

// compareVictims is the order among the placeholders of one node.
func (c *Cluster) compareVictims(a, b Pod, short shortfall, node Node) int {
	return cmp.Or(
		first(a.Terminating, b.Terminating),
		cmp.Compare(c.kinship(a), c.kinship(b)),
		cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(short.waste([]Pod{a}, node), short.waste([]Pod{b}, node)),
		cmp.Compare(b.Created, a.Created),
		cmp.Compare(a.UID, b.UID),
	)
}

func first(a, b bool) int {
	if a == b {
		return 0
	}
	if a {
		return -1
	}
	return 1
}

const (
	hostKey   = "kubernetes.io/hostname"
	zoneKey   = "topology.kubernetes.io/zone"
	regionKey = "topology.kubernetes.io/region"
)

// label is the node's value of a topology key.
func (n Node) label(key string) string {
	switch {
	case key == hostKey && !n.LacksHostLabel:
		return n.Name
	case key == zoneKey:
		return n.Zone
	case key == regionKey && n.Zone != "":
		return "region"
	}
	return ""
}

// spreadKeys are the topology keys over which the Headroom is to stay even.
func (h Headroom) spreadKeys() []string {
	if len(h.SpreadKeys) > 0 {
		return h.SpreadKeys
	}
	return []string{zoneKey, hostKey}
}

// left is what the Headrooms that lose units keep around the node: entry i is the least, over those Headrooms, of the
// units left in the node's domain of the Headroom's key i.
func (c *Cluster) left(node Node, victims []Pod) []int {
	var least []int
	for index, h := range c.Headrooms {
		lost := 0
		for _, v := range victims {
			if v.Headroom == index && !v.Terminating {
				lost++
			}
		}
		if lost == 0 {
			continue
		}
		for i, key := range h.spreadKeys() {
			stay := c.units(index, key, node.label(key)) - lost
			if i == len(least) {
				least = append(least, stay)
			}
			least[i] = min(least[i], stay)
		}
	}
	return least
}

// units counts the Headroom's bound and not terminating units in a topology domain.
func (c *Cluster) units(headroom int, key, domain string) int {
	count := 0
	for _, p := range c.Pods {
		if p.Headroom == headroom && !p.Stray && !p.Terminating && c.node(p.Node).label(key) == domain {
			count++
		}
	}
	return count
}

func (c *Cluster) node(name string) Node {
	return c.Nodes[slices.IndexFunc(c.Nodes, func(n Node) bool { return n.Name == name })]
}

// distance is how far the node is from the consumer's anchors.
func (c *Cluster) distance(node Node) int {
	keys := []string{hostKey, zoneKey, regionKey}
	anchors, exist := c.anchors()
	if !exist {
		return 0
	}
	for i, key := range keys {
		for _, anchor := range anchors {
			if value := node.label(key); value != "" && value == anchor.label(key) {
				return i
			}
		}
	}
	return len(keys)
}

// anchors are the nodes of the first kind of anchor that exists.
func (c *Cluster) anchors() (nodes []Node, exist bool) {
	for _, app := range []string{c.Consumer.Near, c.Consumer.AffinityApp} {
		if app == "" {
			continue
		}
		for _, p := range c.Pods {
			if p.App == app && p.Namespace == c.Consumer.Namespace {
				nodes = append(nodes, c.node(p.Node))
			}
		}
		if len(nodes) > 0 {
			return nodes, true
		}
	}
	if zone := c.Consumer.PreferZone; zone != "" {
		// The domain itself, which is no host.
		return []Node{{Zone: zone, LacksHostLabel: true}}, true
	}
	return nil, false
}
