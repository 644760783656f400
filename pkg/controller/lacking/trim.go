package lacking

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// trim keeps of a pod what the decision needs.
func trim(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	trimmed := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion, Labels: pod.Labels,
		CreationTimestamp: pod.CreationTimestamp, OwnerReferences: pod.OwnerReferences,
	}}
	trimmed.Spec = corev1.PodSpec{
		NodeSelector: pod.Spec.NodeSelector, Affinity: requiredOf(pod.Spec.Affinity),
		RuntimeClassName: pod.Spec.RuntimeClassName, Overhead: pod.Spec.Overhead, Resources: pod.Spec.Resources,
		Priority: pod.Spec.Priority, PreemptionPolicy: pod.Spec.PreemptionPolicy,
		Containers: requestsOf(pod.Spec.Containers), InitContainers: requestsOf(pod.Spec.InitContainers),
	}
	trimmed.Status.NominatedNodeName = pod.Status.NominatedNodeName
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			trimmed.Status.Conditions = append(trimmed.Status.Conditions, condition)
		}
	}
	return trimmed, nil
}

// requiredOf keeps of affinity the nodes that it requires.
func requiredOf(affinity *corev1.Affinity) *corev1.Affinity {
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution,
	}}
}

func requestsOf(containers []corev1.Container) []corev1.Container {
	var trimmed []corev1.Container
	for i := range containers {
		trimmed = append(trimmed, corev1.Container{
			Name: containers[i].Name, Resources: containers[i].Resources, RestartPolicy: containers[i].RestartPolicy,
		})
	}
	return trimmed
}
