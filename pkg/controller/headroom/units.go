package headroom

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	v1helper "k8s.io/component-helpers/scheduling/corev1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/priority"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/price"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// unit is one placeholder as observed, with the pod it was made from.
type unit struct {
	topup.Unit
	pod *corev1.Pod
	// unavailable says why no consumer could be bound in its place now; empty if one could.
	unavailable string
	// domain is the topology domain that it is in, or that it is meant for.
	domain string
	// deviation says what it has that spec and PriorityClass do not say; empty if it conforms.
	deviation string
	// cost is what it costs if it is bound and there are prices.
	cost price.Held
}

// stateOf says where a placeholder is in its life. Of the pods that carry the Headroom's label, mine are those that the
// Headroom controls and that have the priority of a placeholder; deleting are those whose deletion this process asked for; nodeGone
// says that the pod's node is gone.
func stateOf(pod *corev1.Pod, mine, deleting, nodeGone bool) topup.State {
	switch {
	case !mine:
		return topup.Foreign
	case deleting || pod.DeletionTimestamp != nil:
		return topup.Terminating
	case pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
		return topup.Lost
	case pod.Spec.NodeName == "":
		return topup.Pending
	case nodeGone:
		return topup.Lost
	default:
		return topup.Bound
	}
}

// unitOf makes the planner's view of a pod.
func unitOf(headroom *v1alpha1.Headroom, pod *corev1.Pod, state topup.State, nodeLabels map[string]string) unit {
	ordinal, ok := placeholder.Ordinal(headroom.Name, pod.Name)
	if !ok {
		ordinal = -1
	}
	u := unit{
		pod: pod,
		Unit: topup.Unit{
			Name: pod.Name, UID: pod.UID, Ordinal: ordinal, State: state,
			Template:    pod.Annotations[v1alpha1.AnnotationTemplateHash],
			FromRollout: placeholder.IsFromRollout(pod),
			Created:     pod.CreationTimestamp.Time,
		},
	}
	if state == topup.Bound {
		u.BoundAt = scheduledAt(pod)
		for _, key := range headroom.Spec.SpreadKeys() {
			u.Domains = append(u.Domains, nodeLabels[key])
		}
	}
	return u
}

func scheduledAt(pod *corev1.Pod) time.Time {
	if c := scheduledCondition(pod); c != nil && c.Status == corev1.ConditionTrue {
		return c.LastTransitionTime.Time
	}
	return pod.CreationTimestamp.Time
}

func scheduledCondition(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == corev1.PodScheduled {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// requestsOf is what a placeholder holds on its node, with what admission added to it.
func requestsOf(pod *corev1.Pod) corev1.ResourceList {
	return resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
}

// hasPriorityOfAPlaceholder reports whether a pod has a priority that placeholders may have, or at least the PriorityClass of this
// Headroom, or that of reserved units or one of the ladder's, which the Headroom's may have been. Any other pod is none of its
// placeholders, whatever its labels and owners say: it is neither counted nor touched.
func hasPriorityOfAPlaceholder(pod *corev1.Pod, headroom *v1alpha1.Headroom, limits priority.Limits) bool {
	value := v1helper.PodPriority(pod)
	return value >= limits.Min && value <= limits.Max || pod.Spec.PriorityClassName == headroom.Spec.PriorityClassName ||
		placeholder.IsReserved(pod) || v1alpha1.IsLadderPriorityClass(pod.Spec.PriorityClassName)
}

// sum adds up resource lists. The quantities have the canonical form that the API server would give them.
func sum(lists []corev1.ResourceList) corev1.ResourceList {
	total := map[corev1.ResourceName]*resource.Quantity{}
	for _, list := range lists {
		for name, quantity := range list {
			if total[name] == nil {
				total[name] = &resource.Quantity{Format: quantity.Format}
			}
			total[name].Add(quantity)
		}
	}
	result := corev1.ResourceList{}
	for name, quantity := range total {
		result[name] = *quantity
	}
	return result
}
