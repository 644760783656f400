package dryrun

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// OnChangedSnapshot calls a function that may change the scheduler's snapshot, and restores the snapshot afterwards, however the function
// ends. Only PodGroupPostFilter and the PreFilter of a pod that is scheduled alone may call it, and the function must not call it again.
func (p *Profile) OnChangedSnapshot(do func(snapshot fwk.MutableSnapshotSharedLister) error) (err error) {
	snapshot := p.handle.MutableSnapshotSharedLister()
	if err := snapshot.StartMutations(); err != nil {
		return fmt.Errorf("changing the scheduler's snapshot: %w", err)
	}
	defer func() {
		if failed := snapshot.EndMutations(); failed != nil {
			err = errors.Join(err, fmt.Errorf("restoring the scheduler's snapshot: %w", failed))
		}
	}()
	return do(snapshot)
}

// RemovePods takes pods from the nodes of a snapshot that is being changed.
func RemovePods(ctx context.Context, snapshot fwk.MutableSnapshotSharedLister, pods []*corev1.Pod) error {
	for _, pod := range pods {
		if err := snapshot.RemovePod(klog.FromContext(ctx), pod, pod.Spec.NodeName); err != nil {
			return fmt.Errorf("taking pod %s/%s from the scheduler's snapshot: %w", pod.Namespace, pod.Name, err)
		}
	}
	return nil
}

// AddPod puts a pod that waits onto a node of a snapshot that is being changed.
func AddPod(snapshot fwk.MutableSnapshotSharedLister, pod *corev1.Pod, node string) error {
	placed := pod.DeepCopy()
	placed.Spec.NodeName = node
	info, err := framework.NewPodInfo(placed)
	if err == nil {
		err = snapshot.AddPod(info, node)
	}
	if err != nil {
		return fmt.Errorf("putting pod %s/%s into the scheduler's snapshot: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// NewRunInGroup returns a dry run for a pod of a group on the snapshot as it is now, which may be a changed one. Extenders are not asked.
// All runs for the pods of a group get the same state of the group.
func (p *Profile) NewRunInGroup(group fwk.PodGroupCycleState, pod *corev1.Pod) *Run {
	confinement, cycle := framework.NewCycleState(), framework.NewCycleState()
	confinement.SetPodGroupSchedulingCycle(group)
	cycle.SetPodGroupSchedulingCycle(group)
	cycle.SetPlacementCycleState(confinement)
	return &Run{profile: p, cycle: cycle, pod: pod, apart: true}
}

// State returns the state after Start, for dry runs of preemption.
func (r *Run) State() fwk.CycleState {
	return r.state
}

// Allowed returns those of some nodes that the PreFilter plugins allow.
func (r *Run) Allowed(nodes []fwk.NodeInfo) []fwk.NodeInfo {
	var allowed []fwk.NodeInfo
	for _, info := range nodes {
		if r.allows(info) {
			allowed = append(allowed, info)
		}
	}
	return allowed
}

// Best returns the name of the node that the Score plugins put first of those on which the pod passes every Filter plugin, other pods'
// nominations included. Of equals it is the first by name. It is empty if the pod passes nowhere.
func (r *Run) Best(ctx context.Context, nodes []fwk.NodeInfo) (string, error) {
	indices := make([]int, len(nodes))
	for i := range nodes {
		indices[i] = i
	}
	var passing []fwk.NodeInfo
	for i, passes := range r.All(ctx, indices, func(ctx context.Context, i int) bool { return r.Passes(ctx, nodes[i], nil) }) {
		if passes {
			passing = append(passing, nodes[i])
		}
	}
	if len(passing) == 0 {
		return "", nil
	}
	scores, err := r.Score(ctx, passing)
	if err != nil {
		return "", err
	}
	best := 0
	for i := range passing {
		if scores[i] > scores[best] || scores[i] == scores[best] && passing[i].Node().Name < passing[best].Node().Name {
			best = i
		}
	}
	return passing[best].Node().Name, nil
}

// Confined returns the profile's framework for kube-scheduler's preemption for pod groups: that takes every pod of lower priority for a
// possible victim and has no hook to choose, so it is shown nodes that have no pods but those it may take. Filter plugins see the nodes as
// they are.
func (p *Profile) Confined(victims sets.Set[types.UID]) framework.Framework {
	return &confined{Framework: p.handle, victims: victims}
}

// confined is a framework whose snapshot lists nodes with some pods only.
type confined struct {
	framework.Framework
	victims sets.Set[types.UID]
}

// MutableSnapshotSharedLister returns the snapshot.
func (c *confined) MutableSnapshotSharedLister() fwk.MutableSnapshotSharedLister {
	return &confinedSnapshot{MutableSnapshotSharedLister: c.Framework.MutableSnapshotSharedLister(), victims: c.victims}
}

// RunFilterPluginsWithNominatedPods asks the Filter plugins about the whole node.
func (c *confined) RunFilterPluginsWithNominatedPods(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, info fwk.NodeInfo,
) *fwk.Status {
	return c.Framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, whole(info))
}

// RunPreFilterExtensionAddPod tells the PreFilter plugins of a pod that is put back onto the whole node.
func (c *confined) RunPreFilterExtensionAddPod(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, added fwk.PodInfo, info fwk.NodeInfo,
) *fwk.Status {
	return c.Framework.RunPreFilterExtensionAddPod(ctx, state, pod, added, whole(info))
}

// RunPreFilterExtensionRemovePod tells the PreFilter plugins of a pod that is taken from the whole node.
func (c *confined) RunPreFilterExtensionRemovePod(
	ctx context.Context, state fwk.CycleState, pod *corev1.Pod, removed fwk.PodInfo, info fwk.NodeInfo,
) *fwk.Status {
	return c.Framework.RunPreFilterExtensionRemovePod(ctx, state, pod, removed, whole(info))
}

type confinedSnapshot struct {
	fwk.MutableSnapshotSharedLister
	victims sets.Set[types.UID]
}

// NodeInfos returns the nodes.
func (s *confinedSnapshot) NodeInfos() fwk.NodeInfoLister {
	return &confinedNodes{NodeInfoLister: s.MutableSnapshotSharedLister.NodeInfos(), victims: s.victims}
}

type confinedNodes struct {
	fwk.NodeInfoLister
	victims sets.Set[types.UID]
}

// List returns all nodes, each with the pods that may be taken from it and no other.
func (n *confinedNodes) List() ([]fwk.NodeInfo, error) {
	nodes, err := n.NodeInfoLister.List()
	list := make([]fwk.NodeInfo, 0, len(nodes))
	for _, info := range nodes {
		shown := &onlySome{NodeInfo: info}
		for _, podInfo := range info.GetPods() {
			if n.victims.Has(podInfo.GetPod().UID) {
				shown.pods = append(shown.pods, podInfo)
			}
		}
		list = append(list, shown)
	}
	return list, err
}

// onlySome is a node that shows some of its pods.
type onlySome struct {
	fwk.NodeInfo
	pods []fwk.PodInfo
}

// GetPods returns the pods that the node shows.
func (o *onlySome) GetPods() []fwk.PodInfo {
	return o.pods
}

// whole returns the node with all its pods.
func whole(info fwk.NodeInfo) fwk.NodeInfo {
	if shown, ok := info.(*onlySome); ok {
		return shown.NodeInfo
	}
	return info
}
