package observer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/resource"
)

const (
	// holeLasts is how long room that a preemption makes is kept for a preemptor that nobody knows yet.
	holeLasts = 30 * time.Second
	// nominationLasts is how long a nomination counts on which nothing changes.
	nominationLasts = 5 * time.Minute
	// nominationSeen is how long a scheduler may not have seen a nomination that is in the history.
	nominationSeen = time.Second
	// nominatedBefore is how long before its victims are marked a preemptor may be nominated.
	nominatedBefore = 5 * time.Second
)

// hole is room that a scheduler's preemption makes.
type hole struct {
	victim *corev1.Pod
	at     time.Time
}

// openHole takes note of a victim of a preemption, when it is marked. Where the pod that it is made for is nominated already, the room is
// that pod's from the beginning, and anybody's if it is gone since: victims are marked one after another.
func (r *Replay) openHole(at time.Time, victim *corev1.Pod) {
	nominated := func(pod *corev1.Pod, since time.Time) bool {
		return pod.Status.NominatedNodeName == victim.Spec.NodeName && pod.Spec.NodeName == "" && r.comesFor(pod, victim) &&
			!since.Before(at.Add(-nominatedBefore))
	}
	for _, pod := range r.pods {
		if nominated(pod, r.nominatedAt[pod.UID]) {
			return
		}
	}
	if slices.ContainsFunc(r.waited, func(d departure) bool { return nominated(d.pod, d.nominated) }) {
		return
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
	staying := slices.DeleteFunc(slices.Clone(others), preempted)
	// A bind may have been decided just before a nomination that comes before it in the history, but only into room that was free then.
	young := e.At.Add(-nominationSeen)
	if short, _ := exceeded(unit, node, slices.Concat(others, r.victimsGone(node.Name, young))); short != "" {
		young = e.At
	}
	promised := r.promised(node.Name, e.At, young)
	if name, total := exceeded(unit, node, slices.Concat(staying, promised)); name != "" && len(promised) > 0 {
		allocatable := node.Status.Allocatable[name]
		r.report("P15", unit, e.Revision, "placeholder %s was bound to node %s into room that a preemption made for another pod: "+
			"with it, %s of %s %s are taken or promised; promised to or left by %s", unit.Name, node.Name, total.String(), allocatable.String(),
			name, names(promised))
	}
}

// promised are the pods that room of the node is kept for: those that were nominated to it by then, and, where that is not known, the
// victims of the preemption in their place.
func (r *Replay) promised(node string, now, nominatedBy time.Time) []*corev1.Pod {
	var promised []*corev1.Pod
	for _, pod := range r.pods {
		at := r.nominatedAt[pod.UID]
		if pod.Status.NominatedNodeName == node && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && !r.isPlaceholder(pod) &&
			!r.seenBy(at).After(nominatedBy) && now.Sub(at) < nominationLasts {
			promised = append(promised, pod)
		}
	}
	for _, h := range r.holes[node] {
		if now.Sub(h.at) <= holeLasts && !r.restarted(h.at, now) && !r.goesElsewhere(h.victim, node) {
			promised = append(promised, h.victim)
		}
	}
	slices.SortFunc(promised, byName)
	return promised
}

// seenBy is when, at the latest, a scheduler that binds placeholders saw what was in the history at that time, but for what it may always be
// behind.
func (r *Replay) seenBy(at time.Time) time.Time {
	if r.rules.SeenBy == nil {
		return at
	}
	return r.rules.SeenBy(at)
}

// goesElsewhere reports whether the pod that a victim of the node was preempted for needs the room no longer: it is gone, or goes to another
// node.
func (r *Replay) goesElsewhere(victim *corev1.Pod, node string) bool {
	uid, known := r.preemptors[victim.UID]
	if !known {
		return false
	}
	preemptor := r.pods[uid]
	return preemptor == nil || cmp.Or(preemptor.Spec.NodeName, preemptor.Status.NominatedNodeName, node) != node
}

func (r *Replay) restarted(from, to time.Time) bool {
	return r.rules.Restarted != nil && r.rules.Restarted(from, to)
}

// victimsGone are the pods of the node that were preempted and have gone since then.
func (r *Replay) victimsGone(node string, since time.Time) []*corev1.Pod {
	var victims []*corev1.Pod
	for _, d := range r.gone {
		if d.pod.Spec.NodeName == node && preempted(d.pod) && d.at.After(since) {
			victims = append(victims, d.pod)
		}
	}
	return victims
}

// exceeded returns a resource that the unit requests and of which the node has less than the unit and the others request together, and how
// much that is; no name if it has enough.
func exceeded(unit *corev1.Pod, node *corev1.Node, others []*corev1.Pod) (corev1.ResourceName, resourceapi.Quantity) {
	sum := requestsOf(append(slices.Clone(others), unit))
	for name := range resource.PodRequests(unit, resource.PodResourcesOptions{}) {
		if total := sum[name]; total.Cmp(node.Status.Allocatable[name]) > 0 {
			return name, total
		}
	}
	return "", resourceapi.Quantity{}
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
