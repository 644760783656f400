package demand

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheLastHourThatWasKeptIsFoundWhereNoneIsRecent(t *testing.T) {
	const begin, end = 500 * int64(Slots), 600 * int64(Slots)
	for name, tc := range map[string]struct {
		hours []int64
		last  int64
		ok    bool
	}{
		"none at all":                          {nil, end, true},
		"one within":                           {[]int64{100, 550, 200}, end, true},
		"the first that reaches into it":       {[]int64{500}, end, true},
		"the last before it":                   {[]int64{200, 499, 100}, begin, false},
		"whatever their order":                 {[]int64{100, 200}, 201 * int64(Slots), false},
		"the hour of its end":                  {[]int64{600}, end, true},
		"what is to come is not of the past":   {[]int64{100, 601}, 101 * int64(Slots), false},
		"hours that nobody can have kept":      {[]int64{100, lastHour + 1, -lastHour - 1, math.MinInt64}, 101 * int64(Slots), false},
		"hours that nobody can have kept only": {[]int64{lastHour + 1, math.MaxInt64}, end, true},
	} {
		t.Run(name, func(t *testing.T) {
			var hours []Hour
			for _, number := range tc.hours {
				hours = append(hours, Hour{Hour: number})
			}
			last, ok := lastKept(hours, begin, end)
			require.Equal(t, tc.last, last)
			require.Equal(t, tc.ok, ok)
		})
	}
	require.Equal(t, int64(3*Slots), firstKept([]Hour{{Hour: 5}, {Hour: 3}, {Hour: 4}, {Hour: -lastHour - 1}}, 90*int64(Slots)))
	require.Equal(t, int64(90), firstKept([]Hour{{Hour: 5}}, 90))
	for number, want := range map[int64]bool{-lastHour: true, -lastHour - 1: false, lastHour: true, lastHour + 1: false} {
		require.Equal(t, want, (&Hour{Hour: number}).plausible())
	}
}

func TestHoursThatNobodyCanHaveKeptChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, o := history(t), options(t)
		want := Size(h, monday, o)
		number := rapid.SampledFrom([]int64{lastHour + 1, -lastHour - 1, math.MaxInt64, math.MinInt64}).Draw(t, "hour")
		h.Hours = append(h.Hours, Hour{Hour: number, Seen: 1<<Slots - 1, Taken: 99, TakenIn: []int{99}, LackedIn: []int{99}})
		require.Equal(t, want, Size(h, monday, o))
	})
}

func TestWhatASlotIsKnownToHaveAskedFor(t *testing.T) {
	const all = 1<<Slots - 1
	for name, tc := range map[string]struct {
		hours []Hour
		slot  int // of which this is
		want  slot
	}{
		"what was taken and lacked, and what was both counts once": {
			[]Hour{{Taken: 4, Lacked: 3, Again: 2, TakenIn: []int{0, 4}, LackedIn: []int{0, 3}, AgainIn: []int{0, 2}, Seen: all}}, 1,
			slot{demand: 5, kept: true, whole: true},
		},
		"what is not listed is none":      {[]Hour{{Taken: 3, TakenIn: []int{3}, Seen: all}}, 7, slot{kept: true, whole: true}},
		"no unit was ready":               {[]Hour{{Taken: 1, TakenIn: []int{1}, Seen: all, Empty: 1}}, 0, slot{demand: 1, kept: true}},
		"nobody looked":                   {[]Hour{{Taken: 1, TakenIn: []int{1}, Seen: all &^ 1}}, 0, slot{demand: 1}},
		"a sum is shared out evenly":      {[]Hour{{Taken: 2 * Slots, Seen: all}}, 7, slot{demand: 2, kept: true}},
		"and rounded up":                  {[]Hour{{Taken: 20, Lacked: 12, Again: 1, Seen: all}}, 7, slot{demand: 2, kept: true}},
		"a sum without what counts twice": {[]Hour{{Taken: 20, Lacked: 12, Again: 2, Seen: all}}, 7, slot{demand: 1, kept: true}},
		"two records of an hour add up":   {[]Hour{{TakenIn: []int{3}, Seen: 1}, {TakenIn: []int{4}}}, 0, slot{demand: 7, kept: true}},
		"fewer than none are none": {
			[]Hour{{TakenIn: []int{-3}, LackedIn: []int{2}, Seen: 1}}, 0, slot{demand: 2, kept: true, whole: true},
		},
		"the present is not over": {[]Hour{{TakenIn: []int{20: 1}, Seen: all}}, 20, slot{demand: 1, kept: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s, slots := &series{first: 0, now: 20}, make([]slot, Slots)
			for i := range tc.hours {
				s.fill(slots, &tc.hours[i])
			}
			require.Equal(t, tc.want, slots[tc.slot])
		})
	}
}

func TestAWindowIsKeptOrWholeOnlyIfEachOfItsSlotsIs(t *testing.T) {
	whole, kept := slot{demand: 4, kept: true, whole: true}, slot{demand: 3, kept: true}
	require.Equal(t, []slot{
		{demand: 4}, {demand: 8}, {demand: 10, kept: true, whole: true}, {demand: 10, kept: true}, {demand: 9}, {demand: 5},
	}, sums([]slot{whole, whole, whole, kept, {demand: 2}, {}}, 3, 10))
}

