package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/metrics"
)

// PostFilter serves pods that headroom could serve, but not in the cycle that asks: placeholders may stand in the way by
// something else than their resources, such as a host port or an anti-affinity. It is kube-scheduler's own preemption,
// confined to placeholders that the pod may take, in the project's order, over all nodes. If that does not help it says why
// headroom does not, and DefaultPreemption gets its turn.
func (p *Plugin) PostFilter(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, statuses fwk.NodeToStatusReader,
) (*fwk.PostFilterResult, *fwk.Status) {
	c := cycleOf(state)
	if c == nil {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	// The swap came to nothing. Dry runs of preemption count its victims as long as they do not take them away themselves.
	c.swap = nil
	if !p.lookAgain(c, state, pod) {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	// From here on Filter answers dry runs of DefaultPreemption.
	defer func() { c.preempting, c.entitlements = true, p.selector.Entitlements(pod) }()
	reason, message := p.selector.Miss(pod, func() int { return p.candidates(c) })
	if message == "" {
		p.missed(ctx, c, pod, reason)
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	var result *fwk.PostFilterResult
	if reason == metrics.MissFiltered || reason == metrics.MissTooSmall {
		var status *fwk.Status
		result, status = p.preempt(ctx, state, c.consumer, statuses)
		if !status.IsRejected() {
			return result, status
		}
	}
	p.missed(ctx, c, pod, reason)
	return result, fwk.NewStatus(fwk.Unschedulable, message)
}

// lookAgain learns what PreFilter did not need to know, because the pod could take nothing or fitted nearby, and
// reports whether there is anything to tell about headroom.
func (p *Plugin) lookAgain(c *cycle, state fwk.CycleState, pod *corev1.Pod) bool {
	if c.consumer != nil {
		return true
	}
	nodes, err := p.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil || !p.shared.placeholdersExist() {
		return false
	}
	p.shared.refresh(nodes, state.IsPodGroupSchedulingCycle())
	c.consumer = p.selector.Consumer(pod)
	return true
}

// candidates is on how many nodes placeholders would make the room. PreFilter did not count if swaps are off, or if the pod fitted
// nearby.
func (p *Plugin) candidates(c *cycle) int {
	if c.candidates == nil {
		counted := p.selector.CountCandidates(c.consumer)
		c.candidates = &counted
	}
	return *c.candidates
}

// missed notes that no headroom could serve the pod. A pod for which there is no reason is kept, too: there is no
// headroom as far as is known, but pods may turn out to be placeholders.
func (p *Plugin) missed(ctx context.Context, c *cycle, pod *corev1.Pod, reason metrics.MissReason) {
	if pod.Spec.NodeName != "" || p.isPlaceholder(pod) {
		return
	}
	late := p.shared.waiting.Add(pod, c.generation)
	if reason != "" && p.shared.waiting.CountOnce(pod.UID) {
		metrics.CountMiss(reason)
	}
	if late {
		p.handle.Activate(klog.FromContext(ctx), map[string]*corev1.Pod{pod.Namespace + "/" + pod.Name: pod})
	}
}
