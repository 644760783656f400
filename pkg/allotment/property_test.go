package allotment

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// headrooms draws some Headrooms in three namespaces.
func headrooms(t *rapid.T) []Headroom {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Headroom {
		h := Headroom{
			Namespace: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "namespace"),
			Pending:   rapid.IntRange(0, 20).Draw(t, "pending"),
			Missing:   rapid.IntRange(0, 40).Draw(t, "missing"),
			Replacing: rapid.IntRange(0, 5).Draw(t, "replacing"),
			Turn:      rapid.Uint64Range(0, 5).Draw(t, "turn"),
			Overdue:   rapid.Bool().Draw(t, "overdue"),
		}
		h.Units = h.Pending + rapid.IntRange(0, 20).Draw(t, "bound")
		return h
	}), 0, 8).Draw(t, "headrooms")
}

func limits(t *rapid.T) Limits {
	limit := rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 60))
	return Limits{
		PerHeadroom: limit.Draw(t, "per Headroom"), PerNamespace: limit.Draw(t, "per namespace"),
		Total: limit.Draw(t, "in all"), Pending: limit.Draw(t, "window"),
	}
}

// within reports whether a limit is kept, or was passed before anything was granted.
func within(limit, before, granted int) bool {
	return limit == 0 || granted == 0 || before+granted <= limit
}

func TestNothingIsGrantedBeyondALimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, bounds := headrooms(t), limits(t)
		units, pending, created, granted := 0, 0, 0, 0
		unitsIn, createdIn := map[string]int{}, map[string]int{}
		for i, grant := range Grants(bounds, all) {
			h := all[i]
			require.True(t, within(bounds.PerHeadroom, h.Units, grant.Create))
			require.LessOrEqual(t, grant.Create, h.Missing)
			require.LessOrEqual(t, grant.Replace, h.Replacing)
			units, pending, created = units+h.Units, pending+h.Pending, created+grant.Create
			granted += grant.Create + grant.Replace
			unitsIn[h.Namespace] += h.Units
			createdIn[h.Namespace] += grant.Create
		}
		require.True(t, within(bounds.Total, units, created))
		require.True(t, within(bounds.Pending, pending, granted), "above the window")
		for namespace := range unitsIn {
			require.True(t, within(bounds.PerNamespace, unitsIn[namespace], createdIn[namespace]))
		}
	})
}

func TestNoPlaceStaysEmptyThatAHeadroomCouldUse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, bounds := headrooms(t), limits(t)
		grants := Grants(bounds, all)
		waiting := 0
		for i, grant := range grants {
			waiting += all[i].Pending + grant.Create + grant.Replace
		}
		for i, grant := range grants {
			switch grant.Limit {
			case NoLimit:
				require.Equal(t, all[i].wants(), grant.Create+grant.Replace, "nothing keeps it from the rest")
			case LimitPending:
				require.GreaterOrEqual(t, waiting, bounds.Pending, "there are places")
			case LimitHeadroom, LimitNamespace, LimitTotal:
				require.Less(t, grant.Create, all[i].Missing)
			}
		}
	})
}

func TestTheOneWithFewestWaitingIsNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := headrooms(t)
		grants := Grants(Limits{Pending: rapid.IntRange(1, 200).Draw(t, "window")}, all)
		for i, more := range grants {
			for j, less := range grants {
				if more.Create+more.Replace > 0 && less.Limit == LimitPending {
					require.LessOrEqual(t, all[i].Pending+more.Create+more.Replace, all[j].Pending+less.Create+less.Replace+1,
						"%d was granted places that were %d's turn", i, j)
				}
			}
		}
	})
}

func TestGivingBackLeavesTheFairShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, bounds := headrooms(t), limits(t)
		for i, back := range GiveBack(bounds, all) {
			require.GreaterOrEqual(t, back, 0)
			require.True(t, back == 0 || all[i].Pending-back >= FairShare(bounds, all))
		}
	})
}

// tenants plays the controller and a scheduler: Headrooms ask one after the other, in any order, and each takes only what it is granted
// itself.
type tenants struct {
	*rapid.T
	limits   Limits
	all      []Headroom
	hopeless []bool // no unit of it is ever bound
	made     []int
	turn     uint64
}

func (w *tenants) add(missing int, hopeless bool) {
	w.all, w.hopeless, w.made = append(w.all, Headroom{Missing: missing}), append(w.hopeless, hopeless), append(w.made, 0)
}

// round has every Headroom ask once, those that were asked to give places back, and the scheduler bind some units.
func (w *tenants) round() {
	for _, i := range rapid.Permutation(indexes(len(w.all))).Draw(w.T, "order") {
		granted := Grants(w.limits, w.all)[i].Create
		h := &w.all[i]
		h.Pending, h.Units, h.Missing = h.Pending+granted, h.Units+granted, h.Missing-granted
		w.made[i] += granted
		if granted > 0 {
			w.turn++
			h.Turn = w.turn
		}
	}
	share := FairShare(w.limits, w.all)
	for i := range w.all {
		w.all[i].Overdue = w.all[i].Missing > 0 && w.all[i].Pending < share
	}
	for i, back := range GiveBack(w.limits, w.all) {
		h := &w.all[i]
		h.Pending, h.Units, h.Missing = h.Pending-back, h.Units-back, h.Missing+back
		w.made[i] -= back
	}
	waiting := 0
	for i := range w.all {
		waiting += w.all[i].Pending
		if !w.hopeless[i] {
			w.all[i].Pending -= rapid.IntRange(0, w.all[i].Pending).Draw(w.T, "bound")
		}
	}
	require.LessOrEqual(w.T, waiting, w.limits.Pending)
}

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// TestNobodyStarves has a Headroom come when others, who may want a hundred times the window, and may never get room for anything, have
// been there for long.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &tenants{T: t, limits: Limits{Pending: rapid.IntRange(1, 30).Draw(t, "window")}}
		for i := range rapid.IntRange(0, 5).Draw(t, "others") {
			w.add(rapid.IntRange(0, 3000).Draw(t, fmt.Sprint("missing of ", i)), rapid.Bool().Draw(t, fmt.Sprint("hopeless ", i)))
		}
		for range rapid.IntRange(0, 5).Draw(t, "rounds before") {
			w.round()
		}
		if len(w.all) >= w.limits.Pending {
			return // not one place for each
		}
		newcomer := len(w.all)
		w.add(rapid.IntRange(1, 3).Draw(t, "wanted"), rapid.Bool().Draw(t, "hopeless"))
		wanted := min(w.all[newcomer].Missing, FairShare(w.limits, w.all))
		for range len(w.all) + 2 {
			w.round()
		}
		require.GreaterOrEqual(t, w.made[newcomer], wanted)
	})
}