func TestAsFarBackAsIsAskedIsLookedAndNoFurther(t *testing.T) {
	p := quiet(15)
	for i := range 20 {
		p.taken(50, 7*days+time.Duration(i+1)*2*Slot) // right before
	}
	r := p.size(Options{Season: None, History: 7 * days})
	require.Equal(t, 7*24*Slots+1, r.Windows)
	require.Zero(t, r.Replicas)
	require.Equal(t, 50, p.size(Options{Season: None, History: 8 * days}).Replicas)

	r = quiet(15).size(Options{Season: Week, History: 14 * days})
	require.Equal(t, PooledByHour, r.PooledBy)
	require.Equal(t, 75, r.Windows, "two weeks, and the last half hour")
	r = quiet(15).size(Options{Season: Week, History: 14*days - time.Second})
	require.Equal(t, PooledByNeighboringHours, r.PooledBy)
	require.Equal(t, 105, r.Windows, "one week with all three hours, of which some are older than it")
}

func TestTheHistoryIsKeptWithinItsBounds(t *testing.T) {
	for _, tc := range []struct {
		season        Season
		history, want time.Duration
	}{
		{None, 0, MaxHistory},
		{None, -1, MaxHistory},
		{None, MaxHistory + 1, MaxHistory},
		{None, MaxHistory, MaxHistory},
		{None, time.Minute, time.Hour},
		{Day, time.Hour, 24 * time.Hour},
		{Week, 3 * days, 7 * days},
		{Week, 8 * days, 8 * days},
	} {
		require.Equal(t, tc.want, Options{Season: tc.season, History: tc.history}.bounded().History, "%s of %s", tc.history, tc.season)
	}
}

func TestABurstIsOfTheLastRefillTime(t *testing.T) {
	o := Options{Season: Week}.bounded()
	ago := func(n int, d time.Duration) []time.Time {
		var times []time.Time
		for range n {
			times = append(times, monday.Add(-d))
		}
		return times
	}
	for name, tc := range map[string]struct {
		takes, missing []time.Time
		want           int
	}{
		"units that went and are missing": {ago(3, 30*time.Second), ago(3, 30*time.Second), 3},
		"now":                             {ago(3, 0), ago(3, 0), 3},
		"as many as are missing":          {ago(3, 30*time.Second), ago(2, 30*time.Second), 2},
		"as many as were taken":           {ago(2, 30*time.Second), ago(3, 30*time.Second), 2},
		"longer ago":                      {ago(3, DefaultRefill), ago(3, 30*time.Second), 0},
		"those that are missing for longer are others":      {ago(3, 30*time.Second), ago(3, DefaultRefill), 0},
		"takes that are to come, by a clock that was ahead": {ago(3, -time.Second), ago(3, 30*time.Second), 0},
		"and losses that are":                               {ago(3, 30*time.Second), ago(3, -time.Second), 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := underWay(&History{Takes: tc.takes, Missing: tc.missing}, monday, 1, DefaultRefill, &o)
			require.Equal(t, tc.want, b.demand())
		})
	}
	for before, want := range map[time.Duration]int{0: 5, Slot: 5, 2 * Slot: 0} { // monday is the first moment of an hour
		p := quiet(1).lacked(5, before)
		b := underWay(&p.History, monday, 1, DefaultRefill, &o)
		require.Equal(t, want, b.demand(), "lacked %s before", before)
	}
	both := quiet(1).lacked(5, 0).again(2, 0).lacked(5, Slot).again(2, Slot)
	b := underWay(&both.History, monday, 1, DefaultRefill, &o)
	require.Equal(t, 6, b.demand(), "what counts twice, in each of the slots")
	p := quiet(1).lacked(50, 0).missing(6, 0)
	p.Takes = ago(6, 0)
	o.Max = 10
	b = underWay(&p.History, monday, 1, DefaultRefill, &o)
	require.Equal(t, 10, b.demand(), "no more than the maximum in all")

	again := quiet(15).missing(6, 30*time.Second)
	again.Takes = ago(6, 30*time.Second)
	e := Learn(again.History, monday, weekly)
	require.True(t, e.Size(again.History, monday.Add(-days)).Burst, "a clock that was set back does not make it one of tomorrow")
}

func TestABurstIsCoveredToTheLevelAndForTheRefillTime(t *testing.T) {
	b := burst{lacked: 56}
	require.Equal(t, 81, b.units(0.999))
	require.InDelta(t, 66, b.units(0.9), 1)
	p := quiet(1).refills(4, 1).missing(6, 200*time.Second)
	for range 6 {
		p.Takes = append(p.Takes, monday.Add(-200*time.Second))
	}
	require.Contains(t, p.size(weekly).Why, "a burst is under way: in the last 5m pods took or lacked 6 units")
}

func TestThePoissonDistributionHasNoEndThatIsToBeSeen(t *testing.T) {
	for _, mean := range []float64{20_000, 200_000} { // near to the normal distribution
		require.InDelta(t, mean+3.09*math.Sqrt(mean), poissonQuantile(mean, 0.999, 0), 0.01*mean)
	}
	require.Equal(t, MaxReplicas, poissonQuantile(2*MaxReplicas, 0.999, MaxReplicas-3))
}
