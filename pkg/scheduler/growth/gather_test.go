package growth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/entitlement"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/builders"
)

func quantities(cpu string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
}

// resized is a running pod of the profile with the plugin that has two cores, asks for more, and is deferred.
func resized(name, desired string) *corev1.Pod {
	pod := builders.Consumer(name, builders.Resources{corev1.ResourceCPU: desired}).UID(name).Node("n").SchedulerName("ours").Obj()
	pod.Generation = 2
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, AllocatedResources: quantities("2"),
		Resources: &corev1.ResourceRequirements{Requests: quantities("2")},
	}}
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred, ObservedGeneration: 2,
		LastTransitionTime: metav1.NewTime(builders.Epoch().Add(time.Minute)),
	}}
	return pod
}

func TestTheSchedulerCountsWhatAPodAsksForAndTheKubeletWhatItHas(t *testing.T) {
	pod := resized("web", "5")
	info, err := framework.NewPodInfo(pod)
	require.NoError(t, err)
	require.EqualValues(t, 5000, info.CalculateResource().Resource.GetMilliCPU(), "so it binds nothing into the room that a pod waits for")
	held, err := framework.NewPodInfo(Allocated(pod))
	require.NoError(t, err)
	require.EqualValues(t, 2000, held.CalculateResource().Resource.GetMilliCPU())
	require.EqualValues(t, 2000, requestsOf(Allocated(pod)).At(evictionorder.MilliCPU))
	require.EqualValues(t, 5000, requestsOf(pod).At(evictionorder.MilliCPU), "the pod itself is as it was")
}

func TestAllocatedKnowsEveryKindOfRequest(t *testing.T) {
	sidecar := resized("web", "2")
	always := corev1.ContainerRestartPolicyAlways
	sidecar.Spec.InitContainers = []corev1.Container{{
		Name: "log", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: quantities("3")},
	}}
	sidecar.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "log", AllocatedResources: quantities("1")}}
	require.EqualValues(t, 3000, requestsOf(Allocated(sidecar)).At(evictionorder.MilliCPU), "a sidecar that grows")

	whole := resized("web", "2")
	whole.Spec.Resources = &corev1.ResourceRequirements{Requests: quantities("8")}
	whole.Status.AllocatedResources = quantities("4")
	require.EqualValues(t, 4000, requestsOf(Allocated(whole)).At(evictionorder.MilliCPU), "requests of the pod as a whole")

	half := whole.DeepCopy()
	half.Spec.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Gi")
	require.EqualValues(t, 1<<30, requestsOf(Allocated(half)).At(evictionorder.Memory), "of which the kubelet says nothing, it has what it asks for")

	unknown := resized("web", "5")
	unknown.Status.ContainerStatuses = nil
	require.Same(t, unknown, Allocated(unknown), "a pod of which the kubelet has reported nothing has what it asks for")
	silent := resized("web", "5")
	silent.Status.ContainerStatuses[0].AllocatedResources = nil
	require.Same(t, silent, Allocated(silent), "and so has one of whose container it does not say what is allocated")
	granted := resized("web", "2")
	require.Same(t, granted, Allocated(granted))
}

func TestAResizeCountsAsDeferredOnlyWhileTheKubeletSaysSoOfWhatThePodAsksFor(t *testing.T) {
	require.NotNil(t, Deferred(resized("web", "5")))
	for name, change := range map[string]func(pod *corev1.Pod, c *corev1.PodCondition){
		"it can never be":           func(_ *corev1.Pod, c *corev1.PodCondition) { c.Reason = corev1.PodReasonInfeasible },
		"it was changed since":      func(pod *corev1.Pod, _ *corev1.PodCondition) { pod.Generation = 3 },
		"it is another condition":   func(_ *corev1.Pod, c *corev1.PodCondition) { c.Type = corev1.PodResizeInProgress },
		"the condition is over":     func(_ *corev1.Pod, c *corev1.PodCondition) { c.Status = corev1.ConditionFalse },
		"the pod has no conditions": func(pod *corev1.Pod, _ *corev1.PodCondition) { pod.Status.Conditions = nil },
	} {
		t.Run(name, func(t *testing.T) {
			pod := resized("web", "5")
			change(pod, &pod.Status.Conditions[0])
			require.Nil(t, Deferred(pod))
		})
	}
}

