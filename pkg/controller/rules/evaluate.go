package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/workload"
	"github.com/headroom-dev/headroom/pkg/message"
	"github.com/headroom-dev/headroom/pkg/sizing"
)

const (
	// maxMessage is the longest message of status.sizing, in bytes.
	maxMessage = 1024
	// defaultWindow is the stabilization window of a Headroom that names none, as in the API.
	defaultWindow = 10 * time.Minute
	// clockCheck is how long a rule that depends on the time of day is left alone at most: the clock may have jumped.
	clockCheck = 5 * time.Minute
)

// Outcome is what spec.sizing comes to.
type Outcome struct {
	// Replicas is how many units the Headroom should have: what the rules come to or, with mode Advise, spec.replicas.
	Replicas int
	// Status is status.sizing.
	Status *v1alpha1.SizingStatus
	// Sized is the condition of that type.
	Sized metav1.Condition
	// Recheck is after how long it may be another one although nothing changed; zero: never.
	Recheck time.Duration
}

// Evaluate says how many units a Headroom with spec.sizing should have. floor is spec.replicas, and the status of the Headroom what this
// function said last.
func Evaluate(headroom *v1alpha1.Headroom, floor int, look Look, now time.Time) Outcome {
	spec, before := headroom.Spec.Sizing, headroom.Status.Sizing
	evaluation := evaluation{headroom: headroom, floor: floor, look: look, now: now}
	out := Outcome{Status: &v1alpha1.SizingStatus{}}
	var proposals []sizing.Proposal
	var failed []failure
	for i := range spec.Rules {
		rule := &spec.Rules[i]
		found, problem := evaluation.rule(rule)
		if problem != nil {
			failed = append(failed, failure{rule.Name, problem})
			wait := found.recheck
			found = kept(lastOf(before, rule.Name), problem)
			found.recheck = wait
		}
		found.Units = min(max(found.Units, 0), absurd)
		proposals = append(proposals, sizing.Proposal{Rule: rule.Name, Units: found.Units, Message: found.message})
		out.Recheck = soonest(out.Recheck, found.recheck)
	}
	if problem := evaluation.limitless(); problem != nil {
		failed = append(failed, failure{problem: problem})
	}
	result := sizing.Decide(proposals, memoryOf(before), boundsOf(headroom, floor), now)
	out.Recheck = soonest(out.Recheck, result.Recheck)
	fill(out.Status, result, proposals)
	out.Sized = condition(headroom, failed)
	out.Replicas = result.Units
	if spec.Mode == v1alpha1.SizingAdvise {
		out.Replicas = floor
		out.Status.Message = cut(fmt.Sprintf("%s It is advice: mode is Advise, so spec.replicas counts, which is %d.", result.Message, floor))
	}
	return out
}

// limitless is what is wrong with a limit that has no resource of a unit, and so limits nothing. The API server refuses that where it knows
// what a unit requests.
func (e evaluation) limitless() *workload.Problem {
	limit, unit := e.headroom.Spec.Sizing.MaxResources, e.headroom.Spec.Requests
	if len(limit) == 0 || len(unit) == 0 {
		return nil
	}
	if fit, _ := sizing.Fit(limit, unit); fit >= 0 {
		return nil
	}
	return invalid("sizing.maxResources has none of the resources that a unit requests (%s), and so limits nothing", resourcesOf(unit))
}

// bounded is what is wrong with a rule that must have a limit and has none.
func (e evaluation) bounded() *workload.Problem {
	if e.headroom.Spec.Sizing.Max != nil {
		return nil
	}
	return e.limitless()
}

func resourcesOf(list corev1.ResourceList) string {
	var names []string
	for name := range list {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// absurd is more units than any rule needs to ask for.
const absurd = 1_000_000

// boundsOf are what the rules have no say in.
func boundsOf(headroom *v1alpha1.Headroom, floor int) sizing.Bounds {
	spec := headroom.Spec.Sizing
	bounds := sizing.Bounds{Floor: floor, Max: int(ptr.Deref(spec.Max, sizing.MaxUnits)), Fit: -1, Window: defaultWindow}
	if len(spec.MaxResources) > 0 {
		bounds.Fit, bounds.FitMessage = sizing.Fit(spec.MaxResources, headroom.Spec.Requests)
	}
	if spec.ScaleDown != nil && spec.ScaleDown.StabilizationWindow != nil {
		bounds.Window = spec.ScaleDown.StabilizationWindow.Duration
	}
	return bounds
}

// memoryOf reads what has to be known of the past from a status.
func memoryOf(status *v1alpha1.SizingStatus) sizing.Memory {
	memory := sizing.Memory{}
	if status == nil {
		return memory
	}
	for _, rule := range status.Rules {
		if int(rule.Replicas) > memory.Last.Units {
			memory.Last = sizing.Asked{Rule: rule.Name, Units: int(rule.Replicas)}
		}
	}
	for _, r := range status.Recent {
		memory.Recent = append(memory.Recent, sizing.Recent{Asked: sizing.Asked{Rule: r.Rule, Units: int(r.Replicas)}, Until: r.UntilTime.Time})
	}
	return memory
}

// fill puts a result into a status.
func fill(status *v1alpha1.SizingStatus, result sizing.Result, proposals []sizing.Proposal) {
	status.Replicas = int32(result.Units) //nolint:gosec // at most sizing.MaxUnits
	status.Rule, status.LimitedBy, status.Message = result.Rule, v1alpha1.SizingLimit(result.LimitedBy), cut(result.Message)
	for _, p := range proposals {
		status.Rules = append(status.Rules, v1alpha1.SizingRuleStatus{
			Name: p.Rule, Replicas: int32(p.Units), Message: cut(p.Message), //nolint:gosec // at most absurd
		})
	}
	for _, r := range result.Memory.Recent {
		status.Recent = append(status.Recent, v1alpha1.SizingRecent{
			Rule: r.Rule, Replicas: int32(r.Units), UntilTime: metav1.NewTime(r.Until), //nolint:gosec // as above
		})
	}
}

func cut(text string) string { return message.Cut(text, maxMessage, message.Ellipsis) }

// soonest is the earlier of two waits, where zero means that no wait is needed.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
