package headroom

import (
	"slices"

	corev1helpers "k8s.io/component-helpers/scheduling/corev1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

// makeRoomForNominated chooses the victims anew on nodes that other pods of at least the consumer's priority are nominated to,
// as Filter plugins count these in, and says whether anything changed. Nominations are rare, and looking them up on every node
// in every cycle is not free, so only nodes that are among the best without them are looked at.
func (ch *choice) makeRoomForNominated(candidates []*candidate) (changed bool) {
	for _, c := range candidates {
		if c.nominations {
			continue
		}
		c.nominations = true
		if requested, some := ch.withNominated(c); some {
			ch.repick(c, requested)
			changed = true
		}
	}
	return changed
}

// withNominated returns what is requested on a candidate's node, nominated pods included, and whether there are any.
func (ch *choice) withNominated(c *candidate) (requested evictionorder.Resources, some bool) {
	node := &ch.nodes[c.node]
	for _, info := range ch.plugin.handle.NominatedPodsForNode(node.Name) {
		pod := info.GetPod()
		if pod.UID == ch.consumer.pod.UID || corev1helpers.PodPriority(pod) < ch.consumer.priority {
			continue
		}
		if !some {
			requested, some = slices.Clone(node.Requested), true
		}
		for i, amount := range ch.plugin.shared.inventory.Request(info.CalculateResource().Resource) {
			if i == len(requested) {
				requested = append(requested, 0)
			}
			requested[i] += amount
		}
	}
	return requested, some
}

// repick replaces the victims of a candidate, by none if there are not enough.
func (ch *choice) repick(c *candidate, requested evictionorder.Resources) {
	node, s := &ch.nodes[c.node], &ch.plugin.scratch
	s.shortfall = evictionorder.Shortfall(s.shortfall, ch.consumer.request, requested, node.Allocatable)
	found, ok := ch.plugin.candidate(ch.consumer, node, ch.anchors)
	if !ok {
		c.victims = nil
		return
	}
	c.evidence, c.victims = found.evidence, found.victims
}
