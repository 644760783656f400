package headroom

import (
	"maps"

	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// proximity is what is known of one node for the distances from a pod's anchors.
type proximity struct {
	// revision of the node for which the rest holds, but for the distance.
	revision uint64
	// near says that a pod on the node is selected by the annotation of the pod.
	near   bool
	labels map[string]string
	// distance of the node, with these labels, from the anchors; good if measured.
	distance int
	measured bool
}

// measure fills in how far the nodes are from what the pod wants to be near to.
func (ch *choice) measure() {
	m, nodes := ch.memo, ch.nodes
	if ch.consumer.near == nil && ch.consumer.pod.Spec.Affinity == nil {
		return // nothing to be near to: most pods
	}
	m.lookForAnchors(ch.consumer, nodes)
	ch.anchors = m.anchors
	if ch.anchors == nil {
		var lasting bool
		ch.anchors, lasting = ch.plugin.anchors(ch.consumer, nodes, func(i int) bool { return m.nodes[i].proximity.near })
		if lasting {
			m.anchors = ch.anchors
		}
		m.forgetDistances()
	}
	if ch.anchors.None() {
		return
	}
	for _, i := range ch.held {
		p := &m.nodes[i].proximity
		if !p.measured {
			p.distance, p.measured = ch.anchors.Distance(p.labels), true
		}
		ch.candidate(i).evidence.Distance = p.distance
	}
}

// lookForAnchors finds out which nodes the consumer wants to be near to, and forgets what changed nodes make wrong: all anchors if a node
// begins or ceases to be one or has other labels, else no more than the node's own distance.
func (m *memo) lookForAnchors(c *consumer, nodes []inventory.Node) {
	for i := range nodes {
		node, p := &nodes[i], &m.nodes[i].proximity
		if p.revision == node.Revision {
			continue
		}
		near, labels := c.isNear(node), node.Info.Node().Labels
		moved := !maps.Equal(p.labels, labels)
		if near != p.near || near && moved {
			m.anchors = nil
		}
		p.measured = p.measured && !moved
		p.revision, p.near, p.labels = node.Revision, near, labels
	}
}

func (m *memo) forgetDistances() {
	for i := range m.nodes {
		m.nodes[i].proximity.measured = false
	}
}
