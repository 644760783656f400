package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

func TestTrimmedPodTellsWhatTheWholePodTells(t *testing.T) {
	h := &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "uid"},
		Spec:       v1alpha1.HeadroomSpec{Requests: corev1.ResourceList{"cpu": resource.MustParse("2")}, PodLabels: map[string]string{"a": "b"}},
	}
	pod := placeholder.Build(h, placeholder.Defaults{}, 3)
	placeholder.MarkFromRollout(pod)
	now := metav1.NewTime(time.Unix(100, 0))
	pod.UID, pod.ResourceVersion, pod.CreationTimestamp, pod.DeletionTimestamp = "pod", "7", now, &now
	pod.Spec.NodeName, pod.Status.Phase = "node-1", corev1.PodRunning
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
	require.Equal(t, pod.Spec.Containers[0].Resources.Requests, trimmed.Spec.Containers[0].Resources.Requests)
	require.Equal(t, pod.UID, trimmed.UID)
	require.Equal(t, pod.ResourceVersion, trimmed.ResourceVersion)
	require.Equal(t, pod.CreationTimestamp, trimmed.CreationTimestamp)
	require.Equal(t, pod.DeletionTimestamp, trimmed.DeletionTimestamp)
	require.Equal(t, pod.Status.Phase, trimmed.Status.Phase)
	require.Equal(t, pod.Spec.NodeName, trimmed.Spec.NodeName)
	require.Len(t, trimmed.Status.Conditions, 2)
	require.Less(t, trimmed.Size(), pod.Size())
}

func TestTrimmedNodeKeepsItsLabels(t *testing.T) {
	node := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "n", Labels: map[string]string{"zone": "a"}, Annotations: map[string]string{"large": "x"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}},
	}}
	object, err := trimNode(node)
	require.NoError(t, err)
	require.Equal(t, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "n", Labels: map[string]string{"zone": "a"},
	}}, object)
}

func TestTransformsLetOtherObjectsThrough(t *testing.T) {
	for _, transform := range []func(any) (any, error){trimPod, trimNode} {
		object, err := transform("a tombstone")
		require.NoError(t, err)
		require.Equal(t, "a tombstone", object)
	}
}
