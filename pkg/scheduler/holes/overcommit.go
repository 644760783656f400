package holes

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Overcommitting returns the placeholders that have to go from a node to which more was bound than it has: the youngest first,
// and none that could stay. pods are all pods of the node that have not finished.
func Overcommitting(node *corev1.Node, pods []*corev1.Pod, isPlaceholder func(*corev1.Pod) bool) []*corev1.Pod {
	beyond := framework.NewResource(node.Status.Allocatable)
	add(beyond, beyond.Clone(), -2) // what the node has, counted down
	var placeholders []*corev1.Pod
	amounts := map[*corev1.Pod]*framework.Resource{}
	for _, pod := range pods {
		info, ok := infoOf(pod)
		if !ok {
			continue
		}
		amounts[pod] = amountOf(info)
		// What the node has none of by itself, dynamic resource allocation hands out, and counts.
		maps.DeleteFunc(amounts[pod].ScalarResources, func(name corev1.ResourceName, _ int64) bool {
			quantity := node.Status.Allocatable[name]
			return quantity.IsZero()
		})
		add(beyond, amounts[pod], 1)
		if pod.DeletionTimestamp == nil && isPlaceholder(pod) {
			placeholders = append(placeholders, pod)
		}
	}
	slices.SortFunc(placeholders, func(a, b *corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	var victims []*corev1.Pod
	for _, pod := range placeholders {
		if helps(amounts[pod], beyond) {
			victims = append(victims, pod)
			add(beyond, amounts[pod], -1)
		}
	}
	return irreducible(victims, amounts, beyond)
}

// helps reports whether a pod takes of a resource of which too much is taken.
func helps(amount, beyond *framework.Resource) bool {
	if beyond.MilliCPU > 0 && amount.MilliCPU > 0 || beyond.Memory > 0 && amount.Memory > 0 ||
		beyond.EphemeralStorage > 0 && amount.EphemeralStorage > 0 || beyond.AllowedPodNumber > 0 {
		return true
	}
	for name, quantity := range amount.ScalarResources {
		if quantity > 0 && beyond.ScalarResources[name] > 0 {
			return true
		}
	}
	return false
}

// irreducible leaves out those of the victims, the oldest first, without which enough goes. beyond is what is too much without
// all of them.
func irreducible(victims []*corev1.Pod, amounts map[*corev1.Pod]*framework.Resource, beyond *framework.Resource) []*corev1.Pod {
	for _, pod := range slices.Backward(slices.Clone(victims)) {
		with := beyond.Clone()
		add(with, amounts[pod], 1)
		if nothing(with) {
			beyond = with
			victims = slices.DeleteFunc(victims, func(victim *corev1.Pod) bool { return victim == pod })
		}
	}
	return victims
}
