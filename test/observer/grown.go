package observer

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// asAllocated returns the pod as it is to its kubelet: asking for what was allocated to it, not for what it shall have after a resize that
// waits. A pod of which no kubelet has said what that is asks for what it asks for.
func asAllocated(pod *corev1.Pod) *corev1.Pod {
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	if !slices.ContainsFunc(statuses, func(s corev1.ContainerStatus) bool { return s.AllocatedResources != nil }) {
		return pod
	}
	held := pod.DeepCopy()
	for _, containers := range [][]corev1.Container{held.Spec.InitContainers, held.Spec.Containers} {
		for i := range containers {
			for _, status := range statuses {
				if status.Name == containers[i].Name && status.AllocatedResources != nil {
					containers[i].Resources.Requests = status.AllocatedResources
				}
			}
		}
	}
	return held
}

// checkGrown judges what a kubelet has newly allocated to a pod that runs (P5), and notes what the pod took for that.
func (r *Replay) checkGrown(event Event, before *corev1.Pod) {
	pod := event.Pod
	if before == nil || before.Spec.NodeName == "" || !holdsRoom(pod) {
		return
	}
	if pod.Annotations[tookAnnotation] != before.Annotations[tookAnnotation] {
		r.credit(event)
	}
	was, is := requestsOf([]*corev1.Pod{asAllocated(before)}), requestsOf([]*corev1.Pod{asAllocated(pod)})
	grew := false
	for name, quantity := range is {
		grew = grew || quantity.Cmp(was[name]) > 0
	}
	node := r.nodes[pod.Spec.NodeName]
	if !grew || node == nil {
		return
	}
	others := slices.DeleteFunc(r.podsOn(node.Name), func(other *corev1.Pod) bool { return other.UID == pod.UID })
	r.checkOvercommit(event.Revision, node, append(others, asAllocated(pod)))
}
