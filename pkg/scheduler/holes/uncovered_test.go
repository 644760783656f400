package holes

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func sorted(m map[types.UID]int64) []types.UID { return slices.Sorted(maps.Keys(m)) }

func TestAHoleIsKeptUntilAPodIsKnownThatCoversIt(t *testing.T) {
	made := func(seconds float64, cpu int64) hole {
		return hole{amount: milli(cpu), mark: mark{scheduler: "stock"}, priority: -5, at: at(seconds)}
	}
	pod := func(seconds float64, cpu int64) cover {
		return cover{amount: milli(cpu), scheduler: "stock", at: at(seconds)}
	}
	for name, tc := range map[string]struct {
		holes  []hole
		covers []cover
		want   int
	}{
		"while nobody is known":                 {holes: []hole{made(9, 1)}, want: 1},
		"not for ever":                          {holes: []hole{made(-20, 1)}},
		"not if a pod is nominated":             {holes: []hole{made(9, 1)}, covers: []cover{pod(9.5, 1)}},
		"not if one was just before":            {holes: []hole{made(9, 1)}, covers: []cover{pod(8, 1)}},
		"but if that was long before":           {holes: []hole{made(9, 1)}, covers: []cover{pod(1, 1)}, want: 1},
		"not if the pod is smaller":             {holes: []hole{made(9, 4)}, covers: []cover{pod(9.5, 1)}},
		"all holes that a large pod fills":      {holes: []hole{made(9, 1), made(9, 1), made(9, 1)}, covers: []cover{pod(9.5, 3)}},
		"but no more than it fills":             {holes: []hole{made(9, 1), made(9, 1), made(9, 1)}, covers: []cover{pod(9.5, 2)}, want: 1},
		"each hole for one pod":                 {holes: []hole{made(9, 1)}, covers: []cover{pod(9.5, 1), pod(9.5, 1)}},
		"if the pod is another scheduler's":     {holes: []hole{made(9, 1)}, covers: []cover{{amount: milli(1), scheduler: "own", at: at(9.5)}}, want: 1},
		"if the pod's priority is no higher":    {holes: []hole{made(9, 1)}, covers: []cover{{amount: milli(1), scheduler: "stock", priority: -5, at: at(9.5)}}, want: 1},
		"not if the mark names no scheduler":    {holes: []hole{{amount: milli(1), priority: -5, at: at(9)}}, covers: []cover{pod(9.5, 1)}},
		"if the pod was bound before the mark":  {holes: []hole{made(9, 1)}, covers: []cover{{amount: milli(1), scheduler: "stock", at: at(7), bound: at(8)}}, want: 1},
		"not if it was bound after the mark":    {holes: []hole{made(9, 1)}, covers: []cover{{amount: milli(1), scheduler: "stock", at: at(7), bound: at(9.5)}}},
		"by a pod that came long after another": {holes: []hole{made(-25, 1), made(9, 1)}, covers: []cover{pod(9.5, 1)}},
		"the oldest first, and the other open":  {holes: []hole{made(8, 1), made(9, 1)}, covers: []cover{pod(9.5, 1)}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			require.Len(t, uncovered(tc.holes, tc.covers, at(10)), tc.want)
		})
	}
}

// TestWhatIsOpenAndWhatIsCoveredIsEnough draws preemptions of which not all is seen yet: what stays open, and what the known pods request,
// is never less than what the holes of the pods that are not known yet are.
func TestWhatIsOpenAndWhatIsCoveredIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var holes []hole
		var covers []cover
		var unknown, known int64
		for i := range rapid.IntRange(1, 5).Draw(t, "preemptions") {
			// Victims are exactly as large as the pod that they go for.
			var size int64
			for range rapid.IntRange(1, 3).Draw(t, "victims") {
				cpu := rapid.Int64Range(1, 3).Draw(t, "cpu")
				size += cpu
				holes = append(holes, hole{amount: milli(cpu), mark: mark{scheduler: "stock"}, priority: -5, at: at(float64(len(holes)) / 100)})
			}
			if rapid.Bool().Draw(t, "known") {
				known += size
				covers = append(covers, cover{uid: types.UID(fmt.Sprint(i)), amount: milli(size), scheduler: "stock", at: at(1)})
			} else {
				unknown += size
			}
		}
		var open int64
		for _, h := range uncovered(holes, covers, at(2)) {
			open += h.amount.MilliCPU
		}
		// A pod covers whole holes, so the last one may be larger than what it still needs, by less than a hole.
		require.GreaterOrEqual(t, open+known+2*int64(len(covers)), unknown+known)
		require.LessOrEqual(t, open, unknown, "no hole stays open for which the pods are known")
		require.Empty(t, uncovered(holes, covers, at(2).Add(HoleLasts+time.Second)))
	})
}
