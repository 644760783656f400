package holes

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/test/builders"
)

func milli(cpu int64) *framework.Resource {
	return &framework.Resource{MilliCPU: cpu, AllowedPodNumber: 1}
}

func at(seconds float64) time.Time {
	return builders.Epoch().Add(time.Duration(seconds * float64(time.Second)))
}

func TestYoungRoomIsWhatWasTakenWithinTheWindowAndIsNotNow(t *testing.T) {
	came := func(uid types.UID, seconds float64, cpu int64) change {
		return change{uid: uid, amount: milli(cpu), at: at(seconds), came: true}
	}
	went := func(uid types.UID, seconds float64, cpu int64) change {
		return change{uid: uid, amount: milli(cpu), at: at(seconds)}
	}
	own := func(c change) change {
		c.own = true
		return c
	}
	for name, tc := range map[string]struct {
		changes []change
		present []types.UID
		want    int64
	}{
		"a pod that went":                              {changes: []change{went("a", 9, 3)}, want: 3},
		"none that went before":                        {changes: []change{went("a", 7, 3)}},
		"none that the view of the node still has":     {changes: []change{went("a", 9, 3)}, present: []types.UID{"a"}},
		"less what came since":                         {changes: []change{went("a", 9, 3), came("b", 9.5, 2)}, present: []types.UID{"b"}, want: 1},
		"all of it if the other came before":           {changes: []change{came("b", 9, 2), went("a", 9.5, 3)}, present: []types.UID{"b"}, want: 3},
		"the most, not the sum":                        {changes: []change{went("a", 8.5, 3), came("b", 9, 3), went("b", 9.5, 3)}, want: 3},
		"what another scheduler bound and is not seen": {changes: []change{came("b", 9.5, 2)}, want: 2},
		"that for longer than the window":              {changes: []change{came("b", 1, 2)}, want: 2},
		"but nothing of one's own that is not seen":    {changes: []change{own(came("b", 9.5, 2))}},
	} {
		t.Run(name, func(t *testing.T) {
			present := func(uid types.UID) bool {
				for _, p := range tc.present {
					if p == uid {
						return true
					}
				}
				return false
			}
			got := young(tc.changes, present, at(8))
			require.Equal(t, tc.want, got.MilliCPU)
			require.Equal(t, tc.want == 0, nothing(got))
		})
	}
}

// TestYoungRoomIsThatOfTheTimeline compares with what a look at each moment gives.
func TestYoungRoomIsThatOfTheTimeline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		on := map[types.UID]int64{}
		sum := func() (total int64) {
			for _, cpu := range on {
				total += cpu
			}
			return total
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "old") {
			on[types.UID(fmt.Sprintf("old-%d", i))] = rapid.Int64Range(1, 4).Draw(t, "cpu")
		}
		since, now := at(8), 0.0
		var changes []change
		var most int64
		for i := range rapid.IntRange(0, 8).Draw(t, "changes") {
			now += rapid.Float64Range(0.1, 3).Draw(t, "after")
			before := sum()
			uid, amount, came := types.UID(fmt.Sprintf("new-%d", i)), rapid.Int64Range(1, 4).Draw(t, "cpu"), true
			if keys := sorted(on); len(keys) > 0 && rapid.Bool().Draw(t, "goes") {
				uid, came = rapid.SampledFrom(keys).Draw(t, "who"), false
				amount = on[uid]
				delete(on, uid)
			} else {
				on[uid] = amount
			}
			changes = append(changes, change{uid: uid, amount: milli(amount), at: at(now), came: came, own: rapid.Bool().Draw(t, "own")})
			if !at(now).Before(since) {
				most = max(most, before, sum())
			}
		}
		most = max(most, sum())
		got := young(changes, func(uid types.UID) bool { _, is := on[uid]; return is }, since)
		require.Equal(t, most-sum(), got.MilliCPU)
	})
}
