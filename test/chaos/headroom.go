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
	if odd := oddScale(h, existing); odd != "" {
		wrong(Status, "%s", odd)
	}
	ready, filled := conditionOf(h, v1alpha1.ConditionReady), conditionOf(h, v1alpha1.ConditionFilled)
	desired := desiredOf(h)
	if h.Status.DesiredReplicas != desired {
		wrong(Status, "wants %d units by its status, %d by its spec and what was taken", h.Status.DesiredReplicas, desired)
	}
	if h.Status.OutdatedReplicas > 0 && ready.Status != metav1.ConditionFalse && !stays(h, held) { // else none is made in their place
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

// stays reports whether outdated units stay as they are because as many others lack room as may be lacking at a time: a DaemonSet's controller
// counts those that never had any, and so does the product with such units.
func stays(h *v1alpha1.Headroom, held int32) bool {
	desired := h.Status.DesiredReplicas
	return h.Spec.Placement == v1alpha1.PlacementPerNode && desired-held >= (desired+3)/4
}

// desiredOf is how many units a Headroom should have.
func desiredOf(h *v1alpha1.Headroom) int32 {
	replicas := ptr.Deref(h.Spec.Replicas, 1)
	switch {
	case h.Spec.Placement == v1alpha1.PlacementPerNode:
		return h.Status.DesiredReplicas
	case h.Spec.Refill != nil && h.Spec.Refill.Policy == v1alpha1.RefillOnce && h.Status.Refill != nil:
		return max(0, replicas-h.Status.Refill.TakenReplicas)
	default:
		return replicas
	}
}

// oddScale says what is wrong about what a Headroom tells autoscalers, and "" if nothing is. Units that the refill holds back count as well.
func oddScale(h *v1alpha1.Headroom, existing int32) string {
	if h.Spec.Placement == v1alpha1.PlacementPerNode {
		return ""
	}
	least, most := min(existing, ptr.Deref(h.Spec.Replicas, 1)), ptr.Deref(h.Spec.Replicas, 1)
	if h.Spec.Refill == nil {
		most = least
	}
	if got := h.Status.ScaleReplicas; got < least || got > most {
		return fmt.Sprintf("tells autoscalers of %d replicas, not of %d to %d", got, least, most)
	}
	return ""
}

func conditionOf(h *v1alpha1.Headroom, kind string) metav1.Condition {
	return ptr.Deref(meta.FindStatusCondition(h.Status.Conditions, kind), metav1.Condition{Reason: "none"})
}

// untrue says why the reason for which a Headroom is not ready does not hold, and "" if it does.
func untrue(s *scene, h *v1alpha1.Headroom, reason string) string {
	class := s.classes[h.Spec.UnitPriorityClassName()]
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
		if odd := unlikeClass(s, h, pod); odd != "" {
			return odd
		}
	}
	return ""
}

// unlikeClass says in what a unit's class is not as the spec has it, and "" if it is.
func unlikeClass(s *scene, h *v1alpha1.Headroom, unit *corev1.Pod) string {
	got, want := unit.Spec.PriorityClassName, h.Spec.UnitPriorityClassName()
	onLadder := h.Spec.Ladder == v1alpha1.LadderEnabled
	switch {
	case onLadder && !v1alpha1.IsLadderPriorityClass(got):
		return fmt.Sprintf("unit %s has the class %s, which is no step of the ladder", unit.Name, got)
	case !onLadder && s.classes[want] != nil && got != want:
		return fmt.Sprintf("unit %s has the class %s, not %s", unit.Name, got, want)
	case (onLadder || h.Spec.Reserved) && s.classes[got] != nil && priorityOf(unit) != s.classes[got].Value:
		return fmt.Sprintf("unit %s has the priority %d, its class %s the value %d", unit.Name, priorityOf(unit), got, s.classes[got].Value)
	}
	return ""
}
