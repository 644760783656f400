package allotment

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestGrants(t *testing.T) {
	tests := map[string]struct {
		limits    Limits
		headrooms []Headroom
		want      []Grant
	}{
		"nobody wants anything": {Limits{Pending: 5}, []Headroom{{Units: 9, Pending: 2}}, []Grant{{}}},
		"one alone gets all that it wants": {
			Limits{Pending: 500}, []Headroom{{Missing: 200}}, []Grant{{Create: 200}},
		},
		"one alone gets no more than the window": {
			Limits{Pending: 500}, []Headroom{{Missing: 10000}}, []Grant{{Create: 500, Limit: LimitPending}},
		},
		"without a window there is no end": {Limits{}, []Headroom{{Missing: 10000}}, []Grant{{Create: 10000}}},
		"two get the same": {
			Limits{Pending: 500}, []Headroom{{Missing: 10000}, {Missing: 10000}},
			[]Grant{{Create: 250, Limit: LimitPending}, {Create: 250, Limit: LimitPending}},
		},
		"what one does not need the others get": { // 3 for the last, 497 left: 248 and 249, by the turn
			Limits{Pending: 500}, []Headroom{{Missing: 10000, Turn: 2}, {Missing: 10000, Turn: 1}, {Missing: 3}},
			[]Grant{{Create: 248, Limit: LimitPending}, {Create: 249, Limit: LimitPending}, {Create: 3}},
		},
		"one that comes later is next, however many the others want": { // 4 places are free, and the others have 248 each
			Limits{Pending: 500}, []Headroom{{Pending: 248, Missing: 9000}, {Pending: 248, Missing: 9000}, {Missing: 3}},
			[]Grant{{Create: 1, Limit: LimitPending}, {Limit: LimitPending}, {Create: 3}},
		},
		"the turn decides among equals": {
			Limits{Pending: 1}, []Headroom{{Missing: 1, Turn: 9}, {Missing: 1, Turn: 4}, {Missing: 1, Turn: 7}},
			[]Grant{{Limit: LimitPending}, {Create: 1}, {Limit: LimitPending}},
		},
		"a window that became smaller": {Limits{Pending: 5}, []Headroom{{Pending: 9, Missing: 1}}, []Grant{{Limit: LimitPending}}},
		"replacements come first": {
			Limits{Pending: 3}, []Headroom{{Units: 10, Replacing: 2, Missing: 4}}, []Grant{{Replace: 2, Create: 1, Limit: LimitPending}},
		},
		"the limit of a Headroom": {
			Limits{PerHeadroom: 10}, []Headroom{{Units: 8, Missing: 5}}, []Grant{{Create: 2, Limit: LimitHeadroom}},
		},
		"replacements make no more units": {
			Limits{PerHeadroom: 10}, []Headroom{{Units: 12, Replacing: 3, Missing: 1}}, []Grant{{Replace: 3, Limit: LimitHeadroom}},
		},
		"the limit of a namespace is shared": { // 10 - 4 = 6
			Limits{PerNamespace: 10}, []Headroom{{Namespace: "a", Units: 4, Missing: 9}, {Namespace: "a", Missing: 9}, {Namespace: "b", Missing: 9}},
			[]Grant{{Create: 3, Limit: LimitNamespace}, {Create: 3, Limit: LimitNamespace}, {Create: 9}},
		},
		"where the window is full and another limit is reached, it is told of the other": {
			Limits{Pending: 2, PerHeadroom: 3}, []Headroom{{Units: 1, Missing: 5}}, []Grant{{Create: 2, Limit: LimitHeadroom}},
		},
		"but of the window as long as it has units to replace": {
			Limits{Pending: 2, PerHeadroom: 3}, []Headroom{{Units: 3, Replacing: 4, Missing: 5}}, []Grant{{Replace: 2, Limit: LimitPending}},
		},
		"what others wait for counts in the window": {
			Limits{Pending: 9}, []Headroom{{Pending: 4}, {Pending: 3}, {Missing: 5}}, []Grant{{}, {}, {Create: 2, Limit: LimitPending}},
		},
		"the limit of all": {
			Limits{Total: 10}, []Headroom{{Namespace: "a", Units: 9, Missing: 2}, {Namespace: "b", Missing: 2, Turn: 1}},
			[]Grant{{Create: 1, Limit: LimitTotal}, {Limit: LimitTotal}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(tc.want, Grants(tc.limits, tc.headrooms)), "-want +got")
		})
	}
}

