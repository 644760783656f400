package headroom

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// filterForeign answers a dry run of preemption. DefaultPreemption must gain nothing from placeholders that do not admit the pod, or it
// would take what `consumers` denies. So those that the dry run took away are put back, and all Filter plugins are asked once more:
// a placeholder may stand in the way by its resources, by a host port, or by an anti-affinity.
func (p *Plugin) filterForeign(
	ctx context.Context, state fwk.CycleState, admitted admissions, pod *corev1.Pod, info fwk.NodeInfo,
) *fwk.Status {
	missing := p.missingForeign(admitted, info)
	if len(missing) == 0 {
		return p.fit.Filter(ctx, state, pod, info)
	}
	state, info = state.Clone(), info.Snapshot()
	for _, placeholder := range missing {
		info.AddPodInfo(placeholder)
		if status := p.handle.RunPreFilterExtensionAddPod(ctx, state, pod, placeholder, info); !status.IsSuccess() {
			return status
		}
	}
	return p.handle.RunFilterPlugins(ctx, state, pod, info)
}

// missingForeign returns the placeholders that a dry run took away from a node and that do not admit the pod. Where there can be no
// Headrooms, placeholders are left over from some, and are pods of low priority like any other.
func (p *Plugin) missingForeign(admitted admissions, info fwk.NodeInfo) []fwk.PodInfo {
	node := p.shared.inventory.Node(info.Node().Name)
	if node == nil || len(node.Placeholders) == 0 || p.shared.catalog.Missing() {
		return nil
	}
	var missing []fwk.PodInfo
	for i := range node.Placeholders {
		held := &node.Placeholders[i]
		if admitted.to(held) != refused {
			continue
		}
		if !slices.ContainsFunc(info.GetPods(), func(other fwk.PodInfo) bool { return other.GetPod().UID == held.Pod.UID }) {
			missing = append(missing, held.Info)
		}
	}
	return missing
}
