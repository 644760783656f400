package demand

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// history draws one of up to 15 days, with holes.
func history(t *rapid.T) History {
	p := quiet(rapid.SampledFrom([]int{0, 1, 3, 8, 15}).Draw(t, "days"))
	before := func() time.Duration {
		hour := rapid.IntRange(0, len(p.Hours)-1).Draw(t, "hour")
		return time.Duration(hour)*time.Hour + time.Duration(rapid.IntRange(0, Slots-1).Draw(t, "slot"))*Slot
	}
	at := func() time.Duration { return min(before(), time.Duration(len(p.Hours)-1)*time.Hour) }
	units := rapid.SampledFrom([]int{1, 1, 2, 3, 8, 40, 10_000})
	for range rapid.IntRange(0, 60).Draw(t, "events") {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			p.taken(units.Draw(t, "units"), at())
		case 1:
			p.lacked(units.Draw(t, "units"), at())
		case 2:
			p.emptied(at())
		case 3:
			p.refills(rapid.IntRange(0, len(bins)).Draw(t, "bin"), units.Draw(t, "units"))
		case 4:
			h, slot := p.at(at())
			h.Seen &^= 1 << slot
		case 5:
			since := time.Duration(rapid.IntRange(0, 600).Draw(t, "since")) * time.Second
			p.missing(1, since)
			p.Takes = append(p.Takes, monday.Add(-since))
		}
	}
	// What happens at certain times again, as rhythms do.
	for back := 7 * days; back < time.Duration(len(p.Hours)-1)*time.Hour; back += 7 * days {
		p.taken(units.Draw(t, "weekly"), back-time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes"))*time.Minute)
	}
	p.Parked = rapid.Bool().Draw(t, "parked")
	return p.History
}

func options(t *rapid.T) Options {
	return Options{
		Served: rapid.SampledFrom([]float64{0.5, 0.9, 0.99, 0.999, 0.99999}).Draw(t, "served"),
		Season: rapid.SampledFrom([]Season{Week, Day, None}).Draw(t, "season"),
		Min:    rapid.IntRange(0, 5).Draw(t, "min"), Max: rapid.SampledFrom([]int{0, 3, 50, 20_000}).Draw(t, "max"),
		History: rapid.SampledFrom([]time.Duration{0, time.Hour, 7 * days, 14 * days}).Draw(t, "history"),
	}
}

func clone(h History) History {
	h.Hours = slices.Clone(h.Hours)
	for i := range h.Hours {
		h.Hours[i].TakenIn, h.Hours[i].LackedIn = slices.Clone(h.Hours[i].TakenIn), slices.Clone(h.Hours[i].LackedIn)
	}
	h.Takes, h.Missing = slices.Clone(h.Takes), slices.Clone(h.Missing)
	return h
}

func TestTheResultIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := options(t)
		r := Size(history(t), monday, o)
		require.GreaterOrEqual(t, r.Replicas, o.Min)
		require.LessOrEqual(t, r.Replicas, o.bounded().Max)
		require.GreaterOrEqual(t, r.RefillTime, time.Second)
		require.LessOrEqual(t, r.RefillTime, MaxRefill)
		require.NotEmpty(t, r.Why)
	})
}

func TestMoreDemandNeverGivesFewerUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, o := history(t), options(t)
		more := clone(h)
		for range rapid.IntRange(1, 5).Draw(t, "additions") {
			hour := &more.Hours[rapid.IntRange(0, len(more.Hours)-1).Draw(t, "in hour")]
			slot, n := rapid.IntRange(0, Slots-1).Draw(t, "in slot"), rapid.SampledFrom([]int{1, 2, 10, 500}).Draw(t, "more")
			if rapid.Bool().Draw(t, "lacked") {
				hour.Lacked, hour.LackedIn[slot] = hour.Lacked+n, hour.LackedIn[slot]+n
			} else {
				hour.Taken, hour.TakenIn[slot] = hour.Taken+n, hour.TakenIn[slot]+n
			}
		}
		fewer := Size(h, monday, o)
		if result := Size(more, monday, o); result.NoRhythm || !fewer.NoRhythm { // else it made a rhythm of what was none
			require.GreaterOrEqual(t, result.Replicas, fewer.Replicas)
		}
	})
}

func TestAHigherLevelNeverGivesFewerUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, low := history(t), options(t)
		high := low
		high.Served = min(MaxServed, low.Served+rapid.Float64Range(0, 0.5).Draw(t, "higher"))
		require.GreaterOrEqual(t, Size(h, monday, high).Replicas, Size(h, monday, low).Replicas)
	})
}

