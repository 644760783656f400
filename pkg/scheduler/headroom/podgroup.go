package headroom

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"

	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/selection"
)

var _ fwk.PodGroupPostFilterPlugin = &withGroups{}

// withGroups is the plugin where kube-scheduler schedules groups of pods. In the cycle of a group it calls no PostFilter, but
// PodGroupPostFilter once the group as a whole has failed.
type withGroups struct{ *Plugin }

// groupAttempt is what the plugin remembers of a group that failed, until the cycle of another pod or the next one of the group begins.
// kube-scheduler then schedules the group again and again on changed snapshots, with new states, so it cannot be kept in these.
type groupAttempt struct {
	group    fwk.PodGroupInfo
	schedule fwk.PodGroupSchedulingFunc
	members  []*corev1.Pod
	// preemptors are the members as DefaultPreemption, which has its turn later, may preempt for them.
	preemptors []*selection.Preemptor
	// own says that it is the plugin that has the group scheduled on a changed snapshot.
	own bool
	// places are the nodes for the members meanwhile, by UID; nil if they may go anywhere.
	places map[types.UID]string
}

const (
	// reasonPlaced is why a node is not for a pod of a group, reasonUnplaced why none is, while the preemption of placeholders is tried.
	reasonPlaced   = "the eviction of placeholders would make room for the pod on another node"
	reasonUnplaced = "the eviction of placeholders would make no room for the pod"
)

// PodGroupPostFilter serves groups of pods that headroom could serve, but not in the cycle that asks, as PostFilter does for single pods:
// for all pods of the group that cannot do without, or for none. The members get their nodes one after another, each by the project's
// order, then kube-scheduler's own preemption for groups, confined to the placeholders on these nodes, has the last word and evicts. If
// that does not help, DefaultPreemption gets its turn.
func (p *withGroups) PodGroupPostFilter(
	ctx context.Context, state fwk.PodGroupCycleState, group fwk.PodGroupInfo, schedule fwk.PodGroupSchedulingFunc,
) (*fwk.PodGroupPostFilterResult, *fwk.Status) {
	p.group = nil
	members := group.GetUnscheduledPods()
	if len(members) == 0 || !p.shared.placeholdersExist() || !p.readSnapshot() {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	if kept := p.nominationsToKeep(members); kept != nil {
		return &fwk.PodGroupPostFilterResult{NominatingInfos: kept}, fwk.NewStatus(fwk.Success, "placeholders are leaving for the group")
	}
	a := &groupAttempt{group: group, schedule: schedule, members: members}
	for _, member := range members {
		a.preemptors = append(a.preemptors, &selection.Preemptor{Pod: member, Entitlements: p.selector.Entitlements(member)})
	}
	p.group = a
	result, status := p.preemptForGroup(ctx, a)
	if !status.IsRejected() {
		p.group = nil
		return result, status
	}
	if message := p.missedByGroup(ctx, state, members); message != "" {
		return nil, fwk.NewStatus(fwk.Unschedulable, message)
	}
	return nil, fwk.NewStatus(fwk.Unschedulable)
}

// preFilterAgain is PreFilter for a pod of a group, as far as that differs from the PreFilter of other pods. It reports whether the group
// is scheduled once more, on a changed snapshot, after it has failed: then no swap is decided.
func (p *Plugin) preFilterAgain(
	ctx context.Context, state fwk.CycleState, c *cycle, pod *corev1.Pod, nodes []fwk.NodeInfo,
) (result *fwk.PreFilterResult, status *fwk.Status, again bool) {
	p.checkGroupsOnce.Do(func() { p.warnOfGroups(ctx) })
	a := p.group
	switch {
	case a != nil && a.own && a.places == nil:
		return nil, nil, true
	case a != nil && a.own:
		if c.place = a.places[pod.UID]; c.place == "" {
			return nil, fwk.NewStatus(fwk.Unschedulable, reasonUnplaced), true
		}
		return only(sets.New(c.place)), nil, true
	case a != nil && p.othersChangedSnapshot(nodes):
		// It is DefaultPreemption's turn: Filter counts those placeholders back in that the pod may not have.
		if i := slices.IndexFunc(a.preemptors, func(p *selection.Preemptor) bool { return p.Pod.UID == pod.UID }); i >= 0 {
			c.preemptor = a.preemptors[i]
			return nil, nil, true
		}
	}
	p.group = nil
	noteGeneration(state.GetPodGroupSchedulingCycle(), c.generation)
	return nil, nil, false
}

// othersChangedSnapshot reports whether the snapshot is a copy that another plugin changes: not that which PodGroupPostFilter has read.
func (p *Plugin) othersChangedSnapshot(nodes []fwk.NodeInfo) bool {
	if len(nodes) == 0 {
		return false
	}
	node := p.shared.inventory.Node(nodes[0].Node().Name)
	return node != nil && node.Info != nodes[0]
}

// warnOfGroups says what a profile must change so that the plugin serves groups before DefaultPreemption does.
func (p *Plugin) warnOfGroups(ctx context.Context) {
	if comesBefore(p.handle.ListPlugins().PodGroupPostFilter, defaultpreemption.Name, Name) {
		klog.FromContext(ctx).Error(nil, "Groups of pods preempt placeholders in no order and whatever consumers say",
			"profile", p.handle.ProfileName(), "remedy", "let Headroom come before DefaultPreemption under multiPoint")
	}
}

// readSnapshot brings the inventory up to date with the snapshot as it is now.
func (p *Plugin) readSnapshot() bool {
	nodes, err := p.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return false
	}
	p.shared.refresh(nodes, true)
	return true
}

