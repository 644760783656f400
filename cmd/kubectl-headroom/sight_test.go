package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
)

func cpus(quantity string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(quantity)}}
}

// anyPod draws a pod in all that "kubectl headroom nodes" goes by, and in some of what it does not.
func anyPod(t *rapid.T) *corev1.Pod {
	chance := func(what string) bool { return rapid.Bool().Draw(t, what) }
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-headroom-0", UID: "u", ResourceVersion: "7", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i", Resources: cpus("2")}}},
		Status:     corev1.PodStatus{Phase: rapid.SampledFrom([]corev1.PodPhase{"Pending", "Running", "Succeeded", "Failed"}).Draw(t, "phase")},
	}
	if chance("is labeled") {
		pod.Labels[v1alpha1.LabelHeadroom] = "web"
	}
	switch rapid.IntRange(0, 2).Draw(t, "owner") {
	case 1:
		owner := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "h"}}
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.KindHeadroom))}
	case 2:
		owner := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "web-headroom", UID: "d"}}
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	}
	if chance("is being deleted") {
		pod.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	}
	if chance("is bound") {
		pod.Spec.NodeName = rapid.SampledFrom([]string{"n", "gone"}).Draw(t, "node")
	}
	if chance("has overhead") {
		pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	}
	if chance("has requests of the whole pod") {
		pod.Spec.Resources = ptr.To(cpus("5"))
	}
	if chance("has an init container") {
		pod.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "i", Resources: cpus("3")}}
		if chance("that is a sidecar") {
			pod.Spec.InitContainers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
			pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "first", Resources: ptr.To(cpus("4"))}}
		}
	}
	if chance("is being resized") {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", ImageID: "i", Resources: ptr.To(cpus("1"))}}
		pod.Status.ContainerStatuses[0].AllocatedResources = cpus("6").Requests
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible}}
	}
	return pod
}

// TestASlimPodTellsWhatTheWholePodTells makes the report of either.
func TestASlimPodTellsWhatTheWholePodTells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := anyPod(t)
		small := slim(whole)
		in := nodes.Input{
			NodesSeen: rapid.Bool().Draw(t, "nodes are seen"), Resource: corev1.ResourceCPU,
			Nodes: []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n"}}},
			DaemonSets: func(namespace, _ string, uid types.UID) (types.NamespacedName, bool) {
				return types.NamespacedName{Namespace: namespace, Name: "web"}, uid == "d"
			},
		}
		reports := make([]nodes.Report, 0, 2)
		for _, pod := range []*corev1.Pod{whole, small} {
			in.Pods = []*corev1.Pod{pod}
			reports = append(reports, nodes.New(in))
		}
		require.Equal(t, reports[0], reports[1])
		require.Equal(t, []string{"shop", "web-headroom-0", "u", "7"}, []string{
			small.Namespace, small.Name, string(small.UID), small.ResourceVersion,
		}, "a watch knows a pod and what it has seen of it by these")
		require.NotContains(t, small.Labels, "app", "there may be a hundred thousand pods")
		require.Empty(t, small.Spec.Containers[0].Image)
	})
}
