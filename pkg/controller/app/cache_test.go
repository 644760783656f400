package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/price"
)

func TestTrimmedPodTellsWhatTheWholePodTells(t *testing.T) {
	h := &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "uid"},
		Spec:       v1alpha1.HeadroomSpec{Requests: corev1.ResourceList{"cpu": resource.MustParse("2")}, PodLabels: map[string]string{"a": "b"}},
	}
	h.Spec.Ladder = v1alpha1.LadderEnabled
	pod := placeholder.BuildAt(h, placeholder.Defaults{}, 3, placeholder.Place{PriorityClassName: "headroom-ladder-3", Domain: "zone-b"})
	placeholder.MarkFromRollout(pod)
	now := metav1.NewTime(time.Unix(100, 0))
	pod.UID, pod.ResourceVersion, pod.CreationTimestamp, pod.DeletionTimestamp = "pod", "7", now, &now
	pod.Spec.NodeName, pod.Status.Phase = "node-1", corev1.PodRunning
	pod.Spec.SchedulerName, pod.Spec.SchedulingGates = "mine", []corev1.PodSchedulingGate{{Name: "queue"}}
	pod.Status.Reason, pod.Status.Message = "Evicted", "The node was low on resource: memory."
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: corev1.PodReady, Status: corev1.ConditionTrue},
		{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler},
	}

	object, err := trimPod(pod.DeepCopy())
	require.NoError(t, err)
	trimmed, ok := object.(*corev1.Pod)
	require.True(t, ok)
	require.True(t, metav1.IsControlledBy(trimmed, h))
	name, ok := placeholder.HeadroomOf(trimmed, nil)
	require.True(t, ok)
	require.Equal(t, "web", name.Name)
	require.Equal(t, consumption.CauseOf(pod), consumption.CauseOf(trimmed))
	require.True(t, placeholder.IsFromRollout(trimmed))
	require.Equal(t, pod.Annotations[v1alpha1.AnnotationTemplateHash], trimmed.Annotations[v1alpha1.AnnotationTemplateHash])
	require.Equal(t, "zone-b", trimmed.Annotations[v1alpha1.AnnotationDomain], "where a unit that waits is meant to stand")
	require.Equal(t, "headroom-ladder-3", trimmed.Spec.PriorityClassName)
	require.Equal(t, pod.Spec.Containers[0].Resources.Requests, trimmed.Spec.Containers[0].Resources.Requests)
	require.Equal(t, pod.UID, trimmed.UID)
	require.Equal(t, pod.ResourceVersion, trimmed.ResourceVersion)
	require.Equal(t, pod.CreationTimestamp, trimmed.CreationTimestamp)
	require.Equal(t, pod.DeletionTimestamp, trimmed.DeletionTimestamp)
	require.Equal(t, pod.Status.Phase, trimmed.Status.Phase)
	require.Equal(t, pod.Status.Reason, trimmed.Status.Reason)
	require.Equal(t, pod.Status.Message, trimmed.Status.Message)
	require.Equal(t, pod.Spec.SchedulerName, trimmed.Spec.SchedulerName)
	require.Equal(t, pod.Spec.SchedulingGates, trimmed.Spec.SchedulingGates)
	require.Equal(t, pod.Spec.NodeName, trimmed.Spec.NodeName)
	require.Len(t, trimmed.Status.Conditions, 2)
	require.Less(t, trimmed.Size(), pod.Size())
}

func TestTrimmedPodTellsWhatAdmissionChanged(t *testing.T) {
	h := &v1alpha1.Headroom{Spec: v1alpha1.HeadroomSpec{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m")}}}
	for name, change := range map[string]func(*corev1.PodSpec){
		"nothing": func(*corev1.PodSpec) {},
		"an init container": func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": resource.MustParse("500m")},
			}}}
		},
		"a container":  func(s *corev1.PodSpec) { s.Containers = append(s.Containers, corev1.Container{Name: "proxy"}) },
		"its requests": func(s *corev1.PodSpec) { s.Containers[0].Resources.Requests["cpu"] = resource.MustParse("1") },
		"its priority": func(s *corev1.PodSpec) { s.Priority = ptr.To[int32](5) },
		"the whole pod": func(s *corev1.PodSpec) {
			s.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("9")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := placeholder.Build(h, placeholder.Defaults{}, 0)
			pod.Spec.Priority = ptr.To[int32](-10)
			change(&pod.Spec)
			object, err := trimPod(pod)
			require.NoError(t, err)
			trimmed := object.(*corev1.Pod)
			require.Equal(t, placeholder.Deviation(pod, h.Spec.Requests, -10), placeholder.Deviation(trimmed, h.Spec.Requests, -10))
			require.Equal(t, name == "nothing", placeholder.Deviation(trimmed, h.Spec.Requests, -10) == "")
			options := resourcehelper.PodResourcesOptions{}
			require.Equal(t, resourcehelper.PodRequests(pod, options), resourcehelper.PodRequests(trimmed, options))
		})
	}
}

