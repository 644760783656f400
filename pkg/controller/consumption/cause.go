package consumption

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// Cause is why a placeholder went, as far as its own last state tells.
type Cause struct {
	// Preempted says that a kube-scheduler marked it as preempted for another pod.
	Preempted bool
	// Lost is why it went otherwise; empty if the pod does not tell.
	Lost account.Loss
	// Marked is when whoever disrupted it said so, the zero time if that is not known.
	Marked time.Time
}

// markLasts is how long after it was marked a placeholder goes for the reason that the mark says. One that is still there later was not
// deleted then, because that was refused for example, and a pod may have taken it since.
const markLasts = time.Minute

// isStale reports whether the placeholder was marked long before its deletion was asked for at that time.
func (c Cause) isStale(asked time.Time) bool {
	return !c.Marked.IsZero() && asked.Sub(c.Marked) > markLasts
}

// askedFor is when the deletion of a pod that went at that time was asked for. The API server's time of a deletion is that at which the
// grace period ends, and a pod that goes at once has none.
func askedFor(pod *corev1.Pod, went time.Time) time.Time {
	if pod.DeletionTimestamp == nil {
		return went
	}
	return pod.DeletionTimestamp.Add(-time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second)
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
	reason, marked := disruption(pod)
	ended := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	loss, known := lossOf[reason]
	switch {
	case known:
		return Cause{Lost: loss, Marked: marked}
	case ended && (reason == "" || reason == corev1.PodReasonPreemptionByScheduler):
		return Cause{Lost: account.LossFailed} // it held no room any more, so there was nothing to take
	case reason == corev1.PodReasonPreemptionByScheduler:
		return Cause{Preempted: true, Marked: marked}
	case reason != "":
		return Cause{Lost: account.LossOther, Marked: marked}
	default:
		return Cause{}
	}
}

// disruption returns the reason of the condition DisruptionTarget, which whoever disrupts a pod writes before the delete, and since when it
// holds.
func disruption(pod *corev1.Pod) (reason string, since time.Time) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.DisruptionTarget && condition.Status == corev1.ConditionTrue {
			return condition.Reason, condition.LastTransitionTime.Time
		}
	}
	return "", time.Time{}
}
