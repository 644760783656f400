package selection

import (
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// assessment is what the resources of all nodes say about one consumer: where it fits as it is, and where it would fit if
// placeholders went, as indices of nodes. Nodes of which it is known that Filter plugins reject them are left out.
type assessment struct {
	asIs          []int
	afterEviction []int
	// candidates is on how many nodes placeholders would make the room, rejected ones included.
	candidates int
}

// assess looks at all nodes. The result is valid until the next call.
func (s *Selector) assess(c *Consumer, cache *nodeCache) *assessment {
	found := &s.scratch.assessment
	found.asIs, found.afterEviction, found.candidates = found.asIs[:0], found.afterEviction[:0], 0
	nodes := s.Inventory.Nodes()
	for i := range nodes {
		node, known := &nodes[i], &cache.nodes[i]
		if known.revision != node.Revision {
			s.assessNode(known, c, node)
		}
		switch {
		case known.fit == afterEviction:
			found.candidates++
			if known.filtered != rejected {
				s.addSpread(&known.candidate.evidence, node, known.candidate.victims)
				known.candidate.evidence.Distance, known.candidate.evidence.Score = 0, 0
				found.afterEviction = append(found.afterEviction, i)
			}
		case known.fit == asIs && known.filtered != rejected:
			found.asIs = append(found.asIs, i)
		}
	}
	return found
}

// assessNode finds out what the resources of a node mean for the consumer.
func (s *Selector) assessNode(dst *nodeResult, c *Consumer, node *inventory.Node) {
	dst.revision, dst.fit, dst.filtered, dst.raw = node.Revision, never, notRun, 0
	shortfall := c.shortfall(s.scratch.shortfall, node.Requested, node)
	s.scratch.shortfall = shortfall
	switch {
	case nothing(shortfall):
		dst.fit = asIs
	case len(node.Placeholders) > 0 && s.pickVictims(&dst.candidate, c, node, shortfall):
		dst.fit = afterEviction
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