// nominationsToKeep returns the nominations of a group while pods that were preempted for it take their time to go, nil if none do.
func (p *Plugin) nominationsToKeep(members []*corev1.Pod) map[types.NamespacedName]*fwk.NominatingInfo {
	if !slices.ContainsFunc(members, func(member *corev1.Pod) bool {
		node := p.shared.inventory.Node(member.Status.NominatedNodeName)
		return node != nil && slices.ContainsFunc(node.Info.GetPods(), func(info fwk.PodInfo) bool {
			return preemption.PodTerminatingByPreemption(info.GetPod()) &&
				corev1helpers.PodPriority(info.GetPod()) < corev1helpers.PodPriority(member)
		})
	}) {
		return nil
	}
	kept := map[types.NamespacedName]*fwk.NominatingInfo{}
	for _, member := range members {
		kept[types.NamespacedName{Namespace: member.Namespace, Name: member.Name}] = &fwk.NominatingInfo{
			NominatingMode: fwk.ModeOverride, NominatedNodeName: member.Status.NominatedNodeName,
		}
	}
	return kept
}

// preemptForGroup preempts placeholders to which the members are entitled. If these are not enough, and the group is system-critical or
// running pods would be preempted for it, it preempts any of lower priority, and notes for DefaultPreemption that the group may have them.
func (p *Plugin) preemptForGroup(ctx context.Context, a *groupAttempt) (result *fwk.PodGroupPostFilterResult, status *fwk.Status) {
	status = fwk.NewStatus(fwk.Unschedulable)
	if slices.ContainsFunc(a.members, entitlement.NonPreempting) {
		return nil, status
	}
	if result, status = p.takeForGroup(ctx, a, p.selector.Consumer); !status.IsRejected() {
		return result, status
	}
	withheld := slices.ContainsFunc(a.members, func(member *corev1.Pod) bool {
		c := p.selector.Consumer(member)
		return c != nil && p.selector.Withheld(c)
	})
	if !withheld {
		return nil, status
	}
	if !selection.SystemCritical(a.members[0]) {
		if would, err := p.runningPodsWouldGoForGroup(ctx, a); err != nil || !would {
			return nil, statusOf(err)
		}
	}
	for _, preemptor := range a.preemptors {
		preemptor.ByPriority = true
	}
	return p.takeForGroup(ctx, a, func(member *corev1.Pod) *selection.Consumer {
		c := p.selector.Consumer(member)
		if c == nil {
			return nil
		}
		return p.selector.Unrestricted(c)
	})
}

