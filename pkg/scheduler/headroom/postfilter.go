package headroom

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/nearness"
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
	// From here on DefaultPreemption may run its trials: see Filter.
	defer func() {
		identity := identityOf(p.handle, pod)
		c.preempting, _ = admissionsOf(p.shared.inventory.Headrooms(), &identity)
	}()
	reason, message := p.miss(c, pod)
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

// lookAgain learns what PreFilter did not need to know, because the pod could take nothing or fitted nearby, and reports whether there
// is anything to tell about headroom.
func (p *Plugin) lookAgain(c *cycle, state fwk.CycleState, pod *corev1.Pod) bool {
	if c.consumer != nil {
		return true
	}
	nodes, err := p.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil || !p.shared.placeholdersExist() {
		return false
	}
	p.shared.refresh(nodes, state.IsPodGroupSchedulingCycle())
	c.consumer = p.consumer(pod)
	return true
}

// attempt is what the hooks of kube-scheduler's preemption need to know of the one attempt that runs.
type attempt struct {
	consumer *consumer
	victims  map[types.UID]evictionorder.Placeholder
	anchors  *nearness.Anchors
}

// preempt runs the preemption of placeholders for one pod.
func (p *Plugin) preempt(
	ctx context.Context, state fwk.CycleState, c *consumer, statuses fwk.NodeToStatusReader,
) (*fwk.PostFilterResult, *fwk.Status) {
	nodes := p.shared.inventory.Nodes()
	anchors, _ := p.anchors(c, nodes, func(i int) bool { return c.isNear(&nodes[i]) })
	p.attempt = attempt{consumer: c, victims: p.possibleVictims(c), anchors: anchors}
	defer func() { p.attempt = attempt{} }()
	if len(p.attempt.victims) == 0 {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	return p.preemption.PostFilter(ctx, state, c.pod, statuses)
}

// possibleVictims returns the evidence about all placeholders that the pod may take and that are not promised to another.
func (p *Plugin) possibleVictims(c *consumer) map[types.UID]evictionorder.Placeholder {
	possible := map[types.UID]evictionorder.Placeholder{}
	var takeable []evictionorder.Placeholder
	nodes := p.shared.inventory.Nodes()
	for i := range nodes {
		node := &nodes[i]
		if len(node.Placeholders) == 0 {
			continue
		}
		shortfall := c.shortfall(nil, node.Requested, node)
		takeable = c.takeable(takeable, node)
		for _, evidence := range takeable {
			held := &node.Placeholders[evidence.Index]
			if evidence.Leaving && held.Pod.DeletionTimestamp == nil {
				continue
			}
			evidence.Surplus = evictionorder.Waste(evidence.Requests, shortfall, node.Allocatable)
			possible[held.Pod.UID] = evidence
		}
	}
	return possible
}

// newPreemption returns kube-scheduler's preemption with the plugin's eligibility and order.
func (p *Plugin) newPreemption(ctx context.Context, handle fwk.Handle) (*defaultpreemption.DefaultPreemption, error) {
	// All nodes are looked at, not a sample: the first in the order may be any of them.
	args := &schedulerconfig.DefaultPreemptionArgs{MinCandidateNodesPercentage: 100, MinCandidateNodesAbsolute: 100}
	inner, err := defaultpreemption.New(ctx, args, handle, p.features)
	if err != nil {
		return nil, fmt.Errorf("embedding %s: %w", defaultpreemption.Name, err)
	}
	stock, err := defaultpreemption.New(ctx, args, handle, p.features)
	if err != nil {
		return nil, fmt.Errorf("embedding %s: %w", defaultpreemption.Name, err)
	}
	inner.IsEligiblePod = func(_ fwk.NodeInfo, victim preemption.Victim, _ *corev1.Pod) bool {
		for _, info := range victim.Pods() {
			if _, ok := p.attempt.victims[info.GetPod().UID]; !ok {
				return false
			}
		}
		return true
	}
	inner.MoreImportantVictim = func(a, b preemption.Victim) bool {
		return evictionorder.Compare(p.attempt.victims[a.Pods()[0].GetPod().UID], p.attempt.victims[b.Pods()[0].GetPod().UID]) > 0
	}
	inner.Evaluator.Interface = &ordered{Interface: inner, plugin: p, stock: stock}
	return inner, nil
}

// ordered is kube-scheduler's preemption with the project's order among nodes.
type ordered struct {
	preemption.Interface
	plugin *Plugin
	// stock has kube-scheduler's own eligibility: any pod of lower priority.
	stock preemption.Interface
}

// PodEligibleToPreemptOthers says no while any pod that was preempted for this one takes its time to go, not just a placeholder.
// Otherwise the preemption of placeholders would find nothing to do, and clear the nomination that keeps the room.
func (o *ordered) PodEligibleToPreemptOthers(ctx context.Context, pod *corev1.Pod, nominated *fwk.Status) (eligible bool, why string) {
	return o.stock.PodEligibleToPreemptOthers(ctx, pod, nominated)
}

// OrderedScoreFuncs ranks the nodes by the order. Score plugins have no say here.
func (o *ordered) OrderedScoreFuncs(_ context.Context, victims map[string]*extenderv1.Victims) []func(node string) int64 {
	evidence := make([]evictionorder.Node, 0, len(victims))
	for name, chosen := range victims {
		evidence = append(evidence, o.plugin.evidenceOf(name, chosen.Pods))
	}
	slices.SortFunc(evidence, o.plugin.order.Compare)
	rank := make(map[string]int64, len(evidence))
	for i := range evidence {
		rank[evidence[i].Name] = int64(i)
	}
	return []func(string) int64{func(node string) int64 { return -rank[node] }}
}

// evidenceOf gathers the evidence about a node for victims that were chosen by preemption.
func (p *Plugin) evidenceOf(name string, pods []*corev1.Pod) evictionorder.Node {
	evidence := evictionorder.Node{Name: name, Evictions: len(pods)}
	node := p.shared.inventory.Node(name)
	if node == nil {
		return evidence
	}
	chosen := make([]evictionorder.Placeholder, 0, len(pods))
	for _, pod := range pods {
		chosen = append(chosen, p.attempt.victims[pod.UID])
	}
	evidence.Left = evictionorder.Left(nil, chosen, func(headroom int) []int {
		return p.shared.inventory.Units(nil, node, headroom)
	})
	shortfall := p.attempt.consumer.shortfall(nil, node.Requested, node)
	evidence.Waste = evictionorder.Waste(evictionorder.Evicted(nil, chosen), shortfall, node.Allocatable)
	evidence.Distance = p.attempt.anchors.Distance(node.Info.Node().Labels)
	return evidence
}