func TestGatherSaysWhoMayTakeWhat(t *testing.T) {
	headroom := builders.Headroom("spare", builders.Resources{corev1.ResourceCPU: "1"}).Namespace("shop").UID("h").Obj()
	web := &v1alpha1.Consumers{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	rule, err := entitlement.Compile(types.NamespacedName{Namespace: "shop", Name: "spare"}, web)
	require.NoError(t, err)
	known := Knowledge{
		Serves:  func(scheduler string) bool { return scheduler == "ours" },
		OwnerOf: func(pod *corev1.Pod) (placeholder.Owner, bool) { return placeholder.OwnerOf(pod, nil) },
		Rule:    func(placeholder.Owner) *entitlement.Rule { return rule },
		Identity: func(pod *corev1.Pod) entitlement.Consumer {
			return entitlement.ConsumerOf(pod, func(string) (*corev1.Namespace, error) { return &corev1.Namespace{}, nil })
		},
		Reserved: func(uid types.UID) bool { return uid == "u1" }, Stays: func(uid types.UID) bool { return uid == "u2" },
	}
	node := builders.Node("n", "", builders.Resources{"cpu": "10", "pods": "20"}).Obj()
	var pods []*corev1.Pod
	for i, uid := range []string{"u0", "u1", "u2"} {
		p := builders.Placeholder(headroom, i).UID(uid).Node("n").Obj()
		p.Namespace = "shop"
		pods = append(pods, p)
	}
	named, other, foreign := resized("web", "5"), resized("db", "5"), resized("foreign", "5")
	named.Namespace, named.Labels = "shop", map[string]string{"app": "web"}
	other.Namespace, foreign.Namespace = "shop", "shop"
	foreign.Labels, foreign.Spec.SchedulerName = map[string]string{"app": "web"}, "default-scheduler"
	pods = append(pods, named, other, foreign)

	scene := gather(node, pods, &known)

	require.EqualValues(t, 3*1000+3*2000, scene.Used.At(evictionorder.MilliCPU), "what is allocated")
	require.Equal(t, []*corev1.Pod{named, other}, scene.pods, "pods of other schedulers are not served")
	entitled := scene.Pods[0].Entitled
	require.Len(t, entitled, 2, "a placeholder that stays counts as any other pod")
	require.True(t, entitled[0].NamesConsumer)
	require.False(t, entitled[0].Leaving)
	require.True(t, entitled[1].Leaving, "reserved")
	require.Empty(t, scene.Pods[1].Entitled)
	require.Empty(t, scene.Pods[1].ByPriority)

	for _, pod := range pods[:2] {
		pod.Spec.Priority = new(int32)
	}
	require.Empty(t, gather(node, pods, &known).Pods[0].Entitled, "placeholders of the pod's own priority stay")
	for _, pod := range pods[:2] {
		pod.Spec.PriorityClassName, pod.Spec.Priority = v1alpha1.ReservedPriorityClassName, new(int32)
		*pod.Spec.Priority = builders.ReservedPriority
	}
	require.Len(t, gather(node, pods, &known).Pods[0].Entitled, 2, "reserved units go for a pod that is named, whatever its priority")
	require.Empty(t, gather(node, pods, &known).Pods[1].Entitled)
	pods[0].Spec.PriorityClassName = "high"
	require.Len(t, gather(node, pods, &known).Pods[0].Entitled, 1, "another unit of such a priority does not")
	pods[0].Spec.PriorityClassName = v1alpha1.ReservedPriorityClassName

	critical := int32(2_000_001_000)
	other.Spec.Priority = &critical
	require.Len(t, gather(node, pods, &known).Pods[1].ByPriority, 2, "a system-critical pod never waits for placeholders")
	node.Spec.PodPreemptionPolicy = &corev1.NodePodPreemptionPolicy{DisableResizePreemption: []string{"somebody"}}
	require.Empty(t, gather(node, pods, &known).Pods[0].Entitled, "nothing goes where the node's owner does not want it")
}

func TestNothingGoesForAPodThatIsBeingDeleted(t *testing.T) {
	known := Knowledge{
		Serves:   func(string) bool { return true },
		OwnerOf:  func(*corev1.Pod) (placeholder.Owner, bool) { return placeholder.Owner{}, false },
		Identity: func(*corev1.Pod) entitlement.Consumer { return entitlement.Consumer{} },
	}
	for name, leaves := range map[string]bool{"one that stays": false, "one that leaves": true} {
		t.Run(name, func(t *testing.T) {
			pod := resized("web", "5")
			if leaves {
				pod.DeletionTimestamp = &metav1.Time{Time: builders.Epoch()}
			}
			scene := gather(builders.Node("n", "", builders.Resources{"cpu": "10"}).Obj(), []*corev1.Pod{pod}, &known)
			require.Equal(t, leaves, len(scene.pods) == 0)
			require.EqualValues(t, 2000, scene.Used.At(evictionorder.MilliCPU), "it holds its room as long as it is there")
		})
	}
}

func TestAPlaceholderWhoseDeletionWasBrokenOffIsDeletedAgain(t *testing.T) {
	now, nothing := metav1.Now(), int64(0)
	whole, half, kept, reserved := &corev1.Pod{}, &corev1.Pod{}, &corev1.Pod{}, &corev1.Pod{}
	half.DeletionTimestamp, half.DeletionGracePeriodSeconds = &now, &nothing
	kept.DeletionTimestamp, kept.DeletionGracePeriodSeconds, kept.Finalizers = &now, &nothing, []string{"example.com/hold"}
	reserved.DeletionTimestamp, reserved.DeletionGracePeriodSeconds, reserved.UID = &now, &nothing, "reserved"
	s := &scene{placeholders: []*corev1.Pod{whole, half, kept, reserved}}
	growth := Growth{Victims: []evictionorder.Placeholder{{Index: 0}, {Index: 1, Leaving: true}, {Index: 2, Leaving: true}, {Index: 3, Leaving: true}}}

	require.Equal(t, []*corev1.Pod{whole, half}, s.victims(&growth, func(uid types.UID) bool { return uid == "reserved" }))
}

func TestOnlyAPolicyThatNamesSomebodyKeepsPlaceholdersFromResizes(t *testing.T) {
	node := builders.Node("n", "", nil).Obj()
	require.False(t, preemptionDisabled(node))
	node.Spec.PodPreemptionPolicy = &corev1.NodePodPreemptionPolicy{}
	require.False(t, preemptionDisabled(node))
	node.Spec.PodPreemptionPolicy.DisableResizePreemption = []string{"somebody"}
	require.True(t, preemptionDisabled(node))
}
