package shapes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/message"
	"github.com/headroom-dev/headroom/pkg/shape"
)

const (
	// maxMessage and maxCondition are the longest messages of status.shape and of the condition, in bytes.
	maxMessage   = 1024
	maxCondition = 2000
)

// Look tells what a workload is like.
type Look interface {
	// Target is a workload.
	Target(workload.Ref) (workload.Target, *workload.Problem)
	// Pods are the bound pods of a namespace that a selector matches, placeholders left out.
	Pods(namespace string, selector labels.Selector) ([]workload.Group, *workload.Problem)
}

// Outcome is what spec.shapeFrom comes to.
type Outcome struct {
	// Status is status.shape; nil as long as no shape is known.
	Status *v1alpha1.ShapeStatus
	// Shaped is the condition of that type.
	Shaped metav1.Condition
	// Recheck is after how long it may be another one although nothing changed; zero: never.
	Recheck time.Duration
}

// Evaluate says what the units of a Headroom with spec.shapeFrom are made like. The status of the Headroom is what this function said last.
func Evaluate(headroom *v1alpha1.Headroom, look Look, now time.Time) Outcome {
	out := Outcome{Status: headroom.Status.Shape}
	from := headroom.Spec.ShapeFrom
	ref := workload.Ref{Namespace: headroom.Namespace, APIVersion: from.APIVersion, Kind: from.Kind, Name: from.Name}
	found, problem := shapeOf(headroom, ref, look)
	if problem != nil {
		out.Shaped = failed(headroom, problem)
		return out
	}
	var held *shape.Shape
	var since time.Time
	if before := headroom.Status.Shape; before != nil {
		shape := fromStatus(before)
		held = &shape
		if before.ChangedTime != nil {
			since = before.ChangedTime.Time
		}
	}
	verdict, wait := shape.Next(held, since, found.Shape, found.rolls, now)
	out.Recheck = wait
	switch verdict {
	case shape.Follow:
		out.Status = toStatus(found, now)
		out.Shaped = condition(metav1.ConditionTrue, v1alpha1.ReasonShaped, "Units are made like pods of %s.", ref)
	case shape.Same:
		out.Shaped = condition(metav1.ConditionTrue, v1alpha1.ReasonShaped, "Units are made like pods of %s.", ref)
	case shape.Later:
		out.Shaped = condition(metav1.ConditionFalse, v1alpha1.ReasonShapeChanged,
			"%s changed; units follow 10 minutes after their last change, which was at %s.", ref, since.UTC().Format(time.RFC3339))
	case shape.Rolls:
		out.Shaped = condition(metav1.ConditionFalse, v1alpha1.ReasonTargetRolls,
			"%s changed and replaces its pods; units follow when that is done.", ref)
	}
	return out
}

// finding is what a workload's pods are like.
type finding struct {
	shape.Shape
	// template is what the template requests, source what the shape comes from.
	template corev1.ResourceList
	source   string
	// rolls says that the workload is replacing its pods.
	rolls bool
}

// shapeOf is what the pods of a workload are like.
func shapeOf(headroom *v1alpha1.Headroom, ref workload.Ref, look Look) (finding, *workload.Problem) {
	target, problem := look.Target(ref)
	if problem != nil {
		return finding{}, problem
	}
	found := finding{rolls: target.Rolls}
	own := &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelHeadroom: headroom.Name}}
	if target.Template != nil {
		found.Shape, found.source = shape.Of(target.Template, own), fmt.Sprintf("the template of %s", ref)
		found.template = found.Requests
	}
	var groups []workload.Group
	if target.Newest != nil && !target.Rolls {
		if groups, problem = look.Pods(headroom.Namespace, target.Newest); problem != nil {
			return finding{}, problem
		}
	}
	for _, group := range groups {
		found.Requests = shape.Larger(found.Requests, group.Requests)
	}
	if before := headroom.Status.Shape; before != nil && len(groups) == 0 {
		found.Requests = shape.Remembered(before.Requests, before.TemplateRequests, found.template)
	}
	if len(found.Requests) == 0 {
		return finding{}, noRequests(ref, target.Template, len(groups))
	}
	switch {
	case target.Template == nil:
		found.source = fmt.Sprintf("the largest requests of pods of %s", ref)
	case !equality.Semantic.DeepEqual(found.Requests, found.template):
		found.source += fmt.Sprintf(", and the larger requests of pods of %s", ref)
	}
	return found, nil
}

