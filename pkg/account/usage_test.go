package account

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// week is what the tests ask for.
const week = 7 * 24 * time.Hour

// refill has a unit go and come back.
func refill(a *Account, at time.Time, took time.Duration, newNode bool) {
	a.Went(at)
	node := at.Add(-time.Hour)
	if newNode {
		node = at.Add(time.Nanosecond)
	}
	a.Bound(at.Add(took), node)
}

func TestUsageIsOfTheTimeThatIsAskedFor(t *testing.T) {
	now := epoch.Add(10*24*time.Hour + 30*time.Minute)
	a := New(epoch)
	a.Take(take(now.Add(-8*24*time.Hour), "long ago"))
	a.Observe(now.Add(-8*24*time.Hour), 0)
	for i := range 3 {
		a.Take(take(now.Add(-time.Duration(i)*time.Hour), fmt.Sprint(i)))
	}
	a.Miss(MissNoneReady, 2, now.Add(-time.Hour))
	a.Miss(MissNoneReady, 0, now.Add(-2*time.Hour))
	a.Miss(MissFiltered, 0, now.Add(-time.Hour))
	a.Miss(MissTooSmall, 0, now.Add(-8*24*time.Hour))
	a.Lose(LossDrained, now.Add(-time.Hour))
	a.Observe(now.Add(-time.Hour), 4)
	a.Observe(now, 7)
	for range 9 {
		refill(a, now.Add(-30*time.Minute), 4*time.Second, false)
	}
	refill(a, now.Add(-30*time.Minute), 50*time.Second, true)

	usage := a.Usage(now, week)
	require.Equal(t, now.Add(-week).Truncate(time.Hour), usage.Since)
	require.True(t, usage.Whole)
	require.Equal(t, 3, usage.Taken)
	require.Equal(t, 2, usage.Lacked)
	require.Equal(t, map[Loss]int{LossDrained: 1}, usage.Lost)
	require.Equal(t, map[Miss]int{MissNoneReady: 2, MissFiltered: 1}, usage.Missed, "pods, and not the units that they lacked")
	require.Equal(t, 4, *usage.LowestReady)
	require.Equal(t, 10, usage.Refills)
	require.Equal(t, 5*time.Second, usage.RefillP90, "nine of ten were over within five seconds")
	require.Equal(t, 3*time.Minute, usage.Saved, "three units, each worth a node that takes a minute to come")
}

func TestAYoungAccountSaysSo(t *testing.T) {
	a := New(epoch)
	usage := a.Usage(epoch.Add(time.Hour), week)
	require.False(t, usage.Whole)
	require.Equal(t, epoch, usage.Since)
	require.Nil(t, usage.LowestReady)
	require.Zero(t, usage.RefillP90)
	a.Take(take(epoch, "a"))
	require.Zero(t, a.Usage(epoch.Add(time.Hour), week).Saved, "without a refill that needed a node there is no estimate")
}

func TestARefillThatTookLongerThanAllBinsIsTheLongest(t *testing.T) {
	a := New(epoch)
	refill(a, epoch, 3*time.Hour, false)
	require.Equal(t, 30*time.Minute, a.Usage(epoch.Add(4*time.Hour), week).RefillP90)
}

// The quantile is a bound: at least the part of all refills took no longer, as far as the bins tell, and no smaller bin would do.
func TestTheQuantileIsTheSmallestBoundThatHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.SliceOfN(rapid.IntRange(0, 5), len(refillBins)+1, len(refillBins)+1).Draw(t, "bins")
		counted, bound := quantile(bins, 9, 10)
		sum := 0
		for _, n := range bins {
			sum += n
		}
		require.Equal(t, sum, counted)
		if counted == 0 {
			require.Zero(t, bound)
			return
		}
		within, before := 0, 0
		for i, n := range bins[:len(refillBins)] {
			if refillBins[i] <= bound {
				within += n
			}
			if refillBins[i] < bound {
				before += n
			}
		}
		require.Less(t, before*10, counted*9)
		if bound < refillBins[len(refillBins)-1] {
			require.GreaterOrEqual(t, within*10, counted*9)
		}
	})
}
