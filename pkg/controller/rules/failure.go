package rules

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/message"
	"github.com/headroom-dev/headroom/pkg/sizing"
)

// maxCondition is the longest message of the condition, in bytes.
const maxCondition = 2000

// failure is a rule that cannot be evaluated, or a limit if it names no rule.
type failure struct {
	rule    string
	problem *workload.Problem
}

// lastOf is what a rule came to last; nil if it never came to anything.
func lastOf(status *v1alpha1.SizingStatus, rule string) *v1alpha1.SizingRuleStatus {
	if status == nil {
		return nil
	}
	for i := range status.Rules {
		if status.Rules[i].Name == rule {
			return &status.Rules[i]
		}
	}
	return nil
}

// kept is what counts of a rule that cannot be evaluated: what it came to last.
func kept(last *v1alpha1.SizingRuleStatus, problem *workload.Problem) finding {
	if last != nil && problem.Reason == v1alpha1.ReasonReading {
		return finding{Units: int(last.Replicas), message: last.Message} // for the second that it takes after a start
	}
	if last == nil || last.Replicas == 0 {
		return finding{message: fmt.Sprintf("It counts as 0 units: %s.", problem.Message)}
	}
	return finding{Units: int(last.Replicas), message: fmt.Sprintf(
		"It keeps the %s that it came to last: %s.", sizing.Units(int(last.Replicas)), problem.Message)}
}

// condition says whether every rule is evaluated. A controller that has just started has not read anything yet; the condition then
// stays as it was, if it is about the same spec.
func condition(headroom *v1alpha1.Headroom, failed []failure) metav1.Condition {
	sized := metav1.Condition{Type: v1alpha1.ConditionSized}
	if len(failed) == 0 {
		sized.Status, sized.Reason, sized.Message = metav1.ConditionTrue, v1alpha1.ReasonSized, "Every rule of spec.sizing is evaluated."
		return sized
	}
	sized.Status, sized.Reason = metav1.ConditionUnknown, v1alpha1.ReasonReading
	var texts []string
	for _, f := range failed {
		if f.problem.Reason != v1alpha1.ReasonReading && sized.Reason == v1alpha1.ReasonReading {
			sized.Status, sized.Reason = metav1.ConditionFalse, f.problem.Reason
		}
		text := f.problem.Message + "."
		if f.rule != "" {
			text = fmt.Sprintf("Rule %s: %s", f.rule, text)
		}
		texts = append(texts, text)
	}
	before := meta.FindStatusCondition(headroom.Status.Conditions, v1alpha1.ConditionSized)
	if sized.Reason == v1alpha1.ReasonReading && before != nil && before.ObservedGeneration == headroom.Generation {
		return *before
	}
	sized.Message = message.Cut(strings.Join(texts, " "), maxCondition, message.Ellipsis)
	return sized
}
