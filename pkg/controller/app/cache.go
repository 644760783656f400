package app

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/price"
)

// cacheOptions make the cache hold what is used and nothing else: no pod that is no placeholder, and of the rest only the
// fields that the controller reads. Pods and nodes are shared with the cache, so nobody may change them.
func cacheOptions(namespaces []string, prices price.Prices) cache.Options {
	ours, err := labels.Parse(v1alpha1.LabelHeadroom) // the label alone: it exists
	utilruntime.Must(err)
	options := cache.Options{
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:       {Label: ours, Transform: trimPod, UnsafeDisableDeepCopy: ptr.To(true)},
			&appsv1.DaemonSet{}: {Label: ours},
			&corev1.Node{}:      {Transform: nodeTrimmer(prices), UnsafeDisableDeepCopy: ptr.To(true)},
		},
	}
	if len(namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	return options
}

// trimPod keeps what the controller reads of a placeholder.
func trimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	trimmed := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
			CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp,
			OwnerReferences: pod.OwnerReferences,
		},
		Spec: corev1.PodSpec{
			NodeName: pod.Spec.NodeName, Overhead: pod.Spec.Overhead, Resources: pod.Spec.Resources,
			SchedulerName: pod.Spec.SchedulerName, SchedulingGates: pod.Spec.SchedulingGates,
			Priority: pod.Spec.Priority, PriorityClassName: pod.Spec.PriorityClassName,
			InitContainers: trimContainers(pod.Spec.InitContainers), Containers: trimContainers(pod.Spec.Containers),
		},
		Status: corev1.PodStatus{Phase: pod.Status.Phase, Reason: pod.Status.Reason, Message: pod.Status.Message},
	}
	trimmed.Labels = pick(pod.Labels, v1alpha1.LabelHeadroom)
	trimmed.Annotations = pick(pod.Annotations, v1alpha1.AnnotationTemplateHash, v1alpha1.AnnotationFromRollout,
		v1alpha1.AnnotationDomain)
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled || condition.Type == corev1.DisruptionTarget {
			trimmed.Status.Conditions = append(trimmed.Status.Conditions, condition)
		}
	}
	return trimmed, nil
}

// trimContainers keeps what containers hold on their node.
func trimContainers(containers []corev1.Container) []corev1.Container {
	var trimmed []corev1.Container
	for i := range containers {
		trimmed = append(trimmed, corev1.Container{
			Name: containers[i].Name, RestartPolicy: containers[i].RestartPolicy,
			Resources: corev1.ResourceRequirements{Requests: containers[i].Resources.Requests},
		})
	}
	return trimmed
}

// nodeTrimmer keeps the labels, which say in which topology domains a node is, and what says whether a consumer could be bound to it. If
// there are prices, it also keeps what the price of a unit depends on.
func nodeTrimmer(prices price.Prices) func(object any) (any, error) {
	return func(object any) (any, error) {
		node, ok := object.(*corev1.Node)
		if !ok {
			return object, nil
		}
		trimmed := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion, Labels: node.Labels,
				CreationTimestamp: node.CreationTimestamp, DeletionTimestamp: node.DeletionTimestamp,
			},
			Spec: corev1.NodeSpec{Unschedulable: node.Spec.Unschedulable, Taints: node.Spec.Taints},
		}
		if prices.Any() {
			trimmed.Annotations, trimmed.Status.Allocatable = pick(node.Annotations, prices.Label), node.Status.Allocatable
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				trimmed.Status.Conditions = []corev1.NodeCondition{{Type: condition.Type, Status: condition.Status}}
			}
		}
		return trimmed, nil
	}
}

func pick(from map[string]string, keys ...string) map[string]string {
	picked := make(map[string]string, len(keys))
	for _, key := range keys {
		if value, ok := from[key]; ok {
			picked[key] = value
		}
	}
	return picked
}
