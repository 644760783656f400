package explain

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/utils/ptr"
)

// Future returns the pod as the API server would store it: with its defaults, and with the priority and the preemptionPolicy of its
// PriorityClass. What other admission does to pods, as LimitRanges and webhooks, is not known. It fails if there is no such PriorityClass.
func Future(pod *corev1.Pod, classes []*schedulingv1.PriorityClass) (*corev1.Pod, error) {
	stored := pod.DeepCopy()
	corev1defaults.SetObjectDefaults_Pod(stored)
	class, err := classOf(stored, classes)
	if err != nil || class == nil {
		stored.Spec.Priority = ptr.To(ptr.Deref(stored.Spec.Priority, 0))
		return stored, err
	}
	stored.Spec.PriorityClassName, stored.Spec.Priority = class.Name, &class.Value
	stored.Spec.PreemptionPolicy = class.PreemptionPolicy
	return stored, nil
}

// classOf is the PriorityClass that the pod names, or else the default one of the cluster, nil if there is none.
func classOf(pod *corev1.Pod, classes []*schedulingv1.PriorityClass) (*schedulingv1.PriorityClass, error) {
	name := pod.Spec.PriorityClassName
	if name == "" && pod.Spec.Priority != nil {
		return nil, nil
	}
	i := slices.IndexFunc(classes, func(c *schedulingv1.PriorityClass) bool {
		return c.Name == name || name == "" && c.GlobalDefault
	})
	switch {
	case i >= 0:
		return classes[i], nil
	case name == "":
		return nil, nil
	case name == "system-cluster-critical" || name == "system-node-critical":
		return systemClass(name), nil
	default:
		return nil, fmt.Errorf("there is no PriorityClass %s, which pod %s/%s names", name, pod.Namespace, pod.Name)
	}
}

// systemClass is a PriorityClass that every cluster has.
func systemClass(name string) *schedulingv1.PriorityClass {
	class := &schedulingv1.PriorityClass{Value: 2_000_000_000, PreemptionPolicy: ptr.To(corev1.PreemptLowerPriority)}
	if class.Name = name; name == "system-node-critical" {
		class.Value += 1000
	}
	return class
}
