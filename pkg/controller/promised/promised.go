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

	"github.com/headroom-dev/headroom/pkg/entitlement"
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
	// Consumers are those of the Headroom of a reserved unit: the pods that they name take it whatever its priority. They are nil for every
	// other pod.
	Consumers *entitlement.Rule
	// Asks is what consumers are asked about. Of a pod that is bound it does not matter.
	Asks entitlement.Consumer
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

// unit is a placeholder that is not promised yet.
type unit struct {
	evictionorder.Placeholder
	consumers *entitlement.Rule
}

// goesFor reports whether a unit would go for a pod, as far as it can be told without knowing who is entitled to what: if it is of lower
// priority, or if it is a reserved one whose Headroom names the pod.
func (u *unit) goesFor(pod *Pod) bool {
	return u.Priority < pod.Priority || u.consumers != nil && u.consumers.Named() && u.consumers.Entitles(&pod.Asks)
}

// Units returns the units that have to go for the pods that wait for the node, of higher priority first. For each pod these are those that
// go first by the published order, of those that would go for it at all, until it fits. If it would not even fit without all of them, all
// are promised: no other pod of its priority or below is let into that room meanwhile.
func Units(node *Node) sets.Set[types.UID] {
	known := extended{}
	allocatable := known.of(node.Allocatable)
	used := evictionorder.Resources{}
	var units []unit
	for i := range node.Bound {
		pod := &node.Bound[i]
		requests := known.ofPod(pod)
		used = add(used, requests, 1)
		if pod.Unit {
			units = append(units, unit{consumers: pod.Consumers, Placeholder: evictionorder.Placeholder{
				UID: string(pod.UID), Requests: requests, Created: pod.Created.UnixNano(), Priority: pod.Priority,
			}})
		}
	}
	waiting := slices.Clone(node.Waiting)
	slices.SortFunc(waiting, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), strings.Compare(string(a.UID), string(b.UID)))
	})
	promised := sets.New[types.UID]()
	for i := range waiting {
		request := known.ofPod(&waiting[i])
		for _, victim := range needed(units, &waiting[i], evictionorder.Shortfall(nil, request, used, allocatable), allocatable) {
			promised.Insert(types.UID(victim.UID))
			used = add(used, victim.Requests, -1)
			units = slices.DeleteFunc(units, func(u unit) bool { return u.UID == victim.UID })
		}
		used = add(used, request, 1)
	}
	return promised
}

// needed returns those of the units which would go for a pod that make up for what it lacks, all of them if they do not.
func needed(units []unit, pod *Pod, short, allocatable evictionorder.Resources) []evictionorder.Placeholder {
	var candidates []evictionorder.Placeholder
	for i := range units {
		if units[i].goesFor(pod) {
			candidates = append(candidates, units[i].Placeholder)
		}
	}
	if victims, ok := evictionorder.Pick(candidates, short, allocatable); ok {
		return slices.Clone(victims)
	}
	return candidates
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
