package headroom

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/message"
)

const (
	// unseenAfter is after how long a scheduler that has not looked at a unit may be none. One that is there looks within seconds, but may
	// have many pods before it.
	unseenAfter = time.Minute
	// maxWords is how much of what a kubelet says of one pod is told, in bytes.
	maxWords = 500
)

// obstacle is why units are not bound, in the words of whoever keeps them from it. The zero value: nothing is known to.
type obstacle struct {
	// reason is a reason of the condition Filled.
	reason string
	// message ends the message of the condition.
	message string
}

// obstacleOf returns what keeps the pending units from being bound, and when to look again for what cannot be said yet; zero: no need. What
// somebody said of a unit comes before the silence about another.
func obstacleOf(pending []*corev1.Pod, now time.Time) (obstacle, time.Duration) {
	gates := map[string]bool{}
	gated, unseen := 0, map[string]int{}
	var waiting string
	var again time.Duration
	for _, pod := range pending {
		condition := scheduledCondition(pod)
		switch {
		case len(pod.Spec.SchedulingGates) > 0:
			gated++
			for _, gate := range pod.Spec.SchedulingGates {
				gates[gate.Name] = true
			}
		case condition != nil && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable:
			waiting = cmp.Or(waiting, condition.Message)
		case condition == nil && !pod.CreationTimestamp.IsZero():
			if left := pod.CreationTimestamp.Add(unseenAfter).Sub(now); left > 0 {
				again = soonest(again, left)
			} else {
				unseen[pod.Spec.SchedulerName]++
			}
		}
	}
	switch {
	case gated > 0:
		return obstacle{v1alpha1.ReasonGated, fmt.Sprintf("Scheduling gates hold %s back: %s. Admission put them there; who did has to take "+
			"them away, or to leave out pods with the label %s.",
			placeholders(gated), strings.Join(slices.Sorted(maps.Keys(gates)), ", "), v1alpha1.LabelHeadroom)}, again
	case waiting != "":
		return obstacle{v1alpha1.ReasonWaitingForRoom, "The scheduler says: " + waiting}, again
	case len(unseen) > 0:
		name := slices.Sorted(maps.Keys(unseen))[0]
		return obstacle{v1alpha1.ReasonNoScheduler, fmt.Sprintf("No scheduler has looked at %s for a minute. Is there a scheduler named %q?",
			placeholders(unseen[name]), name)}, again
	}
	return obstacle{}, again
}

// failureOf returns why a unit failed, see failure; nil if it is not there.
func (o *observation) failureOf(uid types.UID) *problem {
	i := slices.IndexFunc(o.units, func(u unit) bool { return u.UID == uid })
	if i < 0 {
		return nil
	}
	return failure(o.units[i].pod)
}

// failure returns why a placeholder failed, in the words of the kubelet, as a reason of the condition Filled; nil if it did not fail.
func failure(pod *corev1.Pod) *problem {
	if pod.Status.Phase != corev1.PodFailed {
		return nil
	}
	words := fmt.Sprintf("The kubelet of node %s says: %s", pod.Spec.NodeName, cmp.Or(pod.Status.Reason, "Failed"))
	if pod.Status.Message != "" {
		words += ": " + pod.Status.Message
	}
	return &problem{reason: v1alpha1.ReasonUnitsFail, message: message.Cut(words, maxWords, message.Ellipsis)}
}
