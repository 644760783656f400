package growth

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/features"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

// Deferred returns the condition by which the kubelet says that it would grow a pod as it asks for if its node had the room, nil if it does
// not say so of what the pod asks for now: it has not judged the resize yet, has granted it, or never can.
func Deferred(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type != corev1.PodResizePending {
			continue
		}
		if c.Status != corev1.ConditionTrue || c.Reason != corev1.PodReasonDeferred ||
			c.ObservedGeneration != 0 && c.ObservedGeneration != pod.Generation {
			return nil
		}
		return c
	}
	return nil
}

// Allocated returns the pod as the kubelet counts it: asking for what was allocated to it, whatever it asks for by now. A pod that asks for
// just that, or of which the kubelet has not reported it, is returned as it is; any other as a copy, which has no status.
func Allocated(pod *corev1.Pod) *corev1.Pod {
	containers, first := allocatedTo(pod.Spec.Containers, pod.Status.ContainerStatuses)
	inits, second := allocatedTo(pod.Spec.InitContainers, pod.Status.InitContainerStatuses)
	resources, third := allocatedToPod(pod)
	if !first && !second && !third {
		return pod
	}
	held := *pod
	held.Spec.Containers, held.Spec.InitContainers, held.Spec.Resources = containers, inits, resources
	// The rest of the status says what the pod asks for as well, to those who add it up.
	held.Status = corev1.PodStatus{
		Phase: pod.Status.Phase, NodeAllocatableResourceClaimStatuses: pod.Status.NodeAllocatableResourceClaimStatuses,
	}
	return &held
}

// allocatedTo returns containers asking for what was allocated to them, and reports whether that is anything else.
func allocatedTo(containers []corev1.Container, statuses []corev1.ContainerStatus) (held []corev1.Container, differs bool) {
	for i := range containers {
		at := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == containers[i].Name })
		if at < 0 || statuses[at].AllocatedResources == nil ||
			equality.Semantic.DeepEqual(statuses[at].AllocatedResources, containers[i].Resources.Requests) {
			continue
		}
		if !differs {
			containers, differs = slices.Clone(containers), true
		}
		containers[i].Resources.Requests = statuses[at].AllocatedResources
	}
	return containers, differs
}

// allocatedToPod is allocatedTo for the requests that a pod makes as a whole.
func allocatedToPod(pod *corev1.Pod) (held *corev1.ResourceRequirements, differs bool) {
	if pod.Spec.Resources == nil || pod.Status.AllocatedResources == nil {
		return pod.Spec.Resources, false
	}
	requests := maps.Clone(pod.Spec.Resources.Requests)
	for name, asked := range requests {
		if allocated, ok := pod.Status.AllocatedResources[name]; ok && allocated.Cmp(asked) != 0 {
			requests[name], differs = allocated, true
		}
	}
	if !differs {
		return pod.Spec.Resources, false
	}
	held = pod.Spec.Resources.DeepCopy()
	held.Requests = requests
	return held, true
}

// requestsOf returns what a pod asks for, whatever its status says. Only resources that a resize can change, and those that the kubelet
// looks at beside them, count: other ones are as they were when the pod was bound.
func requestsOf(pod *corev1.Pod) evictionorder.Resources {
	list := resource.PodRequests(pod, resource.PodResourcesOptions{
		SkipPodLevelResources: !utilfeature.DefaultFeatureGate.Enabled(features.PodLevelResources),
	})
	return evictionorder.Resources{1, list.Cpu().MilliValue(), list.Memory().Value(), list.StorageEphemeral().Value()}
}

func allocatableOf(node *corev1.Node) evictionorder.Resources {
	list := node.Status.Allocatable
	return evictionorder.Resources{list.Pods().Value(), list.Cpu().MilliValue(), list.Memory().Value(), list.StorageEphemeral().Value()}
}