func TestFairShare(t *testing.T) {
	for name, tc := range map[string]struct {
		limits    Limits
		headrooms []Headroom
		want      int
	}{
		"no window":                      {Limits{}, []Headroom{{Missing: 1}}, -1},
		"nobody uses it":                 {Limits{Pending: 7}, []Headroom{{Units: 3}}, 7},
		"one that has places":            {Limits{Pending: 7}, []Headroom{{Pending: 1}, {}}, 7},
		"one that wants places":          {Limits{Pending: 7}, []Headroom{{}, {Missing: 1}}, 7},
		"one that replaces":              {Limits{Pending: 7}, []Headroom{{Replacing: 1}, {}}, 7},
		"it is rounded down":             {Limits{Pending: 8}, []Headroom{{Pending: 1}, {Missing: 1}, {Replacing: 1}}, 2},
		"and is one where there are few": {Limits{Pending: 2}, []Headroom{{Pending: 1}, {Missing: 1}, {Replacing: 1}}, 1},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, FairShare(tc.limits, tc.headrooms)) })
	}
}

func TestGiveBack(t *testing.T) {
	window := Limits{Pending: 500}
	tests := map[string]struct {
		limits    Limits
		headrooms []Headroom
		want      []int
	}{
		"nobody is overdue": {window, []Headroom{{Pending: 500, Missing: 9}, {Missing: 3}}, []int{0, 0}},
		"there are places":  {window, []Headroom{{Pending: 400}, {Missing: 3, Overdue: true}}, []int{0, 0}},
		"no window":         {Limits{}, []Headroom{{Pending: 400}, {Missing: 3, Overdue: true}}, []int{0, 0}},
		"one that waits for nothing gives what another needs": {
			window, []Headroom{{Pending: 500, Missing: 9500}, {Missing: 3, Overdue: true}}, []int{3, 0},
		},
		"never more than down to the fair share": { // 500 / 2
			window, []Headroom{{Pending: 500}, {Missing: 400, Overdue: true}}, []int{250, 0},
		},
		"those with most give first": { // share 166; 300 -> 199, 200 -> 199
			window, []Headroom{{Pending: 300}, {Pending: 200}, {Missing: 102, Overdue: true}}, []int{101, 1, 0},
		},
		"those with most give first, in whichever order they are": {
			window, []Headroom{{Missing: 102, Overdue: true}, {Pending: 200}, {Pending: 300}}, []int{0, 1, 101},
		},
		"of those with as many the first gives": {
			window, []Headroom{{Pending: 250}, {Pending: 250}, {Missing: 1, Overdue: true}}, []int{1, 0, 0},
		},
		"what one is granted it need not be given": { // share 22/3 = 7, of which 2 places are free
			Limits{Pending: 22}, []Headroom{{Pending: 19, Missing: 9}, {Pending: 1}, {Missing: 100, Overdue: true}}, []int{5, 0, 0},
		},
		"each that is overdue is given its own": { // share 20/4 = 5
			Limits{Pending: 20}, []Headroom{{Pending: 18}, {Pending: 2}, {Missing: 2, Overdue: true}, {Missing: 3, Overdue: true}}, []int{5, 0, 0, 0},
		},
		"who only has places has a share as well": { // 12/3
			Limits{Pending: 12}, []Headroom{{Pending: 6}, {Pending: 6}, {Missing: 9, Overdue: true}}, []int{2, 2, 0},
		},
		"units that are bound are no part of a share": {
			window, []Headroom{{Pending: 500, Units: 500}, {Units: 300, Missing: 3, Overdue: true}}, []int{3, 0},
		},
		"who has its share waits": {window, []Headroom{{Pending: 250}, {Pending: 250, Missing: 9, Overdue: true}}, []int{0, 0}},
		"more Headrooms than places: one each": {
			Limits{Pending: 2}, []Headroom{{Pending: 2}, {Missing: 1, Overdue: true}, {Missing: 1, Overdue: true}}, []int{1, 0, 0},
		},
		"nobody gives for one that another limit stops": {
			Limits{Pending: 5, PerHeadroom: 1}, []Headroom{{Pending: 5, Units: 5}, {Units: 1, Missing: 2, Overdue: true}}, []int{0, 0},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, GiveBack(tc.limits, tc.headrooms))
		})
	}
}
