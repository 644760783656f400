package selection

import (
	"slices"

	corev1helpers "k8s.io/component-helpers/scheduling/corev1"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/scheduler/inventory"
)

// makeRoomForNominated picks the victims anew on nodes that other pods of at least the consumer's priority are nominated to,
// as Filter plugins count these in, and reports whether anything changed. Nominations are rare, and looking them up on every node
// in every cycle is not free, so only nodes that are among the best without them are looked at.
func (ch *choice) makeRoomForNominated(nodes []int) (changed bool) {
	for _, i := range nodes {
		if ch.nominated[i] != nil {
			continue
		}
		if requested, some := ch.withNominated(&ch.nodes[i]); some {
			ch.setNominated(i, ch.pickForNominated(&ch.nodes[i], requested))
			changed = true
		}
	}
	return changed
}

// addNominatedNodes appends to candidates those of the free nodes whose free room is taken by nominated pods but where
// evicting placeholders would still fit the pod.
func (ch *choice) addNominatedNodes(candidates, free []int) []int {
	for _, i := range free {
		node := &ch.nodes[i]
		if len(node.Placeholders) == 0 {
			continue
		}
		requested, some := ch.withNominated(node)
		if !some {
			continue
		}
		if found := ch.pickForNominated(node, requested); len(found.victims) > 0 {
			ch.setNominated(i, found)
			candidates = append(candidates, i)
		}
	}
	return candidates
}

func (ch *choice) setNominated(node int, found *candidate) {
	if ch.nominated == nil {
		ch.nominated = map[int]*candidate{}
	}
	ch.nominated[node] = found
}

// withNominated returns what is requested on a node, nominated pods included, and whether there are any.
func (ch *choice) withNominated(node *inventory.Node) (requested evictionorder.Resources, some bool) {
	for _, info := range ch.selector.Handle.NominatedPodsForNode(node.Name) {
		pod := info.GetPod()
		if pod.UID == ch.consumer.Pod.UID || corev1helpers.PodPriority(pod) < ch.consumer.priority {
			continue
		}
		if !some {
			requested, some = slices.Clone(node.Requested), true
		}
		for i, amount := range ch.selector.Inventory.Request(info.CalculateResource().Resource) {
			if i == len(requested) {
				requested = append(requested, 0)
			}
			requested[i] += amount
		}
	}
	return requested, some
}

// pickForNominated returns a node's candidate for other requests, one without victims if none make the room.
func (ch *choice) pickForNominated(node *inventory.Node, requested evictionorder.Resources) *candidate {
	found := &candidate{}
	if ch.selector.pickVictims(found, ch.consumer, node, ch.consumer.shortfall(nil, requested, node)) {
		ch.selector.addSpread(&found.evidence, node, found.victims)
		found.evidence.Distance = ch.anchors.Distance(node.Info.Node().Labels)
	}
	return found
}
