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

// guardSlots is how many pods more a node has to be able to have before a swap there has a guard: see docs/concepts/two-schedulers.md.
const guardSlots = 5

// isStolen reports whether a pod, just bound to a node, took a reserved unit there, and a pod of another scheduler was bound to the node since
// the unit went: to the room that was meant for the first one. A node without a slot for a guard has the race, as it is documented.
func (r *Replay) isStolen(node *corev1.Node, pod *corev1.Pod) bool {
	value, _, _ := strings.Cut(pod.Annotations[tookAnnotation], "+")
	uids := strings.Split(value, ",")
	for _, uid := range uids {
		t := r.takings[types.UID(uid)]
		if t == nil || t.placeholder == nil || !placeholder.IsReserved(t.placeholder) {
			continue
		}
		slots, stolen := int(node.Status.Allocatable.Pods().Value())-len(uids), false
		for _, other := range r.podsOnBut(node.Name, pod) {
			switch {
			case !r.boundAt[other.UID].After(t.gone):
				slots--
			case !isGuard(other) && other.Spec.SchedulerName != pod.Spec.SchedulerName:
				stolen = true
			}
		}
		if stolen && slots >= guardSlots {
			return true
		}
	}
	return false
}
