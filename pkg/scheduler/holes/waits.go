package holes

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
)

// waiter is a pod of another scheduler that waits for a node.
type waiter struct {
	scheduler string
	priority  int32
}

// waitsFor notes that a pod of another scheduler waits for a node.
func (n *Nodes) waitsFor(pod *corev1.Pod) {
	if n.Own(pod.Spec.SchedulerName) {
		return
	}
	n.others.Store(true)
	if n.IsPlaceholder(pod) {
		return
	}
	is := waiter{pod.Spec.SchedulerName, corev1helpers.PodPriority(pod)}
	if n.waits[pod.UID] == is {
		return
	}
	n.waitsNoMore(pod.UID)
	n.waits[pod.UID] = is
	if n.waiting[is.scheduler] == nil {
		n.waiting[is.scheduler] = map[int32]int{}
	}
	n.waiting[is.scheduler][is.priority]++
}

func (n *Nodes) waitsNoMore(pod types.UID) {
	was, known := n.waits[pod]
	if !known {
		return
	}
	delete(n.waits, pod)
	if n.waiting[was.scheduler][was.priority]--; n.waiting[was.scheduler][was.priority] == 0 {
		delete(n.waiting[was.scheduler], was.priority)
	}
}

// highestWaiting returns the priority of the most important pod of a scheduler that waits for a node.
func (n *Nodes) highestWaiting(scheduler string) (highest int32, some bool) {
	for priority := range n.waiting[scheduler] {
		if !some || priority > highest {
			highest, some = priority, true
		}
	}
	return highest, some
}
