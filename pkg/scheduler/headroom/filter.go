package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
)

// Filter stands in for the Filter of NodeResourcesFit: it is that very Filter, asked about the node without the placeholders
// that the pod takes there, and with those pods that room is kept for there, see package holes. On every other node, and in
// every cycle that takes none, it is NodeResourcesFit.
func (p *Plugin) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	c := cycleOf(state)
	if c == nil {
		if victims, _ := dryrun.Without(state); len(victims) > 0 {
			return p.fits(ctx, state, nil, pod, dryrun.NodeWithout(info, victims))
		}
		return p.fits(ctx, state, nil, pod, info)
	}
	if c.exposedElsewhere(info.Node().Name) {
		return fwk.NewStatus(fwk.Unschedulable, "the pod takes devices of placeholders on another node")
	}
	if victims := c.victimsOn(info.Node().Name); len(victims) > 0 {
		return p.fits(ctx, state, c, pod, dryrun.NodeWithout(info, victims))
	}
	if c.preemptor != nil {
		return p.filterPreempting(ctx, state, c, info)
	}
	return p.fits(ctx, state, c, pod, info)
}
