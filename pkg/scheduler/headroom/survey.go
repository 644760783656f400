package headroom

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// survey is what the resources of all nodes say about one consumer: where it fits as it is, and where it would fit if
// placeholders went. It knows nothing of the other Filter plugins.
type survey struct {
	free       []int
	candidates []candidate
}

// candidate is a node on which the consumer would fit if placeholders went. Its evidence has no name, so that nodes that are
// equal by the rules compare as equal.
type candidate struct {
	node     int
	evidence evictionorder.Node
	// victims are indices into the node's Held.
	victims []int
	// nominations says that other pods' nominations to the node are taken into account.
	nominations bool
}

// impossible says that no victims make the room.
func (c *candidate) impossible() bool {
	return len(c.victims) == 0
}

// scratch is memory that is used again from cycle to cycle.
type scratch struct {
	survey    survey
	shortfall evictionorder.Resources
	evicted   evictionorder.Resources
	takeable  []evictionorder.Placeholder
	units     []int
	ints      []int
}

// survey looks at all nodes. The result is valid until the next survey.
func (p *Plugin) survey(c *consumer, anchors *nearness.Anchors) *survey {
	inv, s := p.shared.inventory, &p.scratch
	s.survey.free, s.survey.candidates, s.ints = s.survey.free[:0], s.survey.candidates[:0], s.ints[:0]
	nodes := inv.Nodes()
	for i := range nodes {
		node := &nodes[i]
		s.shortfall = evictionorder.Shortfall(s.shortfall, c.request, node.Requested, node.Allocatable)
		if nothing(s.shortfall) {
			s.survey.free = append(s.survey.free, i)
			continue
		}
		if len(node.Held) == 0 {
			continue
		}
		if found, ok := p.candidate(c, node, anchors); ok {
			found.node = i
			s.survey.candidates = append(s.survey.candidates, found)
		}
	}
	return &s.survey
}

func nothing(shortfall evictionorder.Resources) bool {
	for _, short := range shortfall {
		if short > 0 {
			return false
		}
	}
	return true
}

// candidate chooses the victims on a node for the shortfall in scratch, and gathers the evidence about them.
func (p *Plugin) candidate(c *consumer, node *inventory.Node, anchors *nearness.Anchors) (candidate, bool) {
	s := &p.scratch
	s.takeable = c.takeable(s.takeable, node)
	victims, ok := evictionorder.Pick(s.takeable, s.shortfall, node.Allocatable)
	if !ok || len(victims) == 0 {
		return candidate{}, false
	}
	found := candidate{}
	s.evicted = evictionorder.Evicted(s.evicted, victims)
	found.evidence.Evictions = len(victims)
	found.evidence.Waste = evictionorder.Waste(s.evicted, s.shortfall, node.Allocatable)
	if !anchors.None() {
		found.evidence.Distance = anchors.Distance(node.Info.Node().Labels)
	}
	start := len(s.ints)
	for i := range victims {
		s.ints = append(s.ints, victims[i].Index)
	}
	found.victims = s.ints[start:len(s.ints):len(s.ints)]
	start = len(s.ints)
	s.ints = appendLeft(s.ints, victims, func(headroom int) []int {
		s.units = p.shared.inventory.Units(s.units, node, headroom)
		return s.units
	})
	found.evidence.Left = s.ints[start:len(s.ints):len(s.ints)]
	return found, true
}

// appendLeft appends evictionorder.Left to dst.
func appendLeft(dst []int, victims []evictionorder.Placeholder, units func(headroom int) []int) []int {
	left := evictionorder.Left(dst[len(dst):], victims, units)
	return append(dst, left...)
}

// pods returns the victims of a candidate.
func (c *candidate) pods(nodes []inventory.Node) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(c.victims))
	for _, i := range c.victims {
		pods = append(pods, nodes[c.node].Held[i].Pod)
	}
	return pods
}
