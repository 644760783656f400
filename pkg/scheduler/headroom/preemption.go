package headroom

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/nearness"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

// attempt is what the hooks of kube-scheduler's preemption need to know of the one attempt that runs.
type attempt struct {
	consumer *selection.Consumer
	victims  map[types.UID]evictionorder.Placeholder
	anchors  *nearness.Anchors
}

// preempt runs the preemption of placeholders for one pod, which may take these.
func (p *Plugin) preempt(
	ctx context.Context, state fwk.CycleState, c *selection.Consumer, victims selection.Victims, statuses fwk.NodeToStatusReader,
) (*fwk.PostFilterResult, *fwk.Status) {
	if len(victims.Evidence) == 0 {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	p.attempt = attempt{consumer: c, victims: victims.Evidence, anchors: p.selector.Anchors(c)}
	defer func() { p.attempt = attempt{} }()
	return p.preemption.PostFilter(ctx, state, c.Pod, &holding{NodeToStatusReader: statuses, nodes: victims.Nodes})
}

// runningPodsWouldGo reports whether DefaultPreemption, which has its turn after the plugin, would take running pods for a consumer.
func (p *Plugin) runningPodsWouldGo(
	ctx context.Context, state fwk.CycleState, c *selection.Consumer, statuses fwk.NodeToStatusReader,
) bool {
	if !slices.ContainsFunc(p.handle.ListPlugins().PostFilter.Enabled, func(plugin schedulerconfig.Plugin) bool {
		return plugin.Name == defaultpreemption.Name
	}) {
		return false
	}
	nominated := statuses.Get(c.Pod.Status.NominatedNodeName)
	if eligible, _ := p.preemption.Evaluator.PodEligibleToPreemptOthers(ctx, c.Pod, nominated); !eligible {
		return false
	}
	nodes, err := statuses.NodesForStatusCode(p.handle.SnapshotSharedLister().NodeInfos(), fwk.Unschedulable)
	return err == nil && p.selector.RunningPodsWouldGo(ctx, p.profile.NewRun(state, c.Pod), c, nodes)
}

// holding is what the cycle says of just these nodes.
type holding struct {
	fwk.NodeToStatusReader
	nodes sets.Set[string]
}

// NodesForStatusCode returns those of the nodes that were rejected for one kind of reason.
func (h *holding) NodesForStatusCode(lister fwk.NodeInfoLister, code fwk.Code) ([]fwk.NodeInfo, error) {
	nodes, err := h.NodeToStatusReader.NodesForStatusCode(lister, code)
	// The list may be the snapshot's own.
	return slices.DeleteFunc(slices.Clone(nodes), func(node fwk.NodeInfo) bool { return !h.nodes.Has(node.Node().Name) }), err
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
	evict := inner.Executor.PreemptPod
	inner.Executor.PreemptPod = func(
		ctx context.Context, c preemption.Candidate, preemptor preemption.ExecutorPreemptor, victim *corev1.Pod, plugin string,
	) (inMemory bool, err error) {
		if inMemory, err = evict(ctx, c, preemptor, victim, plugin); inMemory {
			return inMemory, err
		}
		if p.shared.refusals.Answered(victim, err); err == nil {
			p.countUnentitledToAll(slices.Collect(maps.Values(preemptor.Pods())), victim)
		}
		return inMemory, err
	}
	return inner, nil
}

// countUnentitled counts, of the placeholders that were evicted for a pod, those whose Headroom does not entitle it. It may be called
// concurrently.
func (p *Plugin) countUnentitled(consumer *corev1.Pod, evicted []*corev1.Pod) {
	why := metrics.ExceptionRunningPods
	if selection.SystemCritical(consumer) {
		why = metrics.ExceptionSystemCritical
	}
	for range p.unentitled(consumer, evicted) {
		metrics.CountUnentitledEviction(why)
	}
}

// countUnentitledToAll counts a placeholder that was evicted for some pods if its Headroom entitles none of them. It may be called
// concurrently.
func (p *Plugin) countUnentitledToAll(consumers []*corev1.Pod, evicted *corev1.Pod) {
	pods := []*corev1.Pod{evicted}
	if slices.ContainsFunc(consumers, func(consumer *corev1.Pod) bool { return p.unentitled(consumer, pods) == 0 }) {
		return
	}
	p.countUnentitled(consumers[0], pods)
}

// unentitled returns how many of some pods are placeholders whose Headroom does not entitle the consumer, or is not known.
func (p *Plugin) unentitled(consumer *corev1.Pod, pods []*corev1.Pod) int {
	count, identity := 0, p.shared.identityOf(consumer)
	for _, pod := range pods {
		owner, ok := placeholder.OwnerOf(pod, p.shared.daemonSets)
		if entry := p.shared.catalog.Of(owner); ok && (entry == nil || !entry.Rule.Entitles(&identity)) {
			count++
		}
	}
	return count
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
	node := p.shared.inventory.Node(name)
	if node == nil {
		return evictionorder.Node{Name: name, Evictions: len(pods)}
	}
	victims := make([]evictionorder.Placeholder, 0, len(pods))
	for _, pod := range pods {
		victims = append(victims, p.attempt.victims[pod.UID])
	}
	return p.selector.Evidence(p.attempt.consumer, node, victims, p.attempt.anchors)
}

// filterPreempting answers a dry run of preemption. DefaultPreemption must gain nothing from placeholders that are not for the pod, or it
// would take what `consumers` denies; it may take them beside a running pod if that has to go anyway. So those that the dry run took away
// are put back, and all Filter plugins are asked once more: a placeholder may stand in the way by its resources, by a host port, or by an
// anti-affinity. Where there can be no Headrooms, placeholders are left over from some, and are pods of low priority like any other.
func (p *Plugin) filterPreempting(
	ctx context.Context, state fwk.CycleState, c *cycle, info fwk.NodeInfo,
) *fwk.Status {
	preemptor := c.preemptor
	pod, node := preemptor.Pod, p.shared.inventory.Node(info.Node().Name)
	if node == nil || len(node.Placeholders) == 0 || p.shared.catalog.CRDAbsent() {
		return p.fits(ctx, state, c, pod, info)
	}
	if preemptor.Outlives(node, info) {
		return fwk.NewStatus(fwk.Unschedulable, "a placeholder goes before a running pod")
	}
	denied := preemptor.Denied(node, info)
	if len(denied) == 0 {
		return p.fits(ctx, state, c, pod, info)
	}
	state, info = state.Clone(), info.Snapshot()
	for _, held := range denied {
		info.AddPodInfo(held)
		if status := p.handle.RunPreFilterExtensionAddPod(ctx, state, pod, held, info); !status.IsSuccess() {
			return status
		}
	}
	return p.handle.RunFilterPlugins(ctx, state, pod, info)
}
