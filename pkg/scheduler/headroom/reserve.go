package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
)

// outcome is how far a swap got.
type outcome int

const (
	undone outcome = iota
	evictionRefused
	victimStayed
	devicesStayed
	evicted
)

// result words an outcome of a swap that did not end bound.
func (o outcome) result() metrics.SwapResult {
	switch o {
	case evictionRefused:
		return metrics.SwapEvictionRefused
	case victimStayed:
		return metrics.SwapVictimStayed
	case devicesStayed:
		return metrics.SwapDevicesStayed
	case evicted:
		return metrics.SwapBindRefused
	default:
		return metrics.SwapUndone
	}
}

// Reserve reserves the victims for the pod, so that the next pod counts them as gone. A placeholder gives way to pods that wait.
func (p *Plugin) Reserve(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	p.noteSimulation(state, node)
	if status := p.yields(ctx, state, pod, node); !status.IsSuccess() {
		return status
	}
	p.noteChosen(state, node)
	if s := swapOn(state, node); s != nil {
		p.shared.reservations.Reserve(pod.UID, s.Victims)
	}
	return nil
}

// Unreserve gives the victims back, as far as they still exist.
func (p *Plugin) Unreserve(_ context.Context, state fwk.CycleState, pod *corev1.Pod, node string) {
	p.noteSimulation(state, node)
	s := swapOn(state, node)
	if s == nil {
		return
	}
	p.shared.reservations.Release(pod.UID, s.Victims)
	if !state.IsPodGroupSchedulingCycle() {
		metrics.CountFailedSwap(s.outcome.result())
	}
}

// noteSimulation makes up for a node's generation, which stays the same when the pods of a group are assumed in the snapshot.
func (p *Plugin) noteSimulation(state fwk.CycleState, node string) {
	if state.IsPodGroupSchedulingCycle() {
		p.shared.inventory.MarkDirty(node)
	}
}

const (
	// reasonYields is why a placeholder is not bound where another pod waits for the room.
	reasonYields = "the placeholder yields the room to a pod that waits for it"
	// maxYieldChecks is for how many waiting pods, of those that would fit by their requests, all Filter plugins are asked.
	maxYieldChecks = 64
)

// yields has a placeholder leave the node that was chosen for it to a pod that waits, if there is one that could be bound there
// and could not be any more once the placeholder is. That pod is tried again at once; the room is kept from placeholders until
// it is bound, but not for long.
func (p *Plugin) yields(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	c := cycleOf(state)
	if c == nil || !c.kept.placeholder {
		return nil
	}
	info, err := p.handle.SnapshotSharedLister().NodeInfos().Get(node)
	if err != nil {
		return nil // it is gone, and the binding will fail
	}
	unit, err := framework.NewPodInfo(pod)
	if err != nil {
		return fwk.AsStatus(err)
	}
	now := p.clock.Now()
	waiting := p.shared.unscheduled.Matching(now, func(other *framework.PodInfo) bool {
		return !p.shared.isPlaceholder(other.Pod) && holes.Contend(info, other, unit)
	})
	for _, other := range waiting[:min(len(waiting), maxYieldChecks)] {
		run := p.profile.NewRunApart(other.Pod)
		if !run.Start(ctx) || !run.Passes(ctx, info, nil) {
			continue
		}
		until := p.shared.unscheduled.Yield(other.Pod.UID, now)
		p.shared.holes.Yield(node, other, until)
		p.shared.postponed.Add(pod, now, []string{node})
		klog.FromContext(ctx).V(3).Info("A placeholder yields to a pod that waits", "placeholder", klog.KObj(pod),
			"pod", klog.KObj(other.Pod), "node", node)
		p.handle.Activate(klog.FromContext(ctx), map[string]*corev1.Pod{other.Pod.Namespace + "/" + other.Pod.Name: other.Pod})
		return fwk.NewStatus(fwk.Unschedulable, reasonYields)
	}
	return nil
}
