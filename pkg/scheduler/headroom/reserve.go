package headroom

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/pkg/metrics"
	"github.com/headroom-dev/headroom/pkg/scheduler/gang"
	"github.com/headroom-dev/headroom/pkg/scheduler/guard"
	"github.com/headroom-dev/headroom/pkg/scheduler/holes"
	"github.com/headroom-dev/headroom/pkg/scheduler/waiting"
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
		if info, err := p.handle.SnapshotSharedLister().NodeInfos().Get(node); err == nil {
			s.place = guard.NodeOf(info)
		}
	}
	p.noteAssumed(state, pod)
	return nil
}

// Unreserve gives the victims back, as far as they still exist.
func (p *Plugin) Unreserve(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) {
	p.noteSimulation(state, node)
	p.noteUnassumed(ctx, state, pod)
	s := swapOn(state, node)
	if s == nil {
		return
	}
	s.endGuard()
	p.shared.reservations.Release(pod.UID, s.Victims)
	if p.isGone(pod) {
		p.shared.credits.Settle(pod.UID) // what it evicted in the end was noted after its own end
	}
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
	// maxYieldKinds is for how many kinds of waiting pods, of those that would fit by their requests, all Filter plugins are asked, the most
	// important first.
	maxYieldKinds = 64
)

// yields has a placeholder leave the node that was chosen for it to pods that wait, if there are any that could be bound there
// and could not be any more once the placeholder is: one of them, or all together. These are tried again at once; the room is kept from
// placeholders until they are bound, but not for long.
func (p *Plugin) yields(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	c := cycleOf(state)
	if c == nil || !c.kept.placeholder || c.kept.insists {
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
	now, kept := p.clock.Now(), p.keptOn(pod, &c.kept, info).Pods
	room := holes.RoomOf(info, unit, kept)
	before := p.goBefore(ctx, info, room, p.shared.unscheduled.Matching(now, func(other *framework.PodInfo) bool {
		keptFor := func(is fwk.PodInfo) bool { return is.GetPod().UID == other.Pod.UID }
		return !p.shared.isPlaceholder(other.Pod) && room.Fits(other) && !slices.ContainsFunc(kept, keptFor)
	}))
	if len(before) == 0 {
		return nil
	}
	again, uids := map[string]*corev1.Pod{}, make([]types.UID, 0, len(before))
	for _, other := range before {
		p.shared.holes.Yield(node, other.PodInfo, p.shared.unscheduled.Yield(other.Pod.UID, now))
		again[other.Pod.Namespace+"/"+other.Pod.Name] = other.Pod
		uids = append(uids, other.Pod.UID)
	}
	p.shared.unscheduled.Delay(pod.UID, now, uids...)
	p.shared.postponed.Add(pod, now, []string{node})
	klog.FromContext(ctx).V(3).Info("A placeholder yields to pods that wait", "placeholder", klog.KObj(pod),
		"pods", len(before), "first", klog.KObj(before[0].Pod), "node", node)
	p.handle.Activate(klog.FromContext(ctx), again)
	return fwk.NewStatus(fwk.Unschedulable, reasonYields)
}

// goBefore returns those of some pods that wait, each of which fits on a node, beside which that has no room for a placeholder; none if the
// placeholder may have it.
func (p *Plugin) goBefore(ctx context.Context, info fwk.NodeInfo, room *holes.Room, waits []waiting.Waiting) (before []waiting.Waiting) {
	passes := map[string]bool{} // kinds of pods
	for _, other := range waits {
		pass, known := passes[other.Kind]
		if !known && len(passes) == maxYieldKinds {
			break
		}
		if !known {
			run := p.profile.NewRunApart(other.Pod)
			pass = run.Start(ctx) && run.Passes(ctx, info, nil)
			passes[other.Kind] = pass
		}
		if !pass {
			continue
		}
		fits, contends := room.Give(other.PodInfo)
		switch {
		case fits:
			before = append(before, other)
		case contends:
			before = []waiting.Waiting{other} // it has no room together with those before it
		}
		if contends {
			return before
		}
	}
	return nil
}

// permits reports whether the profile has the plugin under permit, without which the members of a group could not wait for each other.
func (p *Plugin) permits() bool {
	p.checkPermitOnce.Do(func() {
		p.permitted = slices.ContainsFunc(p.handle.ListPlugins().Permit.Enabled, func(plugin schedulerconfig.Plugin) bool {
			return plugin.Name == Name
		})
	})
	return p.permitted
}

// begin gives the members of a group their places: it reserves the units, keeps the room on the nodes from other pods, and has those
// members tried that come after the first. Nothing is written: once a member waits in Permit, kube-scheduler nominates it to its node, by
// which everybody else knows.
func (p *Plugin) begin(ctx context.Context, first *corev1.Pod, group *gang.Group, plan *gang.Plan) *gang.Attempt {
	attempt := &gang.Attempt{
		Group: group.Name, Places: map[types.UID]*gang.Place{}, Units: plan.Units, Headrooms: plan.Headrooms,
		Deadline: time.Now().Add(group.Timeout), Handle: p.handle,
	}
	members := map[string]*corev1.Pod{}
	for _, place := range plan.Places {
		attempt.Places[place.Pod.UID] = place
		if place.Pod.UID != first.UID {
			members[place.Pod.Namespace+"/"+place.Pod.Name] = place.Pod
		}
		if units := plan.Units[place.Node]; len(units) > 0 {
			p.shared.reservations.Reserve(place.Pod.UID, units)
		}
		p.nominate(ctx, place.Pod, place.Node)
	}
	background := context.WithoutCancel(ctx)
	p.shared.attempts.Begin(attempt, func() {
		p.shared.giveUp(background, attempt, fmt.Sprintf("not all members had their nodes within %s", group.Timeout))
	})
	klog.FromContext(ctx).V(2).Info("Group has its places", "podGroup", klog.KRef(group.Name.Namespace, group.Name.Name),
		"pods", len(plan.Places), "headrooms", plan.Headrooms)
	p.handle.Activate(klog.FromContext(ctx), members)
	return attempt
}

// giveUp ends an attempt: everything that is reserved is given back, and the members that wait in Permit are turned away. The group is
// tried again after a while, other groups at once.
func (s *shared) giveUp(ctx context.Context, attempt *gang.Attempt, why string) {
	arrived, again, ok := s.attempts.End(attempt)
	if !ok {
		return
	}
	klog.FromContext(ctx).V(2).Info("Group is given up", "podGroup", klog.KRef(attempt.Group.Namespace, attempt.Group.Name), "reason", why)
	for uid, place := range attempt.Places {
		s.reservations.Release(uid, attempt.Units[place.Node])
		if !arrived.Has(uid) {
			attempt.Handle.DeleteNominatedPodIfExists(place.Pod)
		}
	}
	for _, pod := range s.podsOf(attempt.Group) {
		if pod.Spec.NodeName == "" {
			s.postponed.Add(pod, time.Now().Add(again), nil)
		}
	}
	s.reject(ctx, attempt.Handle, arrived, why)
	s.release(ctx, attempt)
}

// rejectTimeout is how long a member is looked for that is on its way from Permit to where pods wait.
const rejectTimeout = 5 * time.Second

// reject turns members away that are in Permit. One that has just been there may not wait yet.
func (s *shared) reject(ctx context.Context, handle fwk.Handle, arrived sets.Set[types.UID], why string) {
	reject := func() {
		for uid := range arrived {
			if waiting := handle.GetWaitingPod(uid); waiting != nil {
				waiting.Reject(Name, "its group is given up: "+why)
				arrived.Delete(uid)
			} else if !s.attempts.Assumed(uid) {
				arrived.Delete(uid)
			}
		}
	}
	if reject(); arrived.Len() == 0 {
		return
	}
	go func() {
		_ = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, rejectTimeout, false, func(context.Context) (bool, error) {
			reject()
			return arrived.Len() == 0, nil
		})
	}()
}

