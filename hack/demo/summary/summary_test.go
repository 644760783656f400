package summary_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/hack/demo/history"
	"github.com/headroom-dev/headroom/hack/demo/summary"
)

func at(second int) time.Time {
	return time.Date(2026, time.January, 1, 0, 0, second, 0, time.UTC)
}

func took(seconds int) summary.Wait {
	return summary.Wait{Duration: time.Duration(seconds) * time.Second}
}

func never(seconds int) summary.Wait {
	return summary.Wait{Duration: time.Duration(seconds) * time.Second, Never: true}
}

// nodes are two zones: node-a and node-b are there before the burst, node-late comes after.
var nodes = []history.Node{
	{Name: "node-a", Zone: "a", Created: at(0), Ready: at(1)},
	{Name: "node-b", Zone: "b", Created: at(0), Ready: at(1)},
	{Name: "node-late", Zone: "a", Created: at(30), Ready: at(31)},
}

func TestABurstIntoHeadroomInNumbers(t *testing.T) {
	r := history.Record{
		Until: at(40),
		Nodes: nodes,
		Burst: []history.Pod{
			{Name: "first", Created: at(10), Bound: at(11), Running: at(12)},
			{Name: "second", Created: at(10), Refused: at(11), Bound: at(14), Running: at(15)},
		},
		Placeholders: []history.Pod{
			{Name: "0", Node: "node-a", Created: at(1), Bound: at(2), Gone: at(11)},
			{Name: "1", Node: "node-a", Created: at(1), Bound: at(2)},
			{Name: "2", Node: "node-b", Created: at(1), Bound: at(2), Gone: at(13)},
			{Name: "3", Created: at(1)},
			{Name: "0", Node: "node-late", Created: at(11), Bound: at(32)},
			{Name: "2", Node: "node-late", Created: at(13), Bound: at(33)},
		},
	}
	require.Equal(t, summary.Summary{
		Pods: 2, Running: 2, FirstAttempt: 1,
		Median: took(2), P99: took(5), Worst: took(5),
		NodesBefore: 2, NodesAdded: 1,
		Held: 3, Taken: 2, Refilled: 2, Refill: took(22),
		Zones: []summary.Zone{{Name: "a", Held: 2, Left: 1}, {Name: "b", Held: 1, Left: 0}},
	}, summary.Of(r))
}

func TestPodsThatNeverRanAreTheSlowestAndHeadroomIsCountedAtTheEnd(t *testing.T) {
	r := history.Record{
		Until: at(40),
		Nodes: nodes[:1],
		Burst: []history.Pod{
			{Name: "ran", Created: at(10), Bound: at(11), Running: at(12)},
			{Name: "waits", Created: at(10), Refused: at(11)},
			{Name: "waits-too", Created: at(20), Refused: at(21)},
		},
		Placeholders: []history.Pod{
			{Name: "0", Node: "node-a", Created: at(1), Bound: at(2), Gone: at(38)},
			{Name: "1", Node: "node-a", Created: at(1), Bound: at(2)},
		},
	}
	got := summary.Of(r)
	require.Equal(t, never(20), got.Median, "of those that never ran, the shortest waited 20 s")
	require.Equal(t, never(30), got.Worst)
	require.Equal(t, 1, got.FirstAttempt)
	require.Equal(t, []summary.Zone{{Name: "a", Held: 2, Left: 1}}, got.Zones)
	require.Equal(t, never(2), got.Refill)
}

func TestHeadroomThatCameBackAndWasTakenAgainIsNotWholeBefore(t *testing.T) {
	got := summary.Of(history.Record{
		Until: at(40),
		Nodes: nodes,
		Burst: []history.Pod{{Name: "first", Created: at(10), Bound: at(11), Running: at(12)}},
		Placeholders: []history.Pod{
			{Name: "0", Node: "node-a", Created: at(1), Bound: at(2), Gone: at(11)},
			{Name: "1", Node: "node-late", Created: at(12), Bound: at(13), Gone: at(14)},
			{Name: "2", Node: "node-late", Created: at(15), Bound: at(31)},
		},
	})
	require.Equal(t, []int{1, 2, 2}, []int{got.Held, got.Taken, got.Refilled})
	require.Equal(t, took(20), got.Refill)
}

func TestNothingIsSummedUpToNothing(t *testing.T) {
	require.Equal(t, summary.Summary{
		Median: never(0), P99: never(0), Worst: never(0), Refill: never(0), Zones: []summary.Zone{},
	}, summary.Of(history.Record{}))
}

func TestAQuantileIsReachedByItsShareAndByNoLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := history.Record{Until: at(10_000)}
		for _, seconds := range rapid.SliceOfN(rapid.IntRange(-1, 50), 1, 200).Draw(t, "waits, -1 for never") {
			p := history.Pod{Created: at(0)}
			if seconds >= 0 {
				p.Running = at(seconds)
			}
			r.Burst = append(r.Burst, p)
		}
		waits := summary.Waits(r)
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		got := summary.Quantile(waits, q)
		below, upTo := 0, 0
		for _, w := range waits {
			longer := w.Never && !got.Never || w.Never == got.Never && w.Duration > got.Duration
			shorter := got.Never && !w.Never || w.Never == got.Never && w.Duration < got.Duration
			if !longer {
				upTo++
			}
			if shorter {
				below++
			}
		}
		wanted := q * float64(len(waits))
		require.GreaterOrEqual(t, float64(upTo), wanted-1e-9)
		require.Less(t, float64(below), wanted+1e-9)
	})
}

func TestDurationsAreWrittenInTheUnitThatSuitsThem(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 ms": 0, "7 ms": 7 * time.Millisecond, "412 ms": 411600 * time.Microsecond, "999 ms": 999499 * time.Microsecond,
		"1.00 s": 999600 * time.Microsecond, "2.31 s": 2310 * time.Millisecond, "9.99 s": 9994 * time.Millisecond,
		"10.0 s": 9996 * time.Millisecond, "24.1 s": 24060 * time.Millisecond, "180.0 s": 3 * time.Minute,
	} {
		t.Run(want, func(t *testing.T) { require.Equal(t, want, summary.Short(d)) })
	}
	require.Equal(t, "> 15.0 s", never(15).String())
	require.Equal(t, "-", never(0).String())
}
