// Package promised tells which units of a node are promised to pods that wait for it: a scheduler has nominated these pods to the node, and
// they fit there only without the units. The decision is pure; Nominations keeps what it needs to know of pods that wait.
package promised

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

// Pod is a pod that is bound or nominated to a node.
type Pod struct {
	// UID identifies it.
	UID types.UID
	// Requests are what it asks of the node.
	Requests corev1.ResourceList
	// Priority is that of its PriorityClass.
	Priority int32
	// Created is when it was created.
	Created time.Time
	// Unit says that it is a placeholder.
	Unit bool
}

// Node is a node with the pods that matter.
type Node struct {
	// Allocatable is what pods can have of the node.
	Allocatable corev1.ResourceList
	// Bound are the pods that are on it and stay: not those that have ended or are being deleted, whose room is about to be free.
	Bound []Pod
	// Waiting are the pods that are nominated to it and not bound.
	Waiting []Pod
}

// Units returns the units that have to go for the pods that wait for the node, of higher priority first. For each pod these are those of
// lower priority that go first by the published order, as far as it can be told without knowing who is entitled to what, until it fits. If
// it would not even fit without all of them, all are promised: no other pod of its priority or below is let into that room meanwhile.
func Units(node *Node) sets.Set[types.UID] {
	known := extended{}
	allocatable := known.of(node.Allocatable)
	used := evictionorder.Resources{}
	var units []evictionorder.Placeholder
	for i := range node.Bound {
		pod := &node.Bound[i]
		requests := known.ofPod(pod)
		used = add(used, requests, 1)
		if pod.Unit {
			units = append(units, evictionorder.Placeholder{
				UID: string(pod.UID), Requests: requests, Created: pod.Created.UnixNano(), Priority: pod.Priority,
			})
		}
	}
	waiting := slices.Clone(node.Waiting)
	slices.SortFunc(waiting, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), strings.Compare(string(a.UID), string(b.UID)))
	})
	promised := sets.New[types.UID]()
	for i := range waiting {
		request := known.ofPod(&waiting[i])
		for _, victim := range needed(units, waiting[i].Priority, evictionorder.Shortfall(nil, request, used, allocatable), allocatable) {
			promised.Insert(types.UID(victim.UID))
			used = add(used, victim.Requests, -1)
			units = slices.DeleteFunc(units, func(u evictionorder.Placeholder) bool { return u.UID == victim.UID })
		}
		used = add(used, request, 1)
	}
	return promised
}

// needed returns the units below a priority that make up for a shortfall, all of them if they do not.
func needed(units []evictionorder.Placeholder, priority int32, short, allocatable evictionorder.Resources) []evictionorder.Placeholder {
	lower := slices.DeleteFunc(slices.Clone(units), func(u evictionorder.Placeholder) bool { return u.Priority >= priority })
	if victims, ok := evictionorder.Pick(lower, short, allocatable); ok {
		return slices.Clone(victims)
	}
	return lower
}

// extended gives each extended resource of one decision its index.
type extended map[corev1.ResourceName]int

func (e extended) ofPod(pod *Pod) evictionorder.Resources {
	requests := e.of(pod.Requests)
	requests[evictionorder.Pods] = 1
	return requests
}

// of returns a list of resources by their indices.
func (e extended) of(list corev1.ResourceList) evictionorder.Resources {
	resources := make(evictionorder.Resources, evictionorder.FirstExtended+len(e))
	for name, quantity := range list {
		switch name {
		case corev1.ResourcePods:
			resources[evictionorder.Pods] = quantity.Value()
		case corev1.ResourceCPU:
			resources[evictionorder.MilliCPU] = quantity.MilliValue()
		case corev1.ResourceMemory:
			resources[evictionorder.Memory] = quantity.Value()
		case corev1.ResourceEphemeralStorage:
			resources[evictionorder.EphemeralStorage] = quantity.Value()
		default:
			i, ok := e[name]
			if !ok {
				i = evictionorder.FirstExtended + len(e)
				e[name] = i
			}
			for len(resources) <= i {
				resources = append(resources, 0)
			}
			resources[i] = quantity.Value()
		}
	}
	return resources
}

// add adds times amounts to a sum, which grows as needed.
func add(sum, amounts evictionorder.Resources, times int64) evictionorder.Resources {
	for len(sum) < len(amounts) {
		sum = append(sum, 0)
	}
	for i, amount := range amounts {
		sum[i] += times * amount
	}
	return sum
}
