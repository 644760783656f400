package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// steady is two pods an hour, each an hour apart, for so many weeks.
func steady(weeks int) *trace {
	t := &trace{name: "steady", start: epoch, length: time.Duration(weeks) * week, measured: warmup}
	for at := 30 * time.Minute; at < t.length; at += time.Hour {
		t.arrivals = append(t.arrivals, arrival{at: at, pods: 2, life: 10 * time.Minute})
	}
	return t
}

func TestAFixedSizeServesWhatItHolds(t *testing.T) {
	tr := steady(3)
	enough, tooFew := simulate(tr, static(2), 1, nil), simulate(tr, static(1), 1, nil)
	require.Equal(t, 7*24*2, enough.asked)
	require.InDelta(t, 1, enough.share(), 0)
	require.InDelta(t, 0.5, tooFew.share(), 0)
	require.InDelta(t, 1, tooFew.unitHours/7/24, 0.04, "one unit all the time, but for its refills")
	require.Greater(t, enough.unitHours, 1.9*7*24)
}

func TestTheSameSeedGivesTheSameOutcome(t *testing.T) {
	options := demand.Options{Season: demand.Week}
	c, err := compare(steady(3), 1, options)
	require.NoError(t, err)
	require.Equal(t, c.demand, simulate(steady(3), byDemand(options), 1, nil))
	require.Equal(t, 2, c.staticUnits)
}

func TestTheSmallestIsFound(t *testing.T) {
	for want := range 100 {
		require.Equal(t, want, smallest(1000, func(n int) bool { return n >= want }))
	}
	require.Equal(t, 50, smallest(50, func(int) bool { return false }))
}

func TestALargestOfAWindow(t *testing.T) {
	l := &largest{within: 10 * time.Minute}
	for i, want := range []int{5, 5, 7, 7, 7, 3} {
		require.Equal(t, want, l.of(time.Duration(i)*4*time.Minute, []int{5, 2, 7, 1, 1, 3}[i]), "step %d", i)
	}
}

func TestATraceIsReadFromAFile(t *testing.T) {
	tr, err := readTrace(strings.NewReader("time,pods\n"+
		"2026-03-02T10:00:30Z,3\n2026-03-02T09:59:00+00:00, 2\n1772449300,1\n"), "mine.csv", time.Hour)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC), tr.start)
	require.Len(t, tr.arrivals, 3)
	require.Equal(t, 2, tr.arrivals[0].pods)
	require.Equal(t, 60*time.Minute+30*time.Second, tr.arrivals[1].at)
	for text, want := range map[string]string{
		"":                             "no arrivals",
		"time,pods\n":                  "no arrivals",
		"1772449200,1\nnoon,3\n":       `line 2: "noon" is neither a time`,
		"1772449200,-1\n":              `"-1" is no number of pods`,
		"1772449200,1,2\n":             "wrong number of fields",
		"time,pods\n1772449200,many\n": `line 2: "many" is no number of pods`,
	} {
		_, err := readTrace(strings.NewReader(text), "mine.csv", time.Hour)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestTracesAreInOrderAndOfTheirLength(t *testing.T) {
	for _, g := range generators() {
		t.Run(g.name, func(t *testing.T) {
			tr := g.trace(1)
			require.NotEmpty(t, tr.arrivals)
			for i, a := range tr.arrivals {
				require.True(t, i == 0 || tr.arrivals[i-1].at <= a.at)
				require.Positive(t, a.pods)
				require.Less(t, a.at, tr.length)
			}
			require.Equal(t, tr, g.trace(1), "the same seed gives the same trace")
		})
	}
}
