package explain

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

func TestAPodThatDoesNotExistYetGetsWhatTheAPIServerWouldGiveIt(t *testing.T) {
	class := func(name string, value int32, isDefault bool) *schedulingv1.PriorityClass {
		c := &schedulingv1.PriorityClass{Value: value, GlobalDefault: isDefault}
		c.Name = name
		return c
	}
	classes := []*schedulingv1.PriorityClass{class("high", 7, false), class("usual", 3, true)}
	for name, tc := range map[string]struct {
		spec    corev1.PodSpec
		classes []*schedulingv1.PriorityClass
		want    int32
	}{
		"no class at all":         {want: 0},
		"the default class":       {classes: classes, want: 3},
		"the class that it names": {spec: corev1.PodSpec{PriorityClassName: "high"}, classes: classes, want: 7},
		"a class of the system":   {spec: corev1.PodSpec{PriorityClassName: "system-node-critical"}, want: 2_000_001_000},
		"a priority that it has":  {spec: corev1.PodSpec{Priority: ptr.To[int32](9)}, classes: classes, want: 9},
	} {
		t.Run(name, func(t *testing.T) {
			pod, err := Future(&corev1.Pod{Spec: tc.spec}, tc.classes)
			require.NoError(t, err)
			require.Equal(t, tc.want, *pod.Spec.Priority)
		})
	}
	classes[0].PreemptionPolicy = ptr.To(corev1.PreemptNever)
	polite, err := Future(&corev1.Pod{Spec: corev1.PodSpec{PriorityClassName: "high"}}, classes)
	require.NoError(t, err)
	require.Equal(t, ptr.To(corev1.PreemptNever), polite.Spec.PreemptionPolicy, "a pod that never preempts takes nothing, most often")

	_, err = Future(&corev1.Pod{Spec: corev1.PodSpec{PriorityClassName: "none"}}, classes)
	require.ErrorContains(t, err, "there is no PriorityClass none")

	limits := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
	pod, err := Future(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Limits: limits}}}}}, nil)
	require.NoError(t, err)
	require.Equal(t, limits, pod.Spec.Containers[0].Resources.Requests, "requests are limits where they are absent")
}