// TestAHigherLevelFindsNoRhythmWhereALowerOneFindsNone: else it may give fewer units than the lower one, which has all hours count alike.
func TestAHigherLevelFindsNoRhythmWhereALowerOneFindsNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rhythm{length: rapid.IntRange(1, 15).Draw(t, "length"), judged: rapid.IntRange(1, 10_000).Draw(t, "judged")}
		r.unforeseen = rapid.IntRange(0, min(r.judged, 50)).Draw(t, "unforeseen")
		low, high := rapid.Float64Range(MinServed, MaxServed).Draw(t, "a level"), rapid.Float64Range(MinServed, MaxServed).Draw(t, "another")
		low, high = min(low, high), max(low, high)
		require.True(t, !r.isNone(low) || r.isNone(high), "%+v has no rhythm at %v, and one at %v", r, low, high)
	})
}

func TestThatNobodySawAllOfAWindowNeverGivesFewerUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, o := history(t), options(t)
		censored := clone(h)
		for range rapid.IntRange(1, 200).Draw(t, "times") {
			censored.Hours[rapid.IntRange(0, len(h.Hours)-1).Draw(t, "in hour")].Empty |= 1 << rapid.IntRange(0, Slots-1).Draw(t, "in slot")
		}
		require.GreaterOrEqual(t, Size(censored, monday, o).Replicas, Size(h, monday, o).Replicas)
	})
}

func TestTheSameHistoryGivesTheSameResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, o := history(t), options(t)
		want := Size(h, monday, o)
		shuffled := clone(h)
		shuffled.Hours = rapid.Permutation(shuffled.Hours).Draw(t, "hours")
		shuffled.Takes = rapid.Permutation(shuffled.Takes).Draw(t, "takes")
		shuffled.Missing = rapid.Permutation(shuffled.Missing).Draw(t, "missing")
		require.Equal(t, want, Size(shuffled, monday, o))
		require.Equal(t, want, Size(h, monday, o), "and nothing was changed")
	})
}

func TestNoInputPanicsOrScalesToZero(t *testing.T) {
	number := rapid.OneOf(rapid.Int(), rapid.IntRange(-5, 100), rapid.SampledFrom([]int{math.MaxInt, math.MinInt}))
	hour := rapid.Custom(func(t *rapid.T) Hour {
		return Hour{
			Hour:  rapid.OneOf(rapid.Int64(), rapid.Int64Range(monday.Unix()/secondsPerHour-400, monday.Unix()/secondsPerHour+2)).Draw(t, "hour"),
			Taken: number.Draw(t, "taken"), Lacked: number.Draw(t, "lacked"),
			TakenIn: rapid.SliceOfN(number, 0, 40).Draw(t, "taken in"), LackedIn: rapid.SliceOfN(number, 0, 40).Draw(t, "lacked in"),
			Empty: rapid.Uint32().Draw(t, "empty"), Seen: rapid.Uint32().Draw(t, "seen"),
			NodeRefills: rapid.SliceOfN(number, 0, 9).Draw(t, "refills"),
		}
	})
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return monday.Add(time.Duration(rapid.Int64().Draw(t, "nanoseconds"))).AddDate(rapid.IntRange(-5000, 5000).Draw(t, "years"), 0, 0)
	})
	rapid.Check(t, func(t *rapid.T) {
		h := History{
			Hours: rapid.SliceOfN(hour, 0, 9).Draw(t, "hours"), RefillBins: bins[:rapid.IntRange(0, len(bins)).Draw(t, "bins")],
			Takes: rapid.SliceOfN(moment, 0, 3).Draw(t, "takes"), Missing: rapid.SliceOfN(moment, 0, 3).Draw(t, "missing"),
		}
		o := Options{
			Served:  rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1, 2, 0.999}).Draw(t, "served"),
			History: time.Duration(rapid.Int64().Draw(t, "history")),
			Season:  rapid.SampledFrom([]Season{Week, Day, None, "", "Year"}).Draw(t, "season"),
			Min:     number.Draw(t, "min"), Max: number.Draw(t, "max"),
		}
		r := Size(h, rapid.OneOf(moment, rapid.Just(time.Time{}), rapid.Just(monday)).Draw(t, "now"), o)
		require.GreaterOrEqual(t, r.Replicas, min(max(o.Min, 0), MaxReplicas))
		require.LessOrEqual(t, r.Replicas, MaxReplicas)
		require.NotEmpty(t, r.Why)
	})
}

func TestTheApproximationOfPoissonIsGoodEnough(t *testing.T) {
	for _, mean := range []float64{0.05, 0.5, 1, 3, 10, 40, 200, 600} {
		for _, level := range []float64{0.9, 0.99, 0.999} {
			exact, sum := 0, math.Exp(-mean)
			for term := sum; sum < level; {
				exact++
				term *= mean / float64(exact)
				sum += term
			}
			got := poissonQuantile(mean, level, 0)
			require.InDelta(t, exact, got, 1+0.02*float64(exact), "mean %g, level %g", mean, level)
		}
	}
}
