package headroom

import (
	"context"
	"math"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
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
	if c.place != "" && c.place != info.Node().Name {
		return fwk.NewStatus(fwk.Unschedulable, reasonPlaced)
	}
	if victims := c.victimsOn(info.Node().Name); len(victims) > 0 {
		return p.fits(ctx, state, c, pod, dryrun.NodeWithout(info, victims))
	}
	if c.preemptor != nil {
		return p.filterPreempting(ctx, state, c, info)
	}
	return p.fits(ctx, state, c, pod, info)
}

const (
	// reasonKept is why a node is not for a pod although it has the room, reasonYoung why it is not for a placeholder.
	reasonKept  = "room is kept for another pod"
	reasonYoung = "room has not been free for 2 seconds, and another scheduler may be about to use it"
	// reasonUnsure is why no node is for a placeholder just after the start.
	reasonUnsure = "the scheduler has just started, and another one may be about to use the room"
	// reasonNotFree is why a placeholder is not bound where it was to go.
	reasonNotFree = "the room was given to another pod before the placeholder was bound"
)

// keptFrom is what a cycle remembers of room that is kept for others.
type keptFrom struct {
	// placeholder says that the pod is one, insists that it yields no more.
	placeholder, insists bool
	// chosen is the node that was chosen for a placeholder, as the cycle saw it.
	chosen fwk.NodeInfo

	// Filter asks about many nodes at once.
	mu sync.Mutex
	// until is when it is worth trying again, zero if no room was kept from the pod.
	until time.Time
	// nodes are where room was kept from it.
	nodes []string
	// yielded says that some of it was kept for pods to which placeholders yield.
	yielded bool
}

// maxKeptNodes is for how many nodes a pod is tried again before its time has come, if they are released.
const maxKeptNodes = 16

func (k *keptFrom) note(node string, until time.Time, yielded bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.yielded = k.yielded || yielded
	if k.until.IsZero() || until.Before(k.until) {
		k.until = until
	}
	if len(k.nodes) < maxKeptNodes {
		k.nodes = append(k.nodes, node)
	}
}

// fits asks NodeResourcesFit about a node on which nothing is free that is kept for others, nor anything for placeholders just after the
// start. The cycle is nil in dry runs.
func (p *Plugin) fits(ctx context.Context, state fwk.CycleState, c *cycle, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	status := p.fitsBesideKept(ctx, state, c, pod, info)
	if c == nil || !c.kept.placeholder || !status.IsSuccess() {
		return status
	}
	if until, unsure := p.shared.holes.Unsure(); unsure {
		c.kept.note(info.Node().Name, until, false)
		return fwk.NewStatus(fwk.Unschedulable, reasonUnsure)
	}
	return status
}

// fitsBesideKept is fits without regard to the start.
func (p *Plugin) fitsBesideKept(ctx context.Context, state fwk.CycleState, c *cycle, pod *corev1.Pod, info fwk.NodeInfo) *fwk.Status {
	var from *keptFrom
	if c != nil {
		from = &c.kept
	}
	if !p.shared.holes.Known(from.isPlaceholder()) {
		return p.fitting.Filter(ctx, state, pod, info)
	}
	kept := p.keptOn(pod, from, info)
	if kept.Nothing() {
		return p.fitting.Filter(ctx, state, pod, info)
	}
	status := p.fitting.Filter(ctx, state, pod, dryrun.NodeWith(info, kept.Pods, kept.Young))
	if c == nil || !status.IsRejected() {
		return status
	}
	if plain := p.fitting.Filter(ctx, state, pod, info); !plain.IsSuccess() {
		return plain
	}
	c.kept.note(info.Node().Name, kept.Until, kept.Yielded)
	if len(kept.Pods) == 0 {
		return fwk.NewStatus(fwk.Unschedulable, reasonYoung)
	}
	return fwk.NewStatus(fwk.Unschedulable, reasonKept)
}

// isPlaceholder reports whether the pod of the cycle is a placeholder. It is not in a dry run, which has no cycle.
func (k *keptFrom) isPlaceholder() bool { return k != nil && k.placeholder }

// keptOn returns what is kept from a pod on a node. from is nil in dry runs.
func (p *Plugin) keptOn(pod *corev1.Pod, from *keptFrom, info fwk.NodeInfo) holes.Kept {
	priority := int32(math.MinInt32)
	if pod.Spec.Priority != nil {
		priority = *pod.Spec.Priority
	}
	return p.shared.holes.Kept(holes.Query{
		Node: info.Node().Name, Pod: pod.UID, Placeholder: from.isPlaceholder(), Insists: from.isPlaceholder() && from.insists,
		Priority: priority,
		Present:  func(uid types.UID) bool { return present(info, uid) },
	})
}

func present(info fwk.NodeInfo, uid types.UID) bool {
	for _, podInfo := range info.GetPods() {
		if podInfo.GetPod().UID == uid {
			return true
		}
	}
	return false
}

// postpone has a pod from which room was kept tried again when that may have changed.
func (p *Plugin) postpone(c *cycle, pod *corev1.Pod) {
	c.kept.mu.Lock()
	defer c.kept.mu.Unlock()
	if c.kept.until.IsZero() {
		return
	}
	until := c.kept.until
	if c.kept.yielded {
		if last := p.shared.unscheduled.Delay(pod.UID, p.clock.Now()); last.Before(until) {
			until = last
		}
	}
	p.shared.postponed.Add(pod, until, c.kept.nodes)
}

// noteChosen keeps the node that was chosen for a placeholder as it is now, for the second look.
func (p *Plugin) noteChosen(state fwk.CycleState, node string) {
	c := cycleOf(state)
	if c == nil || !c.kept.placeholder {
		return
	}
	if info, err := p.handle.SnapshotSharedLister().NodeInfos().Get(node); err == nil {
		c.kept.chosen = info.Snapshot()
	}
}

// lookTwice looks once more, just before a placeholder is bound, whether its room was given to another pod since the cycle began.
func (p *Plugin) lookTwice(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) *fwk.Status {
	c := cycleOf(state)
	if c == nil || c.kept.chosen == nil {
		return nil
	}
	p.shared.awaitDepartures(ctx, c.kept.chosen.Node().Name)
	kept := p.keptOn(pod, &c.kept, c.kept.chosen)
	if kept.Nothing() || p.fitting.Filter(ctx, state, pod, dryrun.NodeWith(c.kept.chosen, kept.Pods, kept.Young)).IsSuccess() {
		return nil
	}
	klog.FromContext(ctx).V(3).Info("Placeholder is not bound", "pod", klog.KObj(pod), "node", c.kept.chosen.Node().Name,
		"reason", reasonNotFree)
	return fwk.NewStatus(fwk.Unschedulable, reasonNotFree)
}

// withForeign is the framework of a profile, with the pods of other schedulers among those that are nominated to a node.
type withForeign struct {
	framework.Framework
	shared *shared
}

// NominatedPodsForNode returns the pods that are nominated to a node by whatever scheduler.
func (f *withForeign) NominatedPodsForNode(node string) []fwk.PodInfo {
	nominated := f.Framework.NominatedPodsForNode(node)
	if !f.shared.holes.Known(false) {
		return nominated
	}
	info, err := f.SnapshotSharedLister().NodeInfos().Get(node)
	if err != nil {
		return nominated
	}
	kept := f.shared.holes.Kept(holes.Query{
		Node: node, Priority: math.MinInt32, Present: func(uid types.UID) bool { return present(info, uid) },
	})
	return append(nominated, kept.Pods...)
}
