package observer

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

const (
	// holeLasts is how long room that a preemption makes is kept for a preemptor that nobody knows yet.
	holeLasts = 30 * time.Second
	// nominationLasts is how long a nomination counts on which nothing changes.
	nominationLasts = 5 * time.Minute
	// nominatedBefore is how long before its victims are marked a preemptor may be nominated.
	nominatedBefore = 5 * time.Second
)

// hole is room that a scheduler's preemption makes.
type hole struct {
	victim *corev1.Pod
	at     time.Time
}

// openHole takes note of a victim of a preemption, when it is marked. Where the pod that it is made for is nominated already, the room is
// that pod's from the beginning.
func (r *Replay) openHole(at time.Time, victim *corev1.Pod) {
	for _, pod := range r.pods {
		if pod.Status.NominatedNodeName == victim.Spec.NodeName && pod.Spec.NodeName == "" && r.comesFor(pod, victim) &&
			!r.nominatedAt[pod.UID].Before(at.Add(-nominatedBefore)) {
			return
		}
	}
	open := slices.DeleteFunc(r.holes[victim.Spec.NodeName], func(h hole) bool { return at.Sub(h.at) > holeLasts })
	r.holes[victim.Spec.NodeName] = append(open, hole{victim: victim, at: at})
}

// closeHoles ends the holes of a node when a pod that they may be for is nominated to it or bound to it: the room is that pod's then, and
// when it leaves, it is anybody's.
func (r *Replay) closeHoles(node string, pod *corev1.Pod) {
	r.holes[node] = slices.DeleteFunc(r.holes[node], func(h hole) bool { return r.comesFor(pod, h.victim) })
}

// comesFor reports whether a victim may have been preempted for the pod: by its scheduler, and for no placeholder.
func (r *Replay) comesFor(pod, victim *corev1.Pod) bool {
	scheduler, _, _ := strings.Cut(markOf(victim).Message, ":")
	return pod.Spec.SchedulerName == scheduler && !r.isPlaceholder(pod)
}

// checkHoles judges the bind of a placeholder: it must not need room that a preemption made for somebody else (P15).
func (r *Replay) checkHoles(e Event, node *corev1.Node, others []*corev1.Pod) {
	unit := e.Pod
	if !r.rules.Holes || !r.isPlaceholder(unit) {
		return
	}
	var staying, promised []*corev1.Pod
	for _, other := range others {
		if !preempted(other) {
			staying = append(staying, other)
		}
	}
	for _, pod := range r.pods {
		if pod.Status.NominatedNodeName == node.Name && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && !r.isPlaceholder(pod) &&
			e.At.Sub(r.nominatedAt[pod.UID]) < nominationLasts {
			promised = append(promised, pod)
		}
	}
	for _, h := range r.holes[node.Name] {
		if e.At.Sub(h.at) <= holeLasts && h.victim.UID != unit.UID {
			promised = append(promised, h.victim)
		}
	}
	if len(promised) == 0 {
		return
	}
	slices.SortFunc(promised, byName)
	wanted := resource.PodRequests(unit, resource.PodResourcesOptions{})
	sum := requestsOf(slices.Concat(staying, promised, []*corev1.Pod{unit}))
	for name := range wanted {
		total, allocatable := sum[name], node.Status.Allocatable[name]
		if total.Cmp(allocatable) > 0 {
			r.report("P15", unit, e.Revision, "placeholder %s was bound to node %s into room that a preemption made for another pod: "+
				"with it, %s of %s %s are taken or promised; promised to or left by %s", unit.Name, node.Name, total.String(), allocatable.String(),
				name, names(promised))
			return
		}
	}
}

func requestsOf(pods []*corev1.Pod) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for _, pod := range pods {
		for name, quantity := range resource.PodRequests(pod, resource.PodResourcesOptions{}) {
			total := sum[name]
			total.Add(quantity)
			sum[name] = total
		}
	}
	return sum
}

// markOf returns the condition that a victim of a preemption carries, empty if the pod is none.
func markOf(pod *corev1.Pod) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == corev1.PodReasonPreemptionByScheduler {
			return c
		}
	}
	return corev1.PodCondition{}
}
