package evictionorder

import "slices"

// stackResources is up to how many resources Pick works without allocating.
const stackResources = 16

// SetSurplus fills in the Surplus of placeholders of one node, given what the pod lacks there (Shortfall) and what the node has. Compare
// and Explain need it.
func SetSurplus(placeholders []Placeholder, shortfall, allocatable Resources) {
	for i := range placeholders {
		placeholders[i].Surplus = Waste(placeholders[i].Requests, shortfall, allocatable)
	}
}

// Pick chooses the placeholders of one node that go, given what the pod lacks there (Shortfall) and what the node has. It
// sets their Surplus, sorts placeholders in place, and returns the victims as the front of the same slice, in the order of
// Compare; nothing is allocated. With no shortfall there are no victims. If all placeholders together are not enough, it
// returns nil and false.
func Pick(placeholders []Placeholder, shortfall, allocatable Resources) (victims []Placeholder, ok bool) {
	SetSurplus(placeholders, shortfall, allocatable)
	return PickWhere(placeholders, shortfall, nil)
}

// PickWhere is Pick for placeholders whose Surplus is set, and for a pod that may lack more than the shortfall, such as devices. Of victims
// that make up for the shortfall, enough reports whether they make up for all else. It must not keep the slice, and it must not say no of
// victims if it says yes of some of them. It may be nil.
func PickWhere(placeholders []Placeholder, shortfall Resources, enough func(victims []Placeholder) bool) (victims []Placeholder, ok bool) {
	slices.SortFunc(placeholders, Compare)

	var onStack [stackResources]int64
	evicted := Resources(onStack[:])
	if len(shortfall) > len(onStack) {
		evicted = make(Resources, len(shortfall))
	}
	evicted = evicted[:len(shortfall)]

	taken := 0
	for !Covers(evicted, shortfall) || enough != nil && !enough(placeholders[:taken]) {
		if taken == len(placeholders) {
			return nil, false
		}
		add(evicted, placeholders[taken].Requests, 1)
		taken++
	}
	return placeholders[:dropUnnecessary(placeholders[:taken], evicted, shortfall, enough)], true
}

// dropUnnecessary moves the placeholders that can stay behind those that have to go, and returns how many have to go. Both
// groups keep their order.
func dropUnnecessary(taken []Placeholder, evicted, shortfall Resources, enough func(victims []Placeholder) bool) int {
	needed := len(taken)
	for i := len(taken) - 1; i >= 0; i-- {
		stays := taken[i]
		add(evicted, stays.Requests, -1)
		if Covers(evicted, shortfall) {
			copy(taken[i:needed-1], taken[i+1:needed])
			if enough == nil || enough(taken[:needed-1]) {
				needed--
				taken[needed] = stays
				continue
			}
			copy(taken[i+1:needed], taken[i:needed-1])
			taken[i] = stays
		}
		add(evicted, stays.Requests, 1)
	}
	return needed
}

// add adds times amounts to sum, as far as sum reaches.
func add(sum, amounts Resources, times int64) {
	for i := range sum {
		sum[i] += times * amounts.At(i)
	}
}

// Evicted appends to dst[:0] the sum of the requests of the victims, of as many resources as the longest of them has.
func Evicted(dst Resources, victims []Placeholder) Resources {
	dst = dst[:0]
	for i := range victims {
		for len(dst) < len(victims[i].Requests) {
			dst = append(dst, 0)
		}
		add(dst, victims[i].Requests, 1)
	}
	return dst
}

// Left appends to dst[:0] the evidence for rule 2: what the Headrooms that lose units would still have around a node. units
// returns, for a Headroom by its index, how many bound and not terminating units it has in the node's domain of each of its
// spread keys in turn, before the loss. Entry i of the result is the smallest, over the Headrooms that have a key i, of those
// units minus the ones taken here. Victims that are terminating already are lost already: they count neither as units nor as
// taken, and a Headroom that loses no others is left out.
func Left(dst []int, victims []Placeholder, units func(headroom int) []int) []int {
	dst = dst[:0]
	for i := range victims {
		lost := lostBy(victims, i)
		if lost == 0 {
			continue
		}
		for key, bound := range units(victims[i].Headroom) {
			if key == len(dst) {
				dst = append(dst, bound-lost)
			}
			dst[key] = min(dst[key], bound-lost)
		}
	}
	return dst
}

// Losers returns, for each entry of Left, the index of the Headroom that it is about: of several, the one whose victim comes
// first.
func Losers(victims []Placeholder, units func(headroom int) []int) []int {
	left := Left(nil, victims, units)
	losers := make([]int, len(left))
	for i := len(victims) - 1; i >= 0; i-- {
		lost := lostBy(victims, i)
		if lost == 0 {
			continue
		}
		for key, bound := range units(victims[i].Headroom) {
			if bound-lost == left[key] {
				losers[key] = victims[i].Headroom
			}
		}
	}
	return losers
}

// lostBy returns how many units the Headroom of victim i loses, and zero if an earlier victim tells that already.
func lostBy(victims []Placeholder, i int) int {
	lost := 0
	for j := range victims {
		if victims[j].Headroom != victims[i].Headroom || victims[j].Leaving {
			continue
		}
		if j < i {
			return 0
		}
		lost++
	}
	return lost
}
