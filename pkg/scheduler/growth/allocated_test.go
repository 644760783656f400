package growth

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/test/builders"
)

// amounts are requests of CPU and memory.
func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// whole is a pod of two containers that asks for so much as a whole, and has as much as the kubelet says.
func whole(asked, allocated corev1.ResourceList) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Spec.Containers = []corev1.Container{{Name: "web"}, {Name: "log"}}
	pod.Spec.Resources, pod.Status.AllocatedResources = &corev1.ResourceRequirements{Requests: asked}, allocated
	return pod
}

func TestOfEveryContainerAndResourceCountsWhatIsAllocated(t *testing.T) {
	several := resized("web", "4")
	several.Spec.Containers = append(several.Spec.Containers, corev1.Container{
		Name: "log", Resources: corev1.ResourceRequirements{Requests: quantities("1")},
	})
	several.Status.ContainerStatuses = append([]corev1.ContainerStatus{{Name: "log", AllocatedResources: quantities("3")}},
		several.Status.ContainerStatuses...)
	half := several.DeepCopy()
	half.Status.ContainerStatuses = half.Status.ContainerStatuses[:1]
	const gi = 1 << 30
	for name, tc := range map[string]struct {
		pod         *corev1.Pod
		cpu, memory int64
	}{
		"of several containers, in whatever order they are reported": {several, 3000 + 2000, 0},
		"of several containers of which one is not reported":         {half, 3000 + 4000, 0},
		"of a pod as a whole that grows in all":                      {whole(amounts("4", "4Gi"), amounts("2", "1Gi")), 2000, gi},
		"that grows in CPU":                                          {whole(amounts("4", "1Gi"), amounts("2", "1Gi")), 2000, gi},
		"that grows in memory":                                       {whole(amounts("2", "4Gi"), amounts("2", "1Gi")), 2000, gi},
		"that shrinks in one and grows in the other":                 {whole(amounts("1", "4Gi"), amounts("2", "1Gi")), 2000, gi},
		"that shrinks": {whole(amounts("1", "1Gi"), amounts("2", "1Gi")), 2000, gi},
	} {
		t.Run(name, func(t *testing.T) {
			before := tc.pod.DeepCopy()
			got := requestsOf(Allocated(tc.pod))
			require.Equal(t, tc.cpu, got.At(evictionorder.MilliCPU))
			require.Equal(t, tc.memory, got.At(evictionorder.Memory))
			require.Equal(t, before, tc.pod, "the informer's pod is not changed")
		})
	}
}

// TestOfTheStatusOfAPodOnlyThatIsKeptWhichSaysNothingOfWhatItAsksFor: whoever adds up requests may prefer the status to the spec.
func TestOfTheStatusOfAPodOnlyThatIsKeptWhichSaysNothingOfWhatItAsksFor(t *testing.T) {
	pod := resized("web", "4")
	pod.Status.Phase = corev1.PodRunning
	pod.Status.NodeAllocatableResourceClaimStatuses = []corev1.NodeAllocatableResourceClaimStatus{{ResourceClaimName: "gpu"}}
	require.Equal(t, corev1.PodStatus{
		Phase: corev1.PodRunning, NodeAllocatableResourceClaimStatuses: pod.Status.NodeAllocatableResourceClaimStatuses,
	}, Allocated(pod).Status)
	require.NotEmpty(t, pod.Status.ContainerStatuses, "the pod itself is as it was")
}

func TestADeferredResizeIsFoundAmongOtherConditions(t *testing.T) {
	pod := resized("web", "4")
	pending := pod.Status.Conditions[0]
	for name, tc := range map[string]struct {
		conditions []corev1.PodCondition
		deferred   bool
	}{
		"after one that is true": {[]corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}, pending}, true},
		"after a resize that is under way": {
			[]corev1.PodCondition{{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue}, pending}, true,
		},
		"of a kubelet that does not say of which size": {
			[]corev1.PodCondition{{Type: pending.Type, Status: pending.Status, Reason: pending.Reason}}, true,
		},
		"not one for which the reason is another": {
			[]corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred}}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod.Status.Conditions = tc.conditions
			got := Deferred(pod)
			require.Equal(t, tc.deferred, got != nil)
			if tc.deferred {
				require.Equal(t, corev1.PodResizePending, got.Type)
			}
		})
	}
}

// TestWhatAPodAsksForIsNotWhatItHas: a resize in place gives back as well.
func TestWhatAPodAsksForIsNotWhatItHas(t *testing.T) {
	shrinks := resized("web", "1")
	shrinks.Status.ContainerStatuses[0].AllocatedResources = quantities("3")
	require.EqualValues(t, 1000, requestsOf(shrinks).At(evictionorder.MilliCPU))
	require.EqualValues(t, 3000, requestsOf(Allocated(shrinks)).At(evictionorder.MilliCPU))
}

func TestRequestsAreCountedInTheUnitsOfWhatANodeHas(t *testing.T) {
	list := builders.Resources{"cpu": "1500m", "memory": "3Gi", "ephemeral-storage": "5Gi", "pods": "7"}
	want := evictionorder.Resources{7, 1500, 3 << 30, 5 << 30}
	require.Equal(t, want, allocatableOf(builders.Node("n", "", list).Obj()))
	delete(list, corev1.ResourcePods)
	want[evictionorder.Pods] = 1
	require.Equal(t, want, requestsOf(builders.Consumer("web", list).Obj()))
}
