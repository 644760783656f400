package headroom

import (
	"slices"

	corev1helpers "k8s.io/component-helpers/scheduling/corev1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// makeRoomForNominated chooses the victims anew on nodes that other pods of at least the consumer's priority are nominated to,
// as Filter plugins count these in, and reports whether anything changed. Nominations are rare, and looking them up on every node
// in every cycle is not free, so only nodes that are among the best without them are looked at.
func (ch *choice) makeRoomForNominated(nodes []int) (changed bool) {
	for _, i := range nodes {
		if ch.nominated[i] != nil {
			continue
		}
		if requested, some := ch.withNominated(&ch.nodes[i]); some {
			ch.setNominated(i, ch.repick(&ch.nodes[i], requested))
			changed = true
		}
	}
	return changed
}

// contest adds those of the free nodes to the ones in question whose room is for pods that are nominated to them, if placeholders
// there would make room for the consumer as well.
func (ch *choice) contest(free []int) {
	for _, i := range free {
		node := &ch.nodes[i]
		if len(node.Placeholders) == 0 {
			continue
		}
		requested, some := ch.withNominated(node)
		if !some {
			continue
		}
		if found := ch.repick(node, requested); len(found.victims) > 0 {
			ch.setNominated(i, found)
			ch.held = append(ch.held, i)
		}
	}
}

func (ch *choice) setNominated(node int, found *candidate) {
	if ch.nominated == nil {
		ch.nominated = map[int]*candidate{}
	}
	ch.nominated[node] = found
}

// withNominated returns what is requested on a node, nominated pods included, and whether there are any.
func (ch *choice) withNominated(node *inventory.Node) (requested evictionorder.Resources, some bool) {
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

// repick returns a node's candidate for other requests, one without victims if none make the room.
func (ch *choice) repick(node *inventory.Node, requested evictionorder.Resources) *candidate {
	s, found := &ch.plugin.scratch, &candidate{}
	s.shortfall = ch.consumer.shortfall(s.shortfall, requested, node)
	if ch.plugin.choose(ch.consumer, node, found) {
		ch.plugin.weigh(found, node)
		found.evidence.Distance = ch.anchors.Distance(node.Info.Node().Labels)
	}
	return found
}
