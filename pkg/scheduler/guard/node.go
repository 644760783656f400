package guard

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// spareSlots is how many pods more a node must be able to have before it gets a guard. The guard takes one, and pods that are bound to the
// node at the same moment, decided before anybody knew of the guard, must find theirs.
const spareSlots = 5

// Node is what matters of a node for a guard.
type Node struct {
	Name string
	// Hostname says that it has the label by which the guard's anti-affinity finds it.
	Hostname bool
	// Slots is how many pods more it may have.
	Slots int
}

// NodeOf returns what matters of a node of the snapshot.
func NodeOf(info fwk.NodeInfo) Node {
	node := info.Node()
	_, labeled := node.Labels[corev1.LabelHostname]
	return Node{Name: node.Name, Hostname: labeled, Slots: info.GetAllocatable().GetAllowedPodNumber() - len(info.GetPods())}
}

// unfit reports whether a node must have no guard, and why.
func (n Node) unfit() (why metrics.GuardResult, is bool) {
	switch {
	case !n.Hostname:
		return metrics.GuardNoHostname, true
	case n.Slots < spareSlots:
		return metrics.GuardNoSlot, true
	default:
		return "", false
	}
}

// Image returns the image for the guard of a swap with these victims, empty if the swap is to have none.
func Image(holes config.GuardHoles, victims []*corev1.Pod) string {
	for _, victim := range victims {
		if holes == config.GuardAll || holes == config.GuardReserved && placeholder.IsReserved(victim) {
			return victim.Spec.Containers[0].Image
		}
	}
	return ""
}
