package allotment

import (
	"cmp"
	"slices"
)

// FairShare is how many units of each Headroom may wait, at least, if it wants them: the window divided by the number of Headrooms that
// want or have places in it, and one if there are more than places. Without a window there is no end, and the result is -1.
func FairShare(limits Limits, headrooms []Headroom) int {
	if limits.Pending <= 0 {
		return -1
	}
	users := 0
	for _, h := range headrooms {
		if h.Pending > 0 || h.wants() > 0 {
			users++
		}
	}
	return max(1, limits.Pending/max(1, users))
}

// GiveBack says how many units that wait each Headroom has to delete, so that those that are overdue get their fair share, in the order of
// headrooms (rule 3). It is all zeros while there are places, since those are granted. Those with most give first, and nobody is left with
// less than the fair share.
func GiveBack(limits Limits, headrooms []Headroom) []int {
	back := make([]int, len(headrooms))
	share := FairShare(limits, headrooms)
	if share < 0 {
		return back
	}
	grants := Grants(limits, headrooms)
	need := 0
	for i, h := range headrooms {
		has := h.Pending + grants[i].Create + grants[i].Replace
		// Without what other limits keep it from.
		if h.Overdue && has < share && grants[i].Limit == LimitPending {
			need += min(share-has, h.wants()-grants[i].Create-grants[i].Replace)
		}
	}
	order := make([]int, len(headrooms))
	for i := range order {
		order[i] = i
	}
	for ; need > 0; need-- {
		most := slices.MaxFunc(order, func(a, b int) int {
			return cmp.Or(cmp.Compare(headrooms[a].Pending-back[a], headrooms[b].Pending-back[b]), cmp.Compare(b, a))
		})
		if headrooms[most].Pending-back[most] <= share {
			break
		}
		back[most]++
	}
	return back
}
