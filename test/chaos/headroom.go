package chaos

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// sized returns what is wrong about a Headroom: its size, for which it gives no true reason, and its status, if the cluster shows another.
func (r *run) sized(s *scene, h *v1alpha1.Headroom) []doubt {
	pods := r.placeholdersOf(s, h)
	held := bound(pods)
	about := append([]string{h.Name}, "")
	var doubts []doubt
	wrong := func(property, format string, args ...any) {
		doubts = append(doubts, doubt{
			property: property, patience: restWithin, about: about,
			message: fmt.Sprintf("Headroom %s/%s ", h.Namespace, h.Name) + fmt.Sprintf(format, args...),
		})
	}
	if h.Status.ObservedGeneration != h.Generation {
		wrong(Status, "is of generation %d, its status of %d", h.Generation, h.Status.ObservedGeneration)
		return doubts
	}
	existing := int32(len(pods)) //nolint:gosec // as many pods as fit the cluster
	if h.Status.Replicas != existing || h.Status.ReadyReplicas != held || h.Status.PendingReplicas != existing-held {
		wrong(Status, "says %d replicas, %d ready, %d pending; there are %d, %d bound", h.Status.Replicas, h.Status.ReadyReplicas,
			h.Status.PendingReplicas, existing, held)
	}
	spread := int32(0)
	for _, domain := range h.Status.Spread.Domains {
		spread += domain.ReadyReplicas
	}
	if spread != held {
		wrong(Status, "counts %d units in its domains (%s), %d are bound", spread, h.Status.Spread.Summary, held)
	}
	if want := min(existing, ptr.Deref(h.Spec.Replicas, 1)); h.Spec.Placement != v1alpha1.PlacementPerNode && h.Status.ScaleReplicas != want {
		wrong(Status, "tells autoscalers of %d replicas, not of %d", h.Status.ScaleReplicas, want)
	}
	ready, filled := conditionOf(h, v1alpha1.ConditionReady), conditionOf(h, v1alpha1.ConditionFilled)
	desired := ptr.Deref(h.Spec.Replicas, 1)
	if h.Spec.Placement == v1alpha1.PlacementPerNode {
		desired = h.Status.DesiredReplicas
	}
	if h.Status.OutdatedReplicas > 0 {
		// They are replaced step by step, with back-off: nothing is wrong, but the cluster is not at rest.
		doubts = append(doubts, doubt{property: Size, patience: atRestWithin, about: append(about, "outdated"),
			message: fmt.Sprintf("Headroom %s/%s has %d units that are not what it says now", h.Namespace, h.Name, h.Status.OutdatedReplicas)})
	}
	switch {
	case ready.Status == metav1.ConditionFalse:
		if why := untrue(s, h, ready.Reason); why != "" {
			wrong(Size, "is not Ready: %s (%s), but %s", ready.Reason, ready.Message, why)
		}
	case filled.Status == metav1.ConditionTrue && (held < desired || held > desired+max(1, desired/4)):
		// More are there for some minutes after nodes were unavailable, at most a quarter and at least one.
		wrong(Size, "is Filled, but %d of %d units are bound", held, desired)
	case filled.Status == metav1.ConditionTrue:
		if odd := unlike(s, h, pods); odd != "" {
			wrong(Size, "is Filled, but %s", odd)
		}
	case filled.Reason == v1alpha1.ReasonWaitingForRoom && existing > held:
		// True unless one of those that wait has a place, which is looked at for every pod.
	default:
		wrong(Size, "is not Filled: %s (%s), %d of %d units are bound, %d wait", filled.Reason, filled.Message, held, desired, existing-held)
	}
	return doubts
}

func conditionOf(h *v1alpha1.Headroom, kind string) metav1.Condition {
	return ptr.Deref(meta.FindStatusCondition(h.Status.Conditions, kind), metav1.Condition{Reason: "none"})
}

// untrue says why the reason for which a Headroom is not ready does not hold, and "" if it does.
func untrue(s *scene, h *v1alpha1.Headroom, reason string) string {
	class := s.classes[h.Spec.PriorityClassName]
	exists := class != nil
	switch reason {
	case v1alpha1.ReasonUnknownPriorityClass:
		if !exists {
			return ""
		}
	case v1alpha1.ReasonPriorityTooHigh:
		if exists && class.Value > -1 {
			return ""
		}
	case v1alpha1.ReasonPriorityTooLow:
		if exists && class.Value < -10 {
			return ""
		}
	case v1alpha1.ReasonPreemptingPriorityClass:
		if exists && ptr.Deref(class.PreemptionPolicy, corev1.PreemptLowerPriority) != corev1.PreemptNever {
			return ""
		}
	}
	if !exists {
		return "there is no such class"
	}
	return fmt.Sprintf("its class has the value %d and the policy %s", class.Value, ptr.Deref(class.PreemptionPolicy, "none"))
}

// unlike says which of the units is not as the spec has it, and "" if all are.
func unlike(s *scene, h *v1alpha1.Headroom, pods []*corev1.Pod) string {
	for _, pod := range pods {
		got := pod.Spec.Containers[0].Resources.Requests
		for name, want := range h.Spec.Requests {
			if have := got[name]; have.Cmp(want) != 0 {
				return fmt.Sprintf("unit %s requests %s of %s, not %s", pod.Name, have.String(), name, want.String())
			}
		}
		if class := s.classes[h.Spec.PriorityClassName]; class != nil && pod.Spec.PriorityClassName != class.Name {
			return fmt.Sprintf("unit %s has the class %s, not %s", pod.Name, pod.Spec.PriorityClassName, class.Name)
		}
	}
	return ""
}
