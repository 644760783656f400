package consumption

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// Cause is why a placeholder went, as far as its own last state tells.
type Cause struct {
	// Preempted says that a kube-scheduler preempted it for another pod.
	Preempted bool
	// Lost is why it went otherwise; empty if the pod does not tell.
	Lost account.Loss
}

// lossOf are the reasons of the condition DisruptionTarget that are no preemption. Others count as account.LossOther.
var lossOf = map[string]account.Loss{
	"EvictionByEvictionAPI":              account.LossDrained,
	"DeletionByTaintManager":             account.LossNode,
	"DeletionByPodGC":                    account.LossNode,
	corev1.PodReasonTerminationByKubelet: account.LossFailed,
	swapevent.ReasonOvercommitted:        account.LossOvercommitted,
	swapevent.ReasonYielded:              account.LossYielded,
}

// CauseOf says why a deleted placeholder went, from its last state.
func CauseOf(pod *corev1.Pod) Cause {
	reason := disruption(pod)
	ended := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	loss, known := lossOf[reason]
	switch {
	case known:
		return Cause{Lost: loss}
	case ended && (reason == "" || reason == corev1.PodReasonPreemptionByScheduler):
		return Cause{Lost: account.LossFailed} // it held no room any more, so there was nothing to take
	case reason == corev1.PodReasonPreemptionByScheduler:
		return Cause{Preempted: true}
	case reason != "":
		return Cause{Lost: account.LossOther}
	default:
		return Cause{}
	}
}

// disruption returns the reason of the condition DisruptionTarget, which whoever disrupts a pod writes before the delete.
func disruption(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.DisruptionTarget && condition.Status == corev1.ConditionTrue {
			return condition.Reason
		}
	}
	return ""
}
