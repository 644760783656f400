package gang

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

// Label is the label by which a pod names its group.
const Label = schedulingv1alpha1.PodGroupLabel

// DefaultTimeout is how long the members of a group wait for each other if the group does not say.
const DefaultTimeout = 60 * time.Second

// Group is what a PodGroup says.
type Group struct {
	// Name of the object, and its namespace, in which its pods are.
	Name types.NamespacedName
	// MinMember is how many members there must be; at least 1.
	MinMember int
	// Timeout is how long members wait for each other at most.
	Timeout time.Duration
	// Created is when the object was created.
	Created time.Time
}

// GroupOf returns what a PodGroup says.
func GroupOf(object *schedulingv1alpha1.PodGroup) Group {
	g := Group{
		Name:      types.NamespacedName{Namespace: object.Namespace, Name: object.Name},
		MinMember: max(1, int(object.Spec.MinMember)), Timeout: DefaultTimeout, Created: object.CreationTimestamp.Time,
	}
	if seconds := object.Spec.ScheduleTimeoutSeconds; seconds != nil && *seconds > 0 {
		g.Timeout = time.Duration(*seconds) * time.Second
	}
	return g
}

// NameOf returns the name of the group that a pod is a member of, and whether it is of any.
func NameOf(pod *corev1.Pod) (name types.NamespacedName, ok bool) {
	label := pod.Labels[Label]
	return types.NamespacedName{Namespace: pod.Namespace, Name: label}, label != ""
}

// Members are the pods of a group at one time.
type Members struct {
	// Placed is how many have a node, or are about to be bound to one.
	Placed int
	// Waiting are those that wait for a node: of higher priority first, then the older ones, then by name.
	Waiting []*corev1.Pod
}

// MembersOf tells the members of a group apart. Pods of another scheduler, those that are being deleted, and those that are not to be
// scheduled yet do not wait. assumed reports whether a pod is about to be bound.
func MembersOf(pods []*corev1.Pod, scheduler string, assumed func(types.UID) bool) Members {
	var m Members
	for _, pod := range pods {
		switch {
		case pod.DeletionTimestamp != nil:
		case pod.Spec.NodeName != "" || assumed(pod.UID):
			m.Placed++
		case pod.Spec.SchedulerName == scheduler && len(pod.Spec.SchedulingGates) == 0:
			m.Waiting = append(m.Waiting, pod)
		}
	}
	slices.SortFunc(m.Waiting, func(a, b *corev1.Pod) int {
		return cmp.Or(
			cmp.Compare(corev1helpers.PodPriority(b), corev1helpers.PodPriority(a)),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name),
		)
	})
	return m
}

// Lacking returns how many members still have to get a node.
func (m Members) Lacking(minMember int) int {
	return max(0, minMember-m.Placed)
}
