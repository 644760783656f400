package growth

import (
	"cmp"
	"slices"

	"github.com/headroom-dev/headroom/pkg/evictionorder"
)

// Node is a node with deferred resizes.
type Node struct {
	// Allocatable of the node.
	Allocatable evictionorder.Resources
	// Used is what is allocated to all pods of the node, placeholders and the pods below included.
	Used evictionorder.Resources
	// Pods are those whose resize is deferred.
	Pods []Pod
}

// Pod is a running pod whose resize is deferred.
type Pod struct {
	// UID of the pod.
	UID string
	// Priority of the pod: the higher goes first.
	Priority int32
	// Since is when the resize was deferred, in nanoseconds since 1970: of equal priority, the earlier goes first.
	Since int64
	// Allocated is what the pod has, and Desired what it asks for.
	Allocated, Desired evictionorder.Resources
	// Entitled are the placeholders that it may take. Index tells placeholders apart, for all pods of the node alike.
	Entitled []evictionorder.Placeholder
	// ByPriority are those that it may take, Entitled included, if these are not enough; empty for most pods.
	ByPriority []evictionorder.Placeholder
}

// Outcome is what is decided about one resize.
type Outcome int

const (
	// Fits: the kubelet can grow the pod as it is, and need only notice.
	Fits Outcome = iota
	// Takes: placeholders go for it.
	Takes
	// TooSmall: nothing goes, as there would not be enough room even without all placeholders that the pod may take.
	TooSmall
	// Unentitled: nothing goes, as there are placeholders and the pod may take none.
	Unentitled
)

// Growth is the decision about one resize.
type Growth struct {
	// Pod is the index of the pod.
	Pod int
	// Outcome of the decision.
	Outcome Outcome
	// Victims make the room, in the order of evictionorder.Compare. Those that are Leaving go anyway.
	Victims []evictionorder.Placeholder
	// Missing is what the pod lacks before they go.
	Missing evictionorder.Resources
}

// Decide decides about the resizes of a node one after the other: by priority, then by how long they are deferred, then by UID. Each finds
// the earlier ones that are served grown, and those that are not as they were. No placeholder is a victim twice, and none that could stay.
func Decide(n Node) []Growth {
	order := make([]int, len(n.Pods))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &n.Pods[i], &n.Pods[j]
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Since, b.Since), cmp.Compare(a.UID, b.UID))
	})
	used, gone := slices.Clone(n.Used), map[int]bool{}
	growths := make([]Growth, 0, len(order))
	for _, i := range order {
		growth := n.decide(i, used, gone)
		growths = append(growths, growth)
		if growth.Outcome != Fits && growth.Outcome != Takes {
			continue
		}
		for _, victim := range growth.Victims {
			gone[victim.Index] = true
			add(used, victim.Requests, -1)
		}
		add(used, n.Pods[i].Allocated, -1)
		add(used, n.Pods[i].Desired, 1)
	}
	return growths
}

// decide decides about one pod, where that much is used and some placeholders are gone.
func (n *Node) decide(i int, used evictionorder.Resources, gone map[int]bool) Growth {
	pod := &n.Pods[i]
	others := slices.Clone(used)
	add(others, pod.Allocated, -1)
	missing := evictionorder.Shortfall(nil, pod.Desired, others, n.Allocatable)
	if evictionorder.Covers(nil, missing) {
		return Growth{Pod: i, Outcome: Fits, Missing: missing}
	}
	outcome := Unentitled
	for _, takeable := range [][]evictionorder.Placeholder{pod.Entitled, pod.ByPriority} {
		left := slices.DeleteFunc(slices.Clone(takeable), func(p evictionorder.Placeholder) bool { return gone[p.Index] })
		if len(takeable) > 0 {
			outcome = TooSmall
		}
		if victims, ok := evictionorder.Pick(left, missing, n.Allocatable); ok {
			return Growth{Pod: i, Outcome: Takes, Victims: victims, Missing: missing}
		}
	}
	return Growth{Pod: i, Outcome: outcome, Missing: missing}
}

// add adds amounts so many times to a sum that reaches as far.
func add(sum, amounts evictionorder.Resources, times int64) {
	for i := range sum {
		sum[i] += times * amounts.At(i)
	}
}