func TestTrimmedNodeTellsWhatTheWholeNodeTells(t *testing.T) {
	now := metav1.NewTime(time.Unix(100, 0))
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: now}
	whole := func(change func(*corev1.Node)) *corev1.Node {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: "n", ResourceVersion: "7", Labels: map[string]string{"zone": "a"}, Annotations: map[string]string{"large": "x"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}},
		}}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure}, ready}
		node.Status.Images = []corev1.ContainerImage{{Names: []string{"large"}}}
		change(node)
		return node
	}
	for name, change := range map[string]func(*corev1.Node){
		"a node like any other": func(*corev1.Node) {},
		"one that is not ready": func(n *corev1.Node) { n.Status.Conditions = nil },
		"one that is cordoned":  func(n *corev1.Node) { n.Spec.Unschedulable = true },
		"one that has a taint": func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "karpenter.sh/disrupted", Effect: "NoSchedule"}}
		},
		"one that is going away": func(n *corev1.Node) { n.DeletionTimestamp = &now },
	} {
		t.Run(name, func(t *testing.T) {
			node := whole(change)
			object, err := nodeTrimmer(price.Prices{})(node)
			require.NoError(t, err)
			trimmed := object.(*corev1.Node)
			require.Equal(t, placeholder.Unavailable(node, nil), placeholder.Unavailable(trimmed, nil))
			require.Equal(t, placeholder.NodeLeaving(node), placeholder.NodeLeaving(trimmed))
			require.Equal(t, node.Labels, trimmed.Labels)
			require.Less(t, trimmed.Size(), node.Size())
		})
	}
}

func TestTrimmedNodeHasItsPriceWhereThereAreSome(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"price": "0.4", "large": "x"}}}
	node.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse("8")}
	prices := price.Prices{Label: "price"}
	object, err := nodeTrimmer(prices)(node)
	require.NoError(t, err)
	trimmed := object.(*corev1.Node)
	require.Equal(t, map[string]string{"price": "0.4"}, trimmed.Annotations)
	unit := corev1.ResourceList{"cpu": resource.MustParse("2")}
	var whole, kept price.Held
	whole.Add(unit, node, prices)
	kept.Add(unit, trimmed, prices)
	require.Equal(t, price.Held{PerHour: 0.1, Priced: 1}, kept)
	require.Equal(t, whole, kept)
	object, err = nodeTrimmer(price.Prices{})(node)
	require.NoError(t, err)
	require.Empty(t, object.(*corev1.Node).Annotations)
	require.Empty(t, object.(*corev1.Node).Status.Allocatable)
}

func TestTransformsLetOtherObjectsThrough(t *testing.T) {
	for _, transform := range []func(any) (any, error){trimPod, nodeTrimmer(price.Prices{})} {
		object, err := transform("a tombstone")
		require.NoError(t, err)
		require.Equal(t, "a tombstone", object)
	}
}

// TestTrimmedPodHoldsTheOverheadOfItsRuntimeClass: a unit is as large as with it.
func TestTrimmedPodHoldsTheOverheadOfItsRuntimeClass(t *testing.T) {
	pod := placeholder.Build(&v1alpha1.Headroom{}, placeholder.Defaults{}, 0)
	pod.Spec.Overhead = corev1.ResourceList{"cpu": resource.MustParse("250m")}
	object, err := trimPod(pod)
	require.NoError(t, err)
	held := resourcehelper.PodRequests(object.(*corev1.Pod), resourcehelper.PodResourcesOptions{})
	require.Equal(t, "250m", held.Cpu().String())
}
