package observer

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// decidedBefore is how long before a victim is marked the pod may have been bound that it was preempted for, if that found room elsewhere.
const decidedBefore = 5 * time.Second

// checkReserved judges the mark that a preemption leaves on a reserved unit: it must be for a pod of higher priority than the unit's.
func (r *Replay) checkReserved(e Event) {
	unit := e.Pod
	if !placeholder.IsReserved(unit) {
		return
	}
	above := func(pod *corev1.Pod) bool { return priority(pod) > priority(unit) && r.comesFor(pod, unit) }
	for _, pod := range r.pods {
		if above(pod) && (pod.Spec.NodeName == "" || e.At.Sub(r.boundAt[pod.UID]) < decidedBefore) {
			return
		}
	}
	if slices.ContainsFunc(r.waited, func(d departure) bool { return above(d.pod) }) {
		return
	}
	r.report("P1", unit, e.Revision, "reserved unit %s on node %s was preempted, and no pod of a priority above %d waits for that",
		name(unit), unit.Spec.NodeName, priority(unit))
}

// isStolen reports whether a pod, just bound to a node, took a reserved unit there, and a pod of another scheduler was bound to the node since
// the unit went: to the room that was meant for the first one.
func (r *Replay) isStolen(node *corev1.Node, pod *corev1.Pod) bool {
	value, _, _ := strings.Cut(pod.Annotations[tookAnnotation], "+")
	for uid := range strings.SplitSeq(value, ",") {
		t := r.takings[types.UID(uid)]
		if t == nil || t.placeholder == nil || !placeholder.IsReserved(t.placeholder) {
			continue
		}
		if slices.ContainsFunc(r.podsOnBut(node.Name, pod), func(other *corev1.Pod) bool {
			return !isGuard(other) && other.Spec.SchedulerName != pod.Spec.SchedulerName && r.boundAt[other.UID].After(t.gone)
		}) {
			return true
		}
	}
	return false
}
