package headroom

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// survey is what the resources of all nodes say about one consumer: where it fits as it is, and where it would fit if
// placeholders went, as indices of nodes. Nodes of which it is known that Filter plugins reject them are left out.
type survey struct {
	free []int
	held []int
	// candidates is on how many nodes placeholders would make the room, rejected ones included.
	candidates int
}

// candidate is a node on which the consumer would fit if placeholders went. Its evidence has no name, so that nodes that are
// equal by the rules compare as equal.
type candidate struct {
	evidence evictionorder.Node
	// victims are the placeholders that go; Index is one into the node's Held.
	victims []evictionorder.Placeholder
}

// scratch is memory that is used again from cycle to cycle.
type scratch struct {
	memo      memo
	survey    survey
	shortfall evictionorder.Resources
	evicted   evictionorder.Resources
	takeable  []evictionorder.Placeholder
	units     []int
	remaining []int
	ties      []int
	raw       []fwk.PluginScore
}

// survey looks at all nodes. The result is valid until the next survey.
func (p *Plugin) survey(c *consumer, m *memo) *survey {
	s := &p.scratch.survey
	s.free, s.held, s.candidates = s.free[:0], s.held[:0], 0
	nodes := p.shared.inventory.Nodes()
	for i := range nodes {
		node, k := &nodes[i], &m.nodes[i]
		if k.revision != node.Revision {
			p.look(c, node, k)
		}
		switch {
		case k.standing == held:
			s.candidates++
			if k.verdict != unsuitable {
				p.weigh(&k.candidate, node)
				s.held = append(s.held, i)
			}
		case k.standing == free && k.verdict != unsuitable:
			s.free = append(s.free, i)
		}
	}
	return s
}

// look finds out what the resources of a node mean for the consumer.
func (p *Plugin) look(c *consumer, node *inventory.Node, k *known) {
	k.revision, k.standing, k.verdict, k.raw = node.Revision, short, unasked, 0
	s := &p.scratch
	s.shortfall = c.shortfall(s.shortfall, node.Requested, node)
	switch {
	case nothing(s.shortfall):
		k.standing = free
	case len(node.Placeholders) > 0 && p.choose(c, node, &k.candidate):
		k.standing = held
	}
}

func nothing(shortfall evictionorder.Resources) bool {
	for _, short := range shortfall {
		if short > 0 {
			return false
		}
	}
	return true
}

// choose picks the victims on a node for the shortfall in scratch, and gathers what depends on them and the node alone.
func (p *Plugin) choose(c *consumer, node *inventory.Node, found *candidate) bool {
	s := &p.scratch
	s.takeable = c.takeable(s.takeable, node)
	victims, ok := evictionorder.Pick(s.takeable, s.shortfall, node.Allocatable)
	if !ok || len(victims) == 0 {
		return false
	}
	s.evicted = evictionorder.Evicted(s.evicted, victims)
	found.evidence.Evictions = len(victims)
	found.evidence.Waste = evictionorder.Waste(s.evicted, s.shortfall, node.Allocatable)
	found.victims = append(found.victims[:0], victims...)
	return true
}

// weigh gathers what depends on the rest of the cluster, but for the distance to anchors.
func (p *Plugin) weigh(found *candidate, node *inventory.Node) {
	s := &p.scratch
	found.evidence.Left = evictionorder.Left(found.evidence.Left, found.victims, func(headroom int) []int {
		s.units = p.shared.inventory.Units(s.units, node, headroom)
		return s.units
	})
	found.evidence.Distance, found.evidence.Score = 0, 0
}

// pods returns the victims of a candidate.
func (c *candidate) pods(node *inventory.Node) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(c.victims))
	for i := range c.victims {
		pods = append(pods, node.Placeholders[c.victims[i].Index].Pod)
	}
	return pods
}
