package holes

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Query asks what is kept on a node.
type Query struct {
	// Node is its name.
	Node string
	// Pod is the pod that wants room there; nothing is kept from itself.
	Pod types.UID
	// Placeholder says that the pod is one.
	Placeholder bool
	// Insists says that the placeholder does not heed the pods to which placeholders yield.
	Insists bool
	// Priority of the pod, if it is no placeholder.
	Priority int32
	// Present reports whether the scheduler's view of the node shows a pod: what that takes is not free anyway.
	Present func(types.UID) bool
}

// Kept is what is kept on a node for others.
type Kept struct {
	// Pods are those that room is kept for. Where it is not known for which, the victim stands in for it, with the priority of the most
	// important pod that it may be for.
	Pods []fwk.PodInfo
	// Young is the room that has not been free for long enough, in AllowedPodNumber the number of pods. It is nil if there is none.
	Young *framework.Resource
	// Yielded says that some of the pods are ones to which placeholders yield.
	Yielded bool
	// Until is when it is worth asking again, if nothing else happens before.
	Until time.Time
}

// Nothing reports whether all free room of the node is to be had.
func (k *Kept) Nothing() bool { return len(k.Pods) == 0 && k.Young == nil }

// Known reports whether there is any node on which something is kept. It costs nothing, as most often there is none.
func (n *Nodes) Known(placeholder bool) bool {
	if placeholder {
		return n.known.Load() > 0
	}
	return n.foreign.Load() > 0
}

// BesideOthers reports whether there are pods that other schedulers bind.
func (n *Nodes) BesideOthers() bool { return n.others.Load() }

// Unsure reports until when it is not known which room is young, because pods have been followed for less than FreeFor: any room may be
// that of a victim that went before, for a pod whose nomination nobody has seen yet. It is never so where no other scheduler binds pods.
func (n *Nodes) Unsure() (until time.Time, is bool) {
	if !n.others.Load() {
		return time.Time{}, false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	until = n.since.Add(FreeFor)
	return until, n.Clock.Now().Before(until)
}

// Kept returns what is kept on a node.
func (n *Nodes) Kept(q Query) (kept Kept) {
	now := n.Clock.Now()
	n.mu.RLock()
	defer n.mu.RUnlock()
	on := n.nodes[q.Node]
	if on == nil || !q.Placeholder && !on.foreign {
		return kept
	}
	until := func(expires time.Time) {
		if kept.Until.IsZero() || expires.Before(kept.Until) {
			kept.Until = expires
		}
	}
	for i := range on.nominated {
		is := &on.nominated[i]
		pod := is.info.Pod
		if pod.UID == q.Pod || now.Sub(is.at) >= NominationLasts || q.Present(pod.UID) ||
			!q.Placeholder && (n.Own(is.scheduler) || corev1helpers.PodPriority(pod) < q.Priority) {
			continue
		}
		kept.Pods = append(kept.Pods, is.info)
		until(is.at.Add(NominationLasts))
	}
	for _, h := range uncovered(on.holes, on.covers, now) {
		priority, some := n.highestWaiting(h.scheduler)
		if q.Present(h.victim.Pod.UID) || !q.Placeholder && (n.Own(h.scheduler) || !some || priority < q.Priority) {
			continue
		}
		kept.Pods = append(kept.Pods, standIn(h.victim, priority))
		until(h.at.Add(HoleLasts))
	}
	if q.Placeholder && !q.Insists {
		for _, y := range on.yields {
			if uid := y.info.GetPod().UID; now.Before(y.until) && !q.Present(uid) && n.nominatedTo[uid] != q.Node {
				kept.Pods, kept.Yielded = append(kept.Pods, y.info), true
				until(y.until)
			}
		}
	}
	if q.Placeholder && n.others.Load() {
		if amount := young(on.changes, q.Present, now.Add(-FreeFor)); !nothing(amount) {
			kept.Young = amount
			until(on.changes[len(on.changes)-1].at.Add(FreeFor))
		}
	}
	return kept
}

// standIn returns a pod that takes as much as the victim.
func standIn(victim *framework.PodInfo, priority int32) fwk.PodInfo {
	info, pod := *victim, *victim.Pod
	pod.Spec.Priority = &priority
	pod.Status = corev1.PodStatus{}
	info.Pod = &pod
	return &info
}
