// Package consumption tells a placeholder that a pod took from one that was deleted by a drain, a user, an autoscaler or the
// controller itself, and finds out which pod took it. docs/reference/events.md has the rules.
package consumption

import (
	corev1 "k8s.io/api/core/v1"
)

// Cause is why a placeholder went.
type Cause int

const (
	// Undecided is what the pod alone does not tell: an event has to.
	Undecided Cause = iota
	// Consumed is a pod that was preempted for another one.
	Consumed
	// Other is everything that is not consumption.
	Other
)

// CauseOf says why a deleted placeholder went, from its last state.
func CauseOf(pod *corev1.Pod) Cause {
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return Other // it held no room, so there was nothing to take
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type != corev1.DisruptionTarget || condition.Status != corev1.ConditionTrue {
			continue
		}
		if condition.Reason == corev1.PodReasonPreemptionByScheduler {
			return Consumed
		}
		return Other
	}
	return Undecided
}
