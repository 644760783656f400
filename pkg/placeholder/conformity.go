package placeholder

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// NoStep says in one clause that a placeholder of a Headroom with a ladder is of none of its PriorityClasses; it is empty if it is of one.
func NoStep(pod *corev1.Pod) string {
	if v1alpha1.IsLadderPriorityClass(pod.Spec.PriorityClassName) {
		return ""
	}
	return fmt.Sprintf("its PriorityClass is %q, which is no step of the ladder", pod.Spec.PriorityClassName)
}

// Deviation says in one clause in which field a placeholder is not what its Headroom's requests and the value of its PriorityClass
// say now; it is empty if it conforms. Admission can have changed it, or somebody has made the PriorityClass anew. Requests of
// resources that the Headroom does not name are left alone, since a LimitRange adds them, and so is the image, which mirrors change.
//
// Whether a pod is a placeholder at all is another question, see HeadroomOf: one that deviates still is one, and can be taken.
func Deviation(pod *corev1.Pod, requests corev1.ResourceList, priority int32) string {
	if got := pod.Spec.Priority; got != nil && *got != priority { // nil: the cluster has no admission of priorities
		return fmt.Sprintf("its priority is %d and that of its PriorityClass %d", *got, priority)
	}
	if len(pod.Spec.InitContainers) > 0 {
		return "it has the init container " + pod.Spec.InitContainers[0].Name
	}
	for i := range pod.Spec.Containers {
		if name := pod.Spec.Containers[i].Name; name != containerName {
			return "it has the container " + name
		}
	}
	if len(pod.Spec.Containers) != 1 {
		return "it does not have exactly one container"
	}
	if pod.Spec.Resources != nil && len(pod.Spec.Resources.Requests) > 0 {
		return "it has requests of the whole pod"
	}
	got := pod.Spec.Containers[0].Resources.Requests
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		want, has := requests[name], got[name]
		if has.Cmp(want) != 0 {
			return fmt.Sprintf("it requests %s of %s instead of %s", has.String(), name, want.String())
		}
	}
	return ""
}
