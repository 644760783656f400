package headroom

import (
	"slices"

	fwk "k8s.io/kube-scheduler/framework"
)

// withForeign returns a node of a dry run of preemption with the placeholders back on it that the dry run took away but that do
// not admit the pod: DefaultPreemption must gain nothing from them, or it would take what `consumers` denies. Where there can be no
// Headrooms, placeholders are left over from some, and are pods of low priority like any other.
func (p *Plugin) withForeign(admitted admissions, info fwk.NodeInfo) fwk.NodeInfo {
	node := p.shared.inventory.Node(info.Node().Name)
	if node == nil || len(node.Held) == 0 || p.shared.catalogue.Missing() {
		return info
	}
	var missing []fwk.PodInfo
	for i := range node.Held {
		held := &node.Held[i]
		if admitted.to(held) != refused {
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