// noRequests is what is wrong with a workload of whose pods nothing is known that they request.
func noRequests(ref workload.Ref, template *corev1.PodSpec, pods int) *workload.Problem {
	text := fmt.Sprintf("the pods of %s request nothing, so that there is nothing to hold", ref)
	switch {
	case pods > 0:
	case template != nil: // admission may still give its pods requests, as a LimitRange does
		text = fmt.Sprintf("the template of %s requests nothing, and no pod of it is bound, so that there is nothing to hold", ref)
	default:
		text = fmt.Sprintf("%s has no bound pods and no template at spec.template, so that nobody knows what its pods request", ref)
	}
	return &workload.Problem{Reason: v1alpha1.ReasonNoRequests, Message: text}
}

func fromStatus(s *v1alpha1.ShapeStatus) shape.Shape {
	return shape.Shape{
		Requests: s.Requests, NodeSelector: s.NodeSelector, NodeAffinity: s.NodeAffinity, Tolerations: s.Tolerations,
		Spread: s.TopologySpreadConstraints, RuntimeClassName: s.RuntimeClassName,
	}
}

func toStatus(s finding, now time.Time) *v1alpha1.ShapeStatus {
	changed := metav1.NewTime(now.Truncate(time.Second))
	status := &v1alpha1.ShapeStatus{
		Requests: s.Requests, NodeSelector: s.NodeSelector, NodeAffinity: s.NodeAffinity, Tolerations: s.Tolerations,
		TopologySpreadConstraints: s.Spread, RuntimeClassName: s.RuntimeClassName, ChangedTime: &changed,
		Message: message.Cut(fmt.Sprintf("%s: %s.", inWords(s.Requests), s.source), maxMessage, message.Ellipsis),
	}
	if !equality.Semantic.DeepEqual(s.Requests, s.template) {
		status.TemplateRequests = s.template
	}
	return status
}

// inWords is a size such as "2 cpu, 4Gi memory".
func inWords(requests corev1.ResourceList) string {
	var parts []string
	for name, quantity := range requests {
		parts = append(parts, fmt.Sprintf("%s %s", quantity.String(), name))
	}
	slices.SortFunc(parts, func(a, b string) int {
		_, first, _ := strings.Cut(a, " ")
		_, second, _ := strings.Cut(b, " ")
		return cmp.Compare(first, second)
	})
	return strings.Join(parts, ", ")
}

// failed says why no shape can be told. A controller that has just started has not read anything yet; the condition then stays as it
// was, if it is about the same spec.
func failed(headroom *v1alpha1.Headroom, problem *workload.Problem) metav1.Condition {
	before := meta.FindStatusCondition(headroom.Status.Conditions, v1alpha1.ConditionShaped)
	if problem.Reason == v1alpha1.ReasonReading && before != nil && before.ObservedGeneration == headroom.Generation {
		return *before
	}
	status := metav1.ConditionFalse
	if problem.Reason == v1alpha1.ReasonReading {
		status = metav1.ConditionUnknown
	}
	keeps := "no unit is made before it is known"
	if headroom.Status.Shape != nil {
		keeps = "units keep the shape that they have"
	}
	return condition(status, problem.Reason, "%s; %s.", problem.Message, keeps)
}

func condition(status metav1.ConditionStatus, reason, format string, args ...any) metav1.Condition {
	text := fmt.Sprintf(format, args...)
	return metav1.Condition{
		Type: v1alpha1.ConditionShaped, Status: status, Reason: reason, Message: message.Cut(text, maxCondition, message.Ellipsis),
	}
}