// statusOf is for a question that failed or whose answer is no.
func statusOf(err error) *fwk.Status {
	if err != nil {
		return fwk.AsStatus(err)
	}
	return fwk.NewStatus(fwk.Unschedulable)
}

// runningPodsWouldGoForGroup reports whether DefaultPreemption, which has its turn after the plugin, would take running pods for a group:
// whether the group fits without all that it takes for possible victims, placeholders to which no member is entitled excepted.
func (p *Plugin) runningPodsWouldGoForGroup(ctx context.Context, a *groupAttempt) (bool, error) {
	if !slices.ContainsFunc(p.handle.ListPlugins().PodGroupPostFilter.Enabled, func(plugin schedulerconfig.Plugin) bool {
		return plugin.Name == defaultpreemption.Name
	}) {
		return false, nil
	}
	pods, running := p.selector.Preemptable(a.preemptors)
	if !running {
		return false, nil
	}
	return p.groupFitsWithout(ctx, a, pods)
}

// takeForGroup preempts placeholders for all members that cannot do without, or none. consumer returns a member as what it may take.
func (p *Plugin) takeForGroup(
	ctx context.Context, a *groupAttempt, consumer func(*corev1.Pod) *selection.Consumer,
) (*fwk.PodGroupPostFilterResult, *fwk.Status) {
	if fits, err := p.groupFitsWithout(ctx, a, p.takeable(a.members, consumer)); err != nil || !fits {
		return nil, statusOf(err)
	}
	places, victims, err := p.planForGroup(ctx, a.members, consumer)
	if err != nil || len(victims) == 0 {
		return nil, statusOf(err)
	}
	a.own, a.places = true, places
	defer func() { a.own, a.places = false, nil }()
	var result *fwk.PodGroupPostFilterResult
	var status *fwk.Status
	err = p.profile.OnChangedSnapshot(func(fwk.MutableSnapshotSharedLister) error {
		evaluator := preemption.NewPodGroupEvaluator(p.profile.Confined(victims), p.preemption.Executor, p.features)
		result, status = evaluator.Preempt(ctx, a.group, a.schedule)
		return nil
	})
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	if status.IsSuccess() {
		klog.FromContext(ctx).V(2).Info("Group takes headroom", "podGroup", a.group.GetName(), "placeholders", len(victims))
	}
	return result, status
}

// takeable returns the placeholders that any of the members may take.
func (p *Plugin) takeable(members []*corev1.Pod, consumer func(*corev1.Pod) *selection.Consumer) (pods []*corev1.Pod) {
	known := sets.New[types.UID]()
	for _, member := range members {
		c := consumer(member)
		if c == nil || !c.Entitled {
			continue
		}
		for _, pod := range p.selector.PossibleVictims(c).Pods {
			if !known.Has(pod.UID) {
				known.Insert(pod.UID)
				pods = append(pods, pod)
			}
		}
	}
	return pods
}

// groupFitsWithout reports whether the group can be scheduled once some pods are gone.
func (p *Plugin) groupFitsWithout(ctx context.Context, a *groupAttempt, gone []*corev1.Pod) (fits bool, err error) {
	if len(gone) == 0 {
		return false, nil
	}
	a.own = true
	defer func() { a.own = false }()
	err = p.profile.OnChangedSnapshot(func(snapshot fwk.MutableSnapshotSharedLister) error {
		if err := dryrun.RemovePods(ctx, snapshot, gone); err != nil {
			return err
		}
		_, status := a.schedule(ctx)
		fits = status.IsSuccess()
		return nil
	})
	return fits && err == nil, err
}

