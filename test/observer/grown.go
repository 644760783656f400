package observer

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
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
	if isLarger(pod, before) {
		r.resizedAt[pod.UID] = event.At
	}
	node := r.nodes[pod.Spec.NodeName]
	if !isLarger(asAllocated(pod), asAllocated(before)) || node == nil {
		return
	}
	others, property := r.podsOnBut(node.Name, pod), "P5"
	// A kubelet that grows a pod and a scheduler that binds another one do not see what the other is about to do.
	if slices.ContainsFunc(others, func(other *corev1.Pod) bool { return r.unseen(r.boundAt[other.UID], event.At) }) {
		property = "race"
	}
	r.checkOvercommit(event.Revision, node, append(others, asAllocated(pod)), property)
}

// isLarger reports whether a pod requests more of something than before.
func isLarger(pod, before *corev1.Pod) bool {
	was := requestsOf([]*corev1.Pod{before})
	for name, quantity := range requestsOf([]*corev1.Pod{pod}) {
		if quantity.Cmp(was[name]) > 0 {
			return true
		}
	}
	return false
}

// shrinkage is a pod that was made smaller, as it was before that.
type shrinkage struct {
	pod *corev1.Pod
	at  time.Time
}

// noteShrunk remembers what a pod that asks for less now, or has less, was before.
func (r *Replay) noteShrunk(event Event, before *corev1.Pod) {
	if before == nil || !isLarger(before, event.Pod) && !isLarger(asAllocated(before), asAllocated(event.Pod)) {
		return
	}
	if last, is := r.shrunk[event.Pod.UID]; is && event.At.Sub(last.at) <= blindest {
		before = last.pod // neither may be known
	}
	r.shrunk[event.Pod.UID] = shrinkage{before, event.At}
}

// beforeItShrank returns a pod as it was before it was made smaller, unless that is known.
func (r *Replay) beforeItShrank(pod *corev1.Pod, known func(time.Time) bool) *corev1.Pod {
	if last, is := r.shrunk[pod.UID]; is && !known(last.at) {
		return last.pod
	}
	return pod
}

// letGo takes note of a pod that is gone before it said which of the placeholders that it was about to take it took.
func (r *Replay) letGo(pod *corev1.Pod) {
	for uid := range strings.SplitSeq(pod.Annotations[takingAnnotation], ",") {
		if uid != "" {
			r.taking(types.UID(uid)).explained = true
		}
	}
}
