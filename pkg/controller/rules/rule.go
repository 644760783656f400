package rules

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/sizing"
)

// Look tells what rules are about.
type Look interface {
	// Target is a workload.
	Target(workload.Ref) (workload.Target, *workload.Problem)
	// Pods are the bound pods of a namespace that a selector matches, placeholders left out.
	Pods(namespace string, selector labels.Selector) ([]workload.Group, *workload.Problem)
	// Autoscaler is the HorizontalPodAutoscaler of a workload.
	Autoscaler(workload.Ref) (workload.Autoscaler, *workload.Problem)
	Accounts
}

// evaluation is what all rules of a Headroom have in common.
type evaluation struct {
	headroom *v1alpha1.Headroom
	floor    int
	look     Look
	now      time.Time
}

// finding is what a rule comes to.
type finding struct {
	// Units is the number of units.
	Units int
	// message says why.
	message string
	// recheck is after how long it may be another number although nothing changed; zero: never.
	recheck time.Duration
}

// rule evaluates one rule.
func (e evaluation) rule(rule *v1alpha1.SizingRule) (finding, *workload.Problem) {
	switch {
	case rule.PercentOf != nil:
		return e.percentOf(rule.PercentOf)
	case rule.UpToMaxReplicasOf != nil:
		return e.upToMaxReplicasOf(rule.UpToMaxReplicasOf)
	case rule.Schedule != nil:
		return e.schedule(rule.Schedule)
	case rule.Demand != nil:
		return e.demand(rule.Demand, lastOf(e.headroom.Status.Sizing, rule.Name))
	}
	return finding{}, invalid("it is of a kind that this version does not know")
}

func (e evaluation) percentOf(rule *v1alpha1.PercentOf) (finding, *workload.Problem) {
	if rule.By == v1alpha1.PercentOfRequests && len(e.headroom.Spec.Requests) == 0 {
		return finding{}, &workload.Problem{
			Reason: v1alpha1.ReasonShapeUnknown, Message: "it is not known yet what a unit requests; the condition Shaped says why",
		}
	}
	selector, pods, problem := e.podsOf(rule)
	if problem != nil {
		return finding{}, problem
	}
	groups, problem := e.look.Pods(e.headroom.Namespace, selector)
	if problem != nil {
		return finding{}, problem
	}
	count, total := totalOf(groups)
	found := finding{}
	if rule.By == v1alpha1.PercentOfRequests {
		found.Units, found.message = sizing.OfRequests(int(rule.Percent), count, pods, total, e.headroom.Spec.Requests)
	} else {
		found.Units, found.message = sizing.OfPods(int(rule.Percent), count, pods)
	}
	return found, nil
}

// podsOf selects the pods that a percentage is of, and says in words which they are.
func (e evaluation) podsOf(rule *v1alpha1.PercentOf) (labels.Selector, string, *workload.Problem) {
	if rule.Target != nil {
		ref := e.ref(rule.Target)
		target, problem := e.target(ref)
		return target.Selector, "bound pods of " + ref.String(), problem
	}
	selector, err := metav1.LabelSelectorAsSelector(rule.Pods)
	if err != nil {
		return nil, "", invalid("percentOf.pods is malformed: %v", err)
	}
	if selector.Empty() {
		return selector, "bound pods of the namespace", nil
	}
	return selector, fmt.Sprintf("bound pods with %s", selector), nil
}

func (e evaluation) upToMaxReplicasOf(rule *v1alpha1.UpToMaxReplicasOf) (finding, *workload.Problem) {
	if problem := e.bounded(); problem != nil {
		return finding{}, problem
	}
	ref := e.ref(&rule.Target)
	target, problem := e.target(ref)
	if problem != nil {
		return finding{}, problem
	}
	autoscaler, problem := e.look.Autoscaler(ref)
	if problem != nil {
		return finding{}, problem
	}
	groups, problem := e.look.Pods(e.headroom.Namespace, target.Selector)
	if problem != nil {
		return finding{}, problem
	}
	bound, _ := totalOf(groups)
	found := finding{}
	found.Units, found.message = sizing.UpTo(autoscaler.MaxReplicas, target.Replicas, bound,
		"HorizontalPodAutoscaler "+autoscaler.Name, ref.String())
	return found, nil
}

func (e evaluation) schedule(rule *v1alpha1.Schedule) (finding, *workload.Problem) {
	schedule := sizing.Schedule{}
	var err error
	if schedule.Zone, err = sizing.Zone(rule.TimeZone); err != nil {
		return finding{}, &workload.Problem{Reason: v1alpha1.ReasonUnknownTimeZone, Message: err.Error()}
	}
	if schedule.Start, err = sizing.TimeOfDay(rule.Start); err != nil {
		return finding{}, invalid("schedule.start: %v", err)
	}
	if schedule.End, err = sizing.TimeOfDay(rule.End); err != nil {
		return finding{}, invalid("schedule.end: %v", err)
	}
	for _, name := range rule.Days {
		day, err := sizing.Weekday(string(name))
		if err != nil {
			return finding{}, invalid("schedule.days: %v", err)
		}
		schedule.Days = append(schedule.Days, day)
	}
	if rule.Lead != nil {
		schedule.Lead = rule.Lead.Duration
	}
	found := finding{}
	found.Units, found.message, found.recheck = schedule.Units(int(rule.Replicas), e.now)
	found.recheck = min(max(found.recheck, time.Second), clockCheck)
	return found, nil
}

// target is a workload that has pods.
func (e evaluation) target(ref workload.Ref) (workload.Target, *workload.Problem) {
	target, problem := e.look.Target(ref)
	if problem == nil && target.Selector == nil {
		problem = &workload.Problem{Reason: v1alpha1.ReasonUnknownKind, Message: ref.String() +
			" has no pods of its own, as far as it says; name them by percentOf.pods in place of percentOf.target"}
	}
	return target, problem
}

func (e evaluation) ref(to *v1alpha1.WorkloadReference) workload.Ref {
	return workload.Ref{Namespace: e.headroom.Namespace, APIVersion: to.APIVersion, Kind: to.Kind, Name: to.Name}
}

func invalid(format string, args ...any) *workload.Problem {
	return &workload.Problem{Reason: v1alpha1.ReasonInvalidRule, Message: fmt.Sprintf(format, args...)}
}

// totalOf is how many pods there are in groups, and what they request together.
func totalOf(groups []workload.Group) (count int, total corev1.ResourceList) {
	total = corev1.ResourceList{}
	for _, group := range groups {
		count += group.Count
		for name, each := range group.Requests {
			sum := total[name]
			all := each.DeepCopy()
			all.Mul(int64(group.Count))
			sum.Add(all)
			total[name] = sum
		}
	}
	return count, total
}
