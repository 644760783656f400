package holes

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// needsNoMore notes that a pod is bound: nobody is preempted for it from then on.
func (n *Nodes) needsNoMore(pod *corev1.Pod, now time.Time) {
	if on := n.nodes[pod.Spec.NodeName]; on != nil {
		for i := range on.covers {
			if on.covers[i].uid == pod.UID {
				on.covers[i].bound = now
			}
		}
	}
}

// cover notes a pod that may be the one that holes were made for. A pod that was nominated and is bound is one.
func (on *onNode) cover(info *framework.PodInfo, now time.Time) {
	pod := info.Pod
	if slices.ContainsFunc(on.covers, func(known cover) bool { return known.uid == pod.UID }) {
		return
	}
	on.covers = append(on.covers, cover{
		uid: pod.UID, amount: amountOf(info), scheduler: pod.Spec.SchedulerName, priority: corev1helpers.PodPriority(pod), at: now,
	})
}