// release lets other groups have what an attempt held.
func (s *shared) release(ctx context.Context, attempt *gang.Attempt) {
	var next []types.NamespacedName
	s.attempts.Turns(func(turns *gang.Turns) { next = turns.Release(attempt.Group, time.Now()) })
	s.activateGroups(ctx, attempt.Handle, next...)
}

// Permit has the members of a group that takes headroom wait for each other. All other pods pass.
func (p *Plugin) Permit(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, _ string) (*fwk.Status, time.Duration) {
	c := cycleOf(state)
	if c == nil || c.member == nil || c.member.attempt == nil {
		return nil, 0
	}
	attempt := c.member.attempt
	others, complete, ok := p.shared.attempts.Arrive(attempt, pod.UID)
	switch {
	case !ok:
		return fwk.NewStatus(fwk.Unschedulable, "its group was given up"), 0
	case !complete:
		return fwk.NewStatus(fwk.Wait, "the pod waits for the other pods of its group"), max(time.Second, time.Until(attempt.Deadline))
	}
	for _, uid := range others {
		if waiting := p.handle.GetWaitingPod(uid); waiting != nil {
			waiting.Allow(Name)
		}
	}
	klog.FromContext(ctx).V(2).Info("Group takes headroom", "podGroup", klog.KRef(attempt.Group.Namespace, attempt.Group.Name),
		"pods", len(attempt.Places), "headrooms", attempt.Headrooms)
	p.shared.release(ctx, attempt)
	p.shared.activateGroups(ctx, p.handle, attempt.Group) // more members than are needed
	return nil, 0
}

