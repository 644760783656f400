package evictionorder

import (
	"math"
	"math/bits"
)

// Resources are amounts of resources, one an index: the four below, then extended resources in an order that the caller
// keeps for all Resources of one decision. What lies beyond the end of a slice is zero.
type Resources []int64

// Indices into Resources.
const (
	// Pods is the number of pods: 1 in the requests of a pod.
	Pods = iota
	// MilliCPU is CPU in thousandths of a core.
	MilliCPU
	// Memory is memory in bytes.
	Memory
	// EphemeralStorage is local storage in bytes.
	EphemeralStorage
	// FirstExtended is the index of the first extended resource.
	FirstExtended
)

// At returns the amount at an index, which may lie beyond the end.
func (r Resources) At(i int) int64 {
	if i < len(r) {
		return r[i]
	}
	return 0
}

// million is the unit of shares: 1,000,000 is all of a node.
const million = 1_000_000

// Shortfall appends to dst[:0] what a pod lacks on a node: for each resource that it requests, request plus requested (by all
// pods on the node, placeholders included) minus allocatable, or zero. As in kube-scheduler, a resource that the pod does not
// request is never short, not even on an overcommitted node.
func Shortfall(dst, request, requested, allocatable Resources) Resources {
	dst = dst[:0]
	for i, want := range request {
		short := int64(0)
		if want > 0 {
			short = max(0, want+requested.At(i)-allocatable.At(i))
		}
		dst = append(dst, short)
	}
	return dst
}

// Covers reports whether evicted requests make up for a shortfall.
func Covers(evicted, shortfall Resources) bool {
	for i, short := range shortfall {
		if short > evicted.At(i) {
			return false
		}
	}
	return true
}

// Waste is what is evicted beyond the shortfall, as a share of the node: the largest, over all resources but the number of
// pods, of (evicted - shortfall) / allocatable, in millionths rounded up. Resources of which the node has none are left out.
// It is never negative, and math.MaxInt64 if it does not fit.
func Waste(evicted, shortfall, allocatable Resources) int64 {
	worst := int64(0)
	for i := Pods + 1; i < len(evicted); i++ {
		worst = max(worst, share(evicted[i]-shortfall.At(i), allocatable.At(i)))
	}
	return worst
}

// share returns part/whole in millionths, rounded up; zero if either is not positive.
func share(part, whole int64) int64 {
	if part <= 0 || whole <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(part), million)
	low, carry := bits.Add64(low, uint64(whole)-1, 0)
	high += carry
	if high >= uint64(whole) {
		return math.MaxInt64
	}
	quotient, _ := bits.Div64(high, low, uint64(whole))
	if quotient > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(quotient)
}
