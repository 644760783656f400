package eviction

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	schedutil "k8s.io/kubernetes/pkg/scheduler/util"
)

// Dismiss removes a placeholder for the sake of its node, see Remove, with a condition DisruptionTarget that says why, which is for the
// account. What goes wrong is logged.
func (e *Evictor) Dismiss(ctx context.Context, victim *corev1.Pod, reason, message string) {
	logger := klog.FromContext(ctx)
	_, err := e.Remove(ctx, victim, func(ctx context.Context) {
		status := victim.Status.DeepCopy()
		podutil.UpdatePodCondition(status, &corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, Message: message,
		})
		err := schedutil.PatchPodStatus(ctx, e.Client, victim.Name, victim.Namespace, &victim.Status, status)
		if err != nil && !apierrors.IsNotFound(err) {
			logger.Error(err, "Writing why a placeholder goes failed; it will count as abandoned", "pod", klog.KObj(victim))
		}
	})
	if err != nil {
		logger.Error(err, "Deleting a placeholder failed", "pod", klog.KObj(victim), "reason", reason)
	}
}