// noteAssumed notes that a member of a group is about to be bound.
func (p *Plugin) noteAssumed(state fwk.CycleState, pod *corev1.Pod) {
	if _, ok := gang.NameOf(pod); ok && !state.IsPodGroupSchedulingCycle() {
		p.shared.attempts.Assume(pod.UID)
	}
}

// noteUnassumed notes that a member of a group is not bound after all. If the group has not all its members in Permit yet, it is given up.
func (p *Plugin) noteUnassumed(ctx context.Context, state fwk.CycleState, pod *corev1.Pod) {
	if _, ok := gang.NameOf(pod); ok && !state.IsPodGroupSchedulingCycle() {
		p.shared.attempts.Unassume(pod.UID)
		p.memberFailed(ctx, pod)
	}
}

// memberFailed gives the group up in which a pod has its place, if there is one.
func (p *Plugin) memberFailed(ctx context.Context, pod *corev1.Pod) {
	if attempt := p.shared.attempts.WithPod(pod.UID); attempt != nil {
		p.shared.giveUp(context.WithoutCancel(ctx), attempt, fmt.Sprintf("pod %s did not get its node", pod.Name))
	}
}

// memberChanged gives a group up of which a member that has its place is being deleted, or is of another group now.
func (s *shared) memberChanged(ctx context.Context, pod *corev1.Pod) {
	attempt := s.attempts.WithPod(pod.UID)
	if attempt == nil {
		return
	}
	if name, _ := gang.NameOf(pod); pod.DeletionTimestamp != nil || name != attempt.Group {
		s.giveUp(ctx, attempt, fmt.Sprintf("pod %s is no member any more", pod.Name))
	}
}

// gangLost gives a group up of which a member or a unit is gone that it has not taken yet.
func (s *shared) gangLost(ctx context.Context, pod *corev1.Pod) {
	if attempt := s.attempts.WithPod(pod.UID); attempt != nil {
		s.giveUp(ctx, attempt, fmt.Sprintf("pod %s is gone", pod.Name))
	}
	if attempt := s.attempts.WithUnit(pod.UID); attempt != nil && !s.reservations.Evicted(pod.UID) {
		s.giveUp(ctx, attempt, fmt.Sprintf("placeholder %s is gone", pod.Name))
	}
}
