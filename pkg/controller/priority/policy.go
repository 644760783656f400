// Package priority decides whether placeholders may have the priority of a PriorityClass. It talks to no API server.
package priority

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// Limits are what the operator allows.
type Limits struct {
	// Max and Min are the highest and the lowest priority that a placeholder may have, both included.
	Max, Min int32
	// AllowPreempting allows a PriorityClass whose preemptionPolicy is not Never.
	AllowPreempting bool
	// AllowReserved allows reserved units, whose priority is above Max.
	AllowReserved bool
}

// Refusal is why placeholders may not have a PriorityClass.
type Refusal struct {
	// Reason is a reason of the condition Ready.
	Reason string
	// Message says what would go wrong, and what to do.
	Message string
}

// Check returns why placeholders may not have the PriorityClass of this name, and nil if they may. The class is nil if none
// has that name.
func Check(name string, class *schedulingv1.PriorityClass, limits Limits) *Refusal {
	switch {
	case name == v1alpha1.ReservedPriorityClassName:
		return &Refusal{
			Reason: v1alpha1.ReasonReservedNotAllowed,
			Message: fmt.Sprintf("PriorityClass %q is for reserved units only. Set spec.reserved: true, or name another class in "+
				"spec.priorityClassName.", name),
		}
	case class == nil:
		return &Refusal{
			Reason: v1alpha1.ReasonUnknownPriorityClass,
			Message: fmt.Sprintf("No PriorityClass is named %q, so the API server would refuse every placeholder. "+
				"Create it, or name another in spec.priorityClassName.", name),
		}
	case class.Value > limits.Max:
		return &Refusal{
			Reason: v1alpha1.ReasonPriorityTooHigh,
			Message: fmt.Sprintf("PriorityClass %q has value %d, above %d, the highest this controller allows: pods of lower or "+
				"equal priority could not take the headroom. Name a class of lower value, or have the operator raise "+
				"--max-priority.", name, class.Value, limits.Max),
		}
	case class.Value < limits.Min:
		return &Refusal{
			Reason: v1alpha1.ReasonPriorityTooLow,
			Message: fmt.Sprintf("PriorityClass %q has value %d, below %d: Cluster Autoscaler would act as if the placeholders were "+
				"not there, add no nodes for them and remove the ones they are on. Name a class of higher value, or have the "+
				"operator lower --min-priority.", name, class.Value, limits.Min),
		}
	case !limits.AllowPreempting && preempts(class):
		return &Refusal{
			Reason: v1alpha1.ReasonPreemptingPriorityClass,
			Message: fmt.Sprintf("PriorityClass %q has a preemptionPolicy other than Never: placeholders could evict pods of lower "+
				"priority, other headroom included, to make room for themselves. Name a class with preemptionPolicy: Never, or "+
				"have the operator set --allow-preempting-priority-class.", name),
		}
	}
	return nil
}

// preempts is true for a class without a policy too: the API server's default is to preempt.
func preempts(class *schedulingv1.PriorityClass) bool {
	return class.PreemptionPolicy == nil || *class.PreemptionPolicy != corev1.PreemptNever
}

// CheckReserved returns why reserved units may not be made, and nil if they may. The class is that of reserved units, nil if there is none
// of its name.
func CheckReserved(class *schedulingv1.PriorityClass, limits Limits) *Refusal {
	const name = v1alpha1.ReservedPriorityClassName
	switch {
	case !limits.AllowReserved:
		return &Refusal{
			Reason: v1alpha1.ReasonReservedNotAllowed,
			Message: "The operator does not allow reserved units: those that are there stay, and none are made. Have the operator set " +
				"--allow-reserved, or set spec.reserved: false.",
		}
	case class == nil:
		return &Refusal{
			Reason: v1alpha1.ReasonUnknownPriorityClass,
			Message: fmt.Sprintf("No PriorityClass is named %q, so the API server would refuse every reserved unit. Have the operator "+
				"apply the one of the install.", name),
		}
	case class.Value <= 0:
		return &Refusal{
			Reason: v1alpha1.ReasonPriorityTooLow,
			Message: fmt.Sprintf("PriorityClass %q has value %d, not above 0, the priority of pods that have no class: other schedulers would "+
				"preempt reserved units for them. Have the operator delete it and apply the one of the install.", name, class.Value),
		}
	case preempts(class):
		return &Refusal{
			Reason: v1alpha1.ReasonPreemptingPriorityClass,
			Message: fmt.Sprintf("PriorityClass %q has a preemptionPolicy other than Never: reserved units would evict running pods to make "+
				"room for themselves. Have the operator delete it and apply the one of the install.", name),
		}
	}
	return nil
}
