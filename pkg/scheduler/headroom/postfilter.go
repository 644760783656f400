package headroom

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// reasonPreemptsNobody is why nothing goes for a placeholder.
const reasonPreemptsNobody = "preemption: a placeholder preempts nobody, whatever its PriorityClass says"

// PostFilter serves pods that headroom could serve, but not in the cycle that asks: placeholders may stand in the way by
// something else than their resources, such as a host port or an anti-affinity. It is kube-scheduler's own preemption,
// confined to placeholders that the pod may take, in the project's order, over all nodes. Where running pods would go otherwise, these are
// all placeholders of lower priority. If that does not help it says why headroom does not, and DefaultPreemption gets its turn. Nothing is
// preempted for a placeholder.
func (p *Plugin) PostFilter(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, statuses fwk.NodeToStatusReader,
) (*fwk.PostFilterResult, *fwk.Status) {
	c := cycleOf(state)
	if c == nil {
		p.memberFailed(ctx, pod)
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	if selection.IsBound(pod) && p.shared.growth.Request(pod) {
		return nil, nil // DefaultPreemption must take nothing beside the placeholders that go for the resize
	}
	p.postpone(c, pod)
	if p.shared.isPlaceholder(pod) && !entitlement.NonPreempting(pod) {
		// So no plugin after this one is asked. The controller allows no such PriorityClass unless it is told to, but one that is made anew
		// gets to a DaemonSet's pods before the controller knows.
		return framework.NewPostFilterResultWithNominatedNode(""), fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reasonPreemptsNobody)
	}
	if c.member != nil {
		return nil, p.postFilterMember(ctx, state, c, pod)
	}
	// The swap came to nothing. Dry runs of preemption count its victims as long as they do not take them away themselves.
	c.swap = nil
	c.hideDevices(state)
	if !p.lookAgain(c, state, pod) {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	preemptor := &selection.Preemptor{Pod: pod, Entitlements: p.selector.Entitlements(pod)}
	// From here on Filter answers dry runs of DefaultPreemption.
	defer func() { c.preemptor = preemptor }()
	reason, message := p.selector.Miss(pod, func() int { return p.candidates(c) }, func() selection.Objections {
		return p.selector.Objections(ctx, p.profile.NewRun(state, pod), c.consumer, objectionIn(statuses))
	})
	if message == "" {
		p.missed(ctx, c, pod, reason)
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	result, status := p.preemptPlaceholders(ctx, state, c.consumer, preemptor, statuses)
	if !status.IsRejected() {
		return result, status
	}
	if c.consumer != nil && p.selector.OutOfReach(ctx, p.profile.NewRun(state, pod), c.consumer) {
		reason, message = metrics.MissFiltered, selection.ReasonOutOfReach
	}
	p.missed(ctx, c, pod, reason)
	return result, fwk.NewStatus(fwk.Unschedulable, message)
}

// preemptPlaceholders preempts placeholders to which the pod is entitled. If these are not enough, and the pod is system-critical or
// running pods would be preempted for it, it preempts any of lower priority, and notes for DefaultPreemption that the pod may have them.
func (p *Plugin) preemptPlaceholders(
	ctx context.Context, state fwk.CycleState, c *selection.Consumer, preemptor *selection.Preemptor, statuses fwk.NodeToStatusReader,
) (result *fwk.PostFilterResult, status *fwk.Status) {
	status = fwk.NewStatus(fwk.Unschedulable)
	if c == nil {
		return result, status
	}
	if c.Entitled {
		if result, status = p.preempt(ctx, state, c, p.selector.PossibleVictims(c), statuses); !status.IsRejected() {
			return result, status
		}
	}
	if !p.selector.Withheld(c) || !selection.SystemCritical(c.Pod) && !p.runningPodsWouldGo(ctx, state, c, statuses) {
		return result, status
	}
	preemptor.ByPriority = true
	unrestricted := p.selector.Unrestricted(c)
	if again, served := p.preempt(ctx, state, unrestricted, p.selector.PossibleVictims(unrestricted), statuses); !served.IsRejected() {
		return again, served
	}
	return result, status
}

// objectionIn returns what the cycle's Filter plugins objected to a node, nil if it was that its resources do not suffice: there the plugin
// asks what the others say once placeholders have gone.
func objectionIn(statuses fwk.NodeToStatusReader) func(node string) *fwk.Status {
	return func(node string) *fwk.Status {
		if status := statuses.Get(node); status.IsRejected() && status.Plugin() != Name {
			return status
		}
		return nil
	}
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
	if pod.Spec.NodeName != "" || p.shared.isPlaceholder(pod) {
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