// planForGroup finds a node for one member after another, as for single pods: where it fits as it is, else where it does so without
// placeholders, by the project's order. Each member sees where those before it are and what they took. Members for which there is no node
// are left out: whether the group can do without them, kube-scheduler says.
func (p *Plugin) planForGroup(
	ctx context.Context, members []*corev1.Pod, consumer func(*corev1.Pod) *selection.Consumer,
) (places map[types.UID]string, victims sets.Set[types.UID], err error) {
	defer p.readSnapshot()
	places, victims = map[types.UID]string{}, sets.New[types.UID]()
	state := framework.NewCycleState()
	err = p.profile.OnChangedSnapshot(func(snapshot fwk.MutableSnapshotSharedLister) error {
		for _, member := range members {
			p.readSnapshot()
			node, evicted, err := p.placeMember(ctx, p.profile.NewRunInGroup(state, member), consumer(member), snapshot)
			if err != nil {
				return fmt.Errorf("looking for a node for pod %s/%s of a group: %w", member.Namespace, member.Name, err)
			}
			if node == "" {
				continue
			}
			places[member.UID] = node
			for _, victim := range evicted {
				victims.Insert(victim.UID)
			}
			if err := dryrun.RemovePods(ctx, snapshot, evicted); err != nil {
				return err
			}
			if err := dryrun.AddPod(snapshot, member, node); err != nil {
				return err
			}
		}
		return nil
	})
	return places, victims, err
}

// placeMember returns the node for one member, empty if there is none, and the placeholders that have to go from it.
func (p *Plugin) placeMember(
	ctx context.Context, run *dryrun.Run, c *selection.Consumer, snapshot fwk.MutableSnapshotSharedLister,
) (node string, victims []*corev1.Pod, err error) {
	nodes, err := snapshot.NodeInfos().List()
	if err != nil || !run.Start(ctx) {
		return "", nil, err
	}
	if node, err = run.Best(ctx, nodes); err != nil || node != "" || c == nil || !c.Entitled {
		return node, nil, err
	}
	possible := p.selector.PossibleVictims(c)
	nodes = slices.DeleteFunc(run.Allowed(nodes), func(info fwk.NodeInfo) bool { return !possible.Nodes.Has(info.Node().Name) })
	if len(nodes) == 0 {
		return "", nil, nil
	}
	p.attempt = attempt{consumer: c, victims: possible.Evidence, anchors: p.selector.Anchors(c)}
	defer func() { p.attempt = attempt{} }()
	evaluator := p.preemption.Evaluator
	candidates, _, err := evaluator.DryRunPreemption(ctx, run.State(), c.Pod, nodes, nil, 0, int32(len(nodes)))
	if err != nil || len(candidates) == 0 {
		return "", nil, err
	}
	best := evaluator.SelectCandidate(ctx, candidates)
	return best.Name(), best.Victims().Pods, nil
}

// missedByGroup notes for each member that no headroom could serve it, and returns why none serves the group.
func (p *Plugin) missedByGroup(ctx context.Context, state fwk.PodGroupCycleState, members []*corev1.Pod) (message string) {
	c := &cycle{generation: p.generationOf(state)}
	for _, member := range members {
		consumer := p.selector.Consumer(member)
		reason, why := p.selector.Miss(member, func() int { return p.selector.CountCandidates(consumer) },
			func() selection.Objections { return nil })
		p.missed(ctx, c, member, reason)
		switch {
		case message != "" || why == "":
		case reason == metrics.MissConsumers || reason == metrics.MissPriority:
			message = why
		default:
			message = fmt.Sprintf("there is no headroom for all of the %d pods of the group, so none takes any", len(members))
		}
	}
	return message
}

// groupKey is where the cycle of a group keeps its generation.
const groupKey fwk.StateKey = "PodGroup" + Name

// groupGeneration is the generation of the waiting pods when the cycle of a group began.
type groupGeneration uint64

// Clone returns the same, which is never changed.
func (g groupGeneration) Clone() fwk.StateData {
	return g
}

// noteGeneration keeps the generation at the first member's PreFilter.
func noteGeneration(state fwk.PodGroupCycleState, generation uint64) {
	if _, err := state.Read(groupKey); err != nil {
		state.Write(groupKey, groupGeneration(generation))
	}
}

// generationOf returns the generation when the cycle of a group began.
func (p *Plugin) generationOf(state fwk.PodGroupCycleState) uint64 {
	if data, err := state.Read(groupKey); err == nil {
		if generation, ok := data.(groupGeneration); ok {
			return uint64(generation)
		}
	}
	return p.shared.waiting.Generation()
}
