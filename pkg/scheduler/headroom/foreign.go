package headroom

import (
	"slices"

	fwk "k8s.io/kube-scheduler/framework"
)

// withForeign returns a node of a dry run of preemption with the placeholders back on it that the dry run took away but that do
// not admit the pod: DefaultPreemption must gain nothing from them, or it would take what `consumers` denies.
func (p *Plugin) withForeign(c *consumer, info fwk.NodeInfo) fwk.NodeInfo {
	node := p.shared.inventory.Node(info.Node().Name)
	if node == nil {
		return info
	}
	var missing []fwk.PodInfo
	for i := range node.Held {
		held := &node.Held[i]
		entry := p.shared.inventory.Headrooms()[held.Evidence.Headroom].Entry
		if entry == nil || c.admission(held) != refused {
			continue
		}
		if !slices.ContainsFunc(info.GetPods(), func(other fwk.PodInfo) bool { return other.GetPod().UID == held.Pod.UID }) {
			missing = append(missing, held.Info)
		}
	}
	if len(missing) == 0 {
		return info
	}
	return with(info, missing)
}
