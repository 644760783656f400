package headroom

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/message"
)

// maxMessage is the longest message of a condition, in bytes: what others say can be long.
const maxMessage = 2000

func condition(kind string, status metav1.ConditionStatus, reason, text string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message.Cut(text, maxMessage, message.Ellipsis)}
}

// readyCondition reports whether the spec is valid and acted on.
func readyCondition(t tally) metav1.Condition {
	if t.problem != nil {
		return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, t.problem.reason, t.problem.message)
	}
	if t.short != nil && t.bound > 0 {
		return condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonQuotaShort, fmt.Sprintf(
			"The spec is valid and acted on, but %s. The units count toward it, so pods of the namespace that are to take their room may be "+
				"refused. Scope the quota to PriorityClass NotIn the class of the units, or raise it.", t.short))
	}
	return condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonValid, "The spec is valid and acted on.")
}

// filledCondition reports whether every unit can be taken, and why not otherwise.
func filledCondition(t tally, ready metav1.Condition) metav1.Condition {
	so := func(status metav1.ConditionStatus, reason, format string, args ...any) metav1.Condition {
		return condition(v1alpha1.ConditionFilled, status, reason, fmt.Sprintf(format, args...))
	}
	units := fmt.Sprintf("%d of %d units are bound", t.bound, t.desired)
	if t.unavailable > 0 {
		units = fmt.Sprintf("%d of %d units can be taken, %d unavailable (%s)", t.ready, t.desired, t.unavailable, t.trouble)
	}
	if t.queued > 0 {
		units += fmt.Sprintf(", %d more are made when it is their turn (the operator bounds how many units wait at a time)", t.queued)
	}
	units += t.sayRefill()
	filled := t.settled && t.ready >= t.desired
	switch {
	case filled && t.rolling == 0 && t.problem == nil && t.failing == nil:
		return so(metav1.ConditionTrue, v1alpha1.ReasonFilled, "%s.", units)
	case ready.Status == metav1.ConditionFalse:
		return so(metav1.ConditionFalse, v1alpha1.ReasonNotReady, "%s; see the condition Ready.", units)
	case t.failing != nil:
		return so(metav1.ConditionFalse, t.failing.reason, "%s, and units fail again and again. %s", units, t.failing.message)
	case t.atCeiling && (t.obstacle.reason == "" || t.obstacle.reason == v1alpha1.ReasonWaitingForRoom):
		return so(metav1.ConditionFalse, v1alpha1.ReasonAtCeiling, "%s. %s", units, t.sayCeiling())
	case t.obstacle.reason != "":
		return so(metav1.ConditionFalse, t.obstacle.reason, "%s. %s", units, t.obstacle.message)
	case filled && t.deviation != "":
		return so(metav1.ConditionFalse, v1alpha1.ReasonRollingOut, "%s, %d not as they should be: of one, %s.", units, t.rolling, t.deviation)
	case filled:
		return so(metav1.ConditionFalse, v1alpha1.ReasonRollingOut, "%s, %d of an older spec.", units, t.rolling)
	case t.settled && t.bound >= t.desired:
		return so(metav1.ConditionFalse, v1alpha1.ReasonUnavailable, "%s.", units)
	default:
		return so(metav1.ConditionFalse, v1alpha1.ReasonToppingUp, "%s.", units)
	}
}

// setCondition adds or changes a condition. The time of its last transition only moves with its status.
func setCondition(conditions *[]metav1.Condition, c metav1.Condition, generation int64, now time.Time) {
	c.ObservedGeneration = generation
	c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
	meta.SetStatusCondition(conditions, c)
}
