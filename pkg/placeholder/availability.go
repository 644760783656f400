package placeholder

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	v1helper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// leavingTaints are put on a node by the autoscalers that are about to remove it.
var leavingTaints = map[string]bool{
	"karpenter.sh/disrupted":         true, // Karpenter
	"ToBeDeletedByClusterAutoscaler": true, // Cluster Autoscaler
}

// unschedulable is the taint that Kubernetes puts on a cordoned node, a moment after it is cordoned.
var unschedulable = corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}

// Unavailable says in one clause why no consumer could be bound to a node now in the place of a unit; it is empty if one could. The
// node is being deleted, not ready or unschedulable, or has a taint NoSchedule or NoExecute that tolerations, those of the Headroom's
// spec, do not tolerate. What a placeholder tolerates beside them does not count: admission and the DaemonSet controller add to it.
func Unavailable(node *corev1.Node, tolerations []corev1.Toleration) string {
	switch {
	case node.DeletionTimestamp != nil:
		return fmt.Sprintf("node %s is being deleted", node.Name)
	case !isReady(node):
		return fmt.Sprintf("node %s is not ready", node.Name)
	case node.Spec.Unschedulable && !tolerates(tolerations, unschedulable):
		return fmt.Sprintf("node %s is unschedulable", node.Name)
	}
	for _, taint := range node.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !tolerates(tolerations, taint) {
			return fmt.Sprintf("node %s has the taint %s", node.Name, taint.ToString())
		}
	}
	return ""
}

// NodeLeaving reports whether a node is being taken away for good: it is being deleted, or an autoscaler has marked it.
func NodeLeaving(node *corev1.Node) bool {
	if node.DeletionTimestamp != nil {
		return true
	}
	for _, taint := range node.Spec.Taints {
		if leavingTaints[taint.Key] {
			return true
		}
	}
	return false
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// tolerates asks Kubernetes' own rule, without the comparison operators, which are not for every API server.
func tolerates(tolerations []corev1.Toleration, taint corev1.Taint) bool {
	return v1helper.TolerationsTolerateTaint(klog.Logger{}, tolerations, &taint, false)
}
