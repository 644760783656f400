package demand

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// monday is a Monday at ten o'clock, in the middle of everything that the tests remember.
var monday = time.Date(2026, time.March, 16, 10, 0, 0, 0, time.UTC)

var bins = []time.Duration{30 * time.Second, 60 * time.Second, 90 * time.Second, 120 * time.Second, 300 * time.Second}

// past builds a history. Everything is kept and never empty, unless a test says otherwise.
type past struct {
	History
	byHour map[int64]int
}

// quiet is a past without demand of so many days before monday, up to the slot of monday.
func quiet(days int) *past {
	p := &past{History: History{RefillBins: bins}, byHour: map[int64]int{}}
	last := monday.Unix() / secondsPerHour
	for hour := last - int64(days)*24; hour < last; hour++ {
		p.byHour[hour] = len(p.Hours)
		p.Hours = append(p.Hours, Hour{Hour: hour, Seen: 1<<Slots - 1, TakenIn: make([]int, Slots), LackedIn: make([]int, Slots)})
	}
	p.byHour[last] = len(p.Hours)
	p.Hours = append(p.Hours, Hour{Hour: last, Seen: 1, TakenIn: make([]int, Slots), LackedIn: make([]int, Slots)})
	return p
}

func (p *past) at(before time.Duration) (hour *Hour, slot int) {
	t := monday.Add(-before)
	hour = &p.Hours[p.byHour[t.Unix()/secondsPerHour]]
	return hour, int(t.Unix()%secondsPerHour) / int(secondsPerSlot)
}

func (p *past) taken(units int, before time.Duration) *past {
	h, slot := p.at(before)
	h.Taken += units
	h.TakenIn[slot] += units
	return p
}

func (p *past) lacked(units int, before time.Duration) *past {
	h, slot := p.at(before)
	h.Lacked += units
	h.LackedIn[slot] += units
	return p
}

// again makes units that were taken then such that the pods which took them had lacked before.
func (p *past) again(units int, before time.Duration) *past {
	h, slot := p.at(before)
	if h.AgainIn == nil {
		h.AgainIn = make([]int, Slots)
	}
	h.Again += units
	h.AgainIn[slot] += units
	return p
}

func (p *past) emptied(before time.Duration) *past {
	h, slot := p.at(before)
	h.Empty |= 1 << slot
	return p
}

func (p *past) refills(bin, n int) *past {
	h := &p.Hours[0]
	for len(h.NodeRefills) <= bin {
		h.NodeRefills = append(h.NodeRefills, 0)
	}
	h.NodeRefills[bin] += n
	return p
}

func (p *past) missing(n int, since time.Duration) *past {
	for range n {
		p.Missing = append(p.Missing, monday.Add(-since))
	}
	return p
}

func (p *past) size(o Options) Result { return Size(p.History, monday, o) }

const days = 24 * time.Hour

var weekly = Options{Served: 0.999, Season: Week}

func TestTheRefillTime(t *testing.T) {
	for name, c := range map[string]struct {
		past *past
		want time.Duration
	}{
		"is 120 s as long as nothing was refilled":                  {quiet(1), DefaultRefill},
		"is the 90th percentile, in whole bins":                     {quiet(1).refills(1, 80).refills(2, 10).refills(4, 10), 90 * time.Second},
		"is longer when more than a tenth takes longer":             {quiet(1).refills(1, 80).refills(2, 9).refills(4, 11), 300 * time.Second},
		"is at most half an hour":                                   {quiet(1).refills(5, 1), MaxRefill},
		"grows with the age of refills that are awaited":            {quiet(1).refills(1, 9).missing(2, 200*time.Second), 200 * time.Second},
		"is not lowered by refills that were asked for just now":    {quiet(1).refills(1, 9).missing(50, 20*time.Second), 60 * time.Second},
		"does not grow if they are few beside the finished":         {quiet(1).refills(1, 100).missing(9, time.Hour), 60 * time.Second},
		"is bounded, however long refills are awaited":              {quiet(1).missing(9, 24*time.Hour), MaxRefill},
		"is not shortened by an awaited one if none has finished":   {quiet(1).missing(1, 30*time.Second), DefaultRefill},
		"grows with the age of an awaited one if none has finished": {quiet(1).missing(1, 400*time.Second), 400 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.past.size(weekly).RefillTime)
		})
	}
	t.Run("counts refills that are awaited from ten seconds on", func(t *testing.T) {
		for age, want := range map[time.Duration]time.Duration{youngest - time.Second: 5 * time.Second, youngest: youngest} {
			p := quiet(1).refills(0, 9).missing(2, age)
			p.RefillBins = []time.Duration{5 * time.Second, 30 * time.Second}
			require.Equal(t, want, p.size(weekly).RefillTime)
		}
	})
	t.Run("is frozen while units are parked", func(t *testing.T) {
		p := quiet(1).refills(1, 9).missing(200, 3*time.Hour)
		p.Parked = true
		require.Equal(t, 60*time.Second, p.size(weekly).RefillTime)
	})
}

func TestDemandIsWhatWasTakenAndLackedWithinOneRefillTime(t *testing.T) {
	// Of the windows of 13 days nine may be exceeded; eleven ask for 7, of which pods took 4 and lacked 3.
	p := quiet(13)
	for i := range 11 {
		p.taken(4, time.Duration(i+1)*20*time.Hour).lacked(3, time.Duration(i+1)*20*time.Hour)
	}
	r := p.size(Options{Served: 0.999, Season: None})
	require.Equal(t, 7, r.Replicas)
	require.Equal(t, PooledByAll, r.PooledBy)
	require.Equal(t, "of all 9361 windows of 2m (a refill takes 2m), "+
		"0 asked for more than 7 units, and 11 for more than 6, where at most 9 may (0.1 %)", r.Why)

	t.Run("nine windows that ask for more are left to chance", func(t *testing.T) {
		for i := range 9 {
			p.taken(50, time.Duration(i+1)*20*time.Hour+4*time.Minute)
		}
		require.Equal(t, 7, p.size(Options{Served: 0.999, Season: None}).Replicas)
	})
	t.Run("a longer refill time covers more slots", func(t *testing.T) {
		p := quiet(13).refills(4, 1)
		for i := range 11 {
			at := time.Duration(i+1) * 20 * time.Hour
			p.taken(4, at).taken(5, at-2*time.Minute).taken(6, at-4*time.Minute).taken(1, at-10*time.Minute)
		}
		r := p.size(Options{Served: 0.999, Season: None})
		require.Equal(t, 6*time.Minute, r.Window)
		require.Equal(t, 4+5+6, r.Replicas)
	})
}

func TestWhatAPodLackedAndThenTookCountsOnce(t *testing.T) {
	once, twice := quiet(13), quiet(13)
	for i := range 11 {
		lacked := time.Duration(i+1) * 20 * time.Hour
		once.lacked(7, lacked)
		twice.lacked(7, lacked).taken(7, lacked-10*time.Minute).again(7, lacked-10*time.Minute)
	}
	o := Options{Served: 0.999, Season: None}
	require.Contains(t, once.size(o).Why, "0 asked for more than 7 units, and 11 for more than 6")
	require.Equal(t, once.size(o), twice.size(o))

	for i := range once.Hours { // what is left of them in an account that grew too large
		once.Hours[i].TakenIn, once.Hours[i].LackedIn = nil, nil
		twice.Hours[i].TakenIn, twice.Hours[i].LackedIn, twice.Hours[i].AgainIn = nil, nil, nil
	}
	require.Equal(t, once.size(o), twice.size(o))

	burst := quiet(13).lacked(3, 0).taken(2, 0).again(2, 0).missing(2, 0)
	burst.Takes = []time.Time{monday, monday}
	require.Contains(t, burst.size(o).Why, "pods took or lacked 3 units that have not come back")
}

func TestAWindowCountsAtMostTheMaximum(t *testing.T) {
	p := quiet(14).lacked(10_000, 3*time.Hour).lacked(5_000, 6*time.Hour)
	r := p.size(Options{Served: 0.9999, Season: None, Max: 40})
	require.Equal(t, 40, r.Replicas)
	require.Contains(t, r.Why, "0 asked for more than 40 units, and 2 for more than 39")
}

func TestACensoredWindowMayRaiseTheEstimateAndNeverLowersIt(t *testing.T) {
	o := Options{Served: 0.99, Season: None}
	p := quiet(5)
	for i := range 40 { // of 3601 windows 36 may be exceeded
		p.taken(5, time.Duration(i+1)*time.Hour)
	}
	require.Equal(t, 5, p.size(o).Replicas)
	for i := range 100 { // 100 windows of which nobody knows what they would have asked for
		p.emptied(time.Duration(i+1)*time.Hour + 10*time.Minute)
	}
	r := p.size(o)
	require.Equal(t, 5, r.Replicas, "they do not make the others rarer")
	require.Equal(t, 101, r.Censored, "with the one that is not over")
	for i := range 37 {
		p.lacked(9, time.Duration(i+1)*time.Hour+10*time.Minute)
	}
	require.Equal(t, 9, p.size(o).Replicas, "but what they asked for counts")

	t.Run("and does not count as one that asked for less", func(t *testing.T) {
		p := quiet(5)
		for i := range 30 { // of 3601 windows, so they are left to chance
			p.taken(5, time.Duration(i+1)*time.Hour)
		}
		require.Zero(t, p.size(o).Replicas)
		for i := range 1000 { // of 2600 windows 26 may be exceeded
			p.emptied(40*time.Hour + time.Duration(i)*Slot)
		}
		require.Equal(t, 5, p.size(o).Replicas)
	})
}

func TestThePoolIsTheSmallestThatHasEnoughWindows(t *testing.T) {
	busy := func(days int) *past {
		p := quiet(days)
		for back := 7; back <= days; back += 7 {
			p.taken(12, time.Duration(back)*24*time.Hour-10*time.Minute)
			p.taken(30, time.Duration(back)*24*time.Hour-2*time.Hour) // another hour
		}
		return p
	}
	t.Run("the hour, with two weeks", func(t *testing.T) {
		r := busy(15).size(weekly)
		require.Equal(t, PooledByHour, r.PooledBy)
		require.Equal(t, 75, r.Windows, "30 of each week, and the last half hour")
		require.Equal(t, 15, r.Replicas, "12, and what 75 windows do not show")
		require.Equal(t, "of 75 windows of 2m (a refill takes 2m), "+
			"in the hour around Mon 10:04 UTC of 2 earlier weeks and in the last half hour, "+
			"none asked for more than 12 units; so few cannot show what is rare, and for a chance of at most 0.1 % that one asks for more "+
			"it takes 15, not 14", r.Why)
	})
	t.Run("the hours beside it too, with one", func(t *testing.T) {
		r := busy(8).size(weekly)
		require.Equal(t, PooledByNeighboringHours, r.PooledBy)
		require.Equal(t, 105, r.Windows)
	})
	t.Run("all, without an earlier season", func(t *testing.T) {
		r := quiet(6).taken(12, 3*days).size(weekly)
		require.Equal(t, PooledByAll, r.PooledBy)
	})
	t.Run("the maximum, as long as there is next to nothing", func(t *testing.T) {
		p := quiet(0).lacked(3, 0)
		r := p.size(weekly)
		require.Equal(t, PooledByMaximum, r.PooledBy)
		require.GreaterOrEqual(t, r.Replicas, 3, "they are a burst, too")
		after := Size(p.History, monday.Add(time.Hour), Options{})
		require.Equal(t, "3 units is the largest demand so far: an estimate needs 50 windows of 2m (a refill takes 2m), and the history has 1", after.Why)
	})
	t.Run("all, from fifty windows on", func(t *testing.T) {
		for windows, want := range map[int]Pool{Enough - 1: PooledByMaximum, Enough: PooledByAll} {
			p := quiet(1)
			for i := range p.Hours[:len(p.Hours)-1] { // the last has one
				p.Hours[i].Seen = 1<<min(max(windows-1-i*Slots, 0), Slots) - 1
			}
			r := p.size(weekly)
			require.Equal(t, windows, r.Windows)
			require.Equal(t, want, r.PooledBy)
		}
	})
	t.Run("nothing, at first", func(t *testing.T) {
		r := Size(History{}, monday, Options{Min: 2, Max: 9})
		require.Equal(t, 2, r.Replicas)
		require.Equal(t, "no demand is known yet: an estimate needs 50 windows of 2m (a refill takes 2m), and the history has 0; "+
			"that needs 0, and the minimum is 2", r.Why)
	})
}

func TestWhatHappenedOnceIsNoRhythm(t *testing.T) {
	p := quiet(15).taken(3, 7*days-10*time.Minute).taken(3, 14*days-10*time.Minute)
	calm := p.size(weekly).Replicas
	p.taken(200, 7*days-20*time.Minute)
	once := p.size(weekly)
	require.Equal(t, PooledByHour, once.PooledBy)
	require.Less(t, once.Replicas, 2*calm)
	require.Contains(t, once.Why, "200 units, which happened once")
	p.taken(180, 14*days-24*time.Minute)
	require.Greater(t, p.size(weekly).Replicas, 200, "twice is one")
}

func TestASeasonThatForetellsNothingDoesNotCount(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	group := func() int { // one in five minutes, of any size
		if r.Float64() > 0.4 {
			return 0
		}
		return int(min(200, math.Pow(1-r.Float64(), -1/1.5)))
	}
	anyTime, repeated := quiet(15), quiet(15)
	for slot := range 7 * 24 * Slots {
		weekly := group()
		for before := 7*days - time.Duration(slot)*Slot; before <= 15*days; before += 7 * days {
			anyTime.taken(group(), before)
			repeated.taken(weekly, before)
		}
	}
	none := anyTime.size(Options{Served: 0.999, Season: None})
	result := anyTime.size(weekly)
	require.True(t, result.NoRhythm)
	require.Equal(t, PooledByAll, result.PooledBy)
	require.Equal(t, none.Replicas, result.Replicas)
	require.Regexp(t, "^there is no rhythm, since [0-9]+ of [0-9]+ windows asked for more than twice what the same time of any earlier week did; "+
		"of all 10801 windows of 2m ", result.Why)
	require.False(t, none.NoRhythm)
	require.NotContains(t, none.Why, "rhythm")

	result = repeated.size(weekly)
	require.False(t, result.NoRhythm, "what comes each week is one")
	require.Equal(t, PooledByHour, result.PooledBy)
}

func TestABurstUnderWayRaisesTheTargetAtOnce(t *testing.T) {
	p := quiet(15)
	require.LessOrEqual(t, p.size(weekly).Replicas, 1)
	for range 6 {
		p.Takes = append(p.Takes, monday.Add(-30*time.Second))
	}
	require.False(t, p.size(weekly).Burst, "the units that went came back")
	p.missing(6, 30*time.Second)
	r := p.size(weekly)
	require.True(t, r.Burst)
	require.Equal(t, 12, r.Replicas)
	require.Equal(t, "a burst is under way: in the last 2m pods took or lacked 6 units that have not come back; 12 cover as many again", r.Why)
	p.lacked(50, 0)
	require.Equal(t, 81, p.size(weekly).Replicas, "pods that lack units are part of it; the Poisson distribution of mean 56")
	require.Equal(t, 30, p.size(Options{Served: 0.999, Season: Week, Max: 30}).Replicas)

	t.Run("drained units are none", func(t *testing.T) {
		require.False(t, quiet(15).missing(6, 30*time.Second).size(weekly).Burst)
	})
	for units, burst := range map[int]bool{smallestBurst - 1: false, smallestBurst: true} {
		require.Equal(t, burst, quiet(15).lacked(units, 0).size(Options{Season: Week, Max: smallestBurst}).Burst, "%d units", units)
	}
}

func TestTheSameTimeOfTheDayIsMeantOnDaylightSavingDays(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	// Clocks go forward on 29 March 2026. On Monday the 30th, eight o'clock in Berlin is six in UTC, and was seven before.
	now := time.Date(2026, time.March, 30, 8, 0, 0, 0, berlin)
	p := History{RefillBins: bins}
	for hour := now.Add(-15*days).Unix() / secondsPerHour; hour <= now.Unix()/secondsPerHour; hour++ {
		h := Hour{Hour: hour, Seen: 1<<Slots - 1}
		if local := time.Unix(hour*secondsPerHour, 0).In(berlin); local.Hour() == 8 && local.Before(now) {
			h.Taken, h.TakenIn = 20, []int{0, 20}
		}
		p.Hours = append(p.Hours, h)
	}
	o := Options{Season: Week, Location: berlin}
	require.Greater(t, Size(p, now, o).Replicas, 20)
	require.Less(t, Size(p, now.Add(2*time.Hour), o).Replicas, 5)
	require.Less(t, Size(p, now, Options{Season: Week}).Replicas, 5, "by UTC it would be an hour off")
}

func TestAClockThatIsSetBackDoesNotForget(t *testing.T) {
	p := quiet(14)
	for i := range 12 {
		p.taken(8, time.Duration(i+1)*time.Hour)
	}
	o := Options{Season: None}
	require.Equal(t, 8, p.size(o).Replicas)
	require.Equal(t, 8, Size(p.History, monday.AddDate(-5, 0, 0), o).Replicas)
	require.Equal(t, 8, Size(p.History, monday.AddDate(0, 2, 0), o).Replicas, "nor does one that is two months ahead")
}

func TestASlotThatIsKeptCountsWithoutAWordOfIt(t *testing.T) {
	p := quiet(1).taken(2, time.Hour)
	next := monday.Add(Slot)
	before := Size(p.History, next, Options{})
	hours := len(p.Hours)
	p.Kept(next)
	after := Size(p.History, next, Options{})
	require.Equal(t, before.Windows+1, after.Windows)
	require.Equal(t, before.Censored+1, after.Censored, "it is not over yet")
	require.Len(t, p.Hours, hours)
	p.Kept(next)
	require.Equal(t, after, Size(p.History, next, Options{}))

	p.Kept(monday.Add(time.Hour))
	require.Equal(t, Hour{Hour: monday.Unix()/secondsPerHour + 1, Seen: 1}, p.Hours[hours])
	unordered := History{Hours: []Hour{{Hour: 5, Seen: 1}, {Hour: 4}}}
	unordered.Kept(time.Unix(5*secondsPerHour, 0).Add(Slot))
	require.Equal(t, []Hour{{Hour: 5, Seen: 0b11}, {Hour: 4}}, unordered.Hours)
	old := History{}
	old.Kept(time.Unix(-1, 0))
	require.Equal(t, []Hour{{Hour: -1, Seen: 1 << (Slots - 1)}}, old.Hours)
}

func TestAHalfHourIsJudgedByAnHourOfWindowsAtLeast(t *testing.T) {
	o := Options{Season: Day}.bounded()
	for unseen, want := range map[int]int{0: 1, 1: 0} { // the account was not kept in so many of the windows of the day before
		p := quiet(1) // one half hour of today, with one window
		p.Hours[0].Seen >>= unseen
		require.Equal(t, want, windows(&p.History, monday, 1, &o).rhythm(1, &o).judged)
	}
}

func TestTheLevelIsKeptWithinItsBounds(t *testing.T) {
	for served, want := range map[float64]float64{
		-1: DefaultServed, 0: DefaultServed, 0.1: MinServed, MinServed: MinServed, 0.9: 0.9, MaxServed: MaxServed, 1: MaxServed, 2: MaxServed,
	} {
		require.InDelta(t, want, Options{Served: served}.bounded().Served, 0)
	}
	require.InDelta(t, DefaultServed, Options{Served: math.NaN()}.bounded().Served, 0)
}

// Whole numbers stay what they are, whatever fractions are in binary: of ten windows one in ten is one.
func TestAsManyWindowsMayExceedAsTheLevelSays(t *testing.T) {
	for level, one := range map[float64]int{0.5: 2, 0.8: 5, 0.9: 10, 0.95: 20, 0.99: 100, 0.995: 200, 0.999: 1000, 0.9999: 10_000} {
		for n := range 100 {
			require.Equal(t, n, mayExceed(n*one, level), "of %d at %g", n*one, level)
			require.Equal(t, n, mayExceed((n+1)*one-1, level), "of %d at %g", (n+1)*one-1, level)
		}
	}
}

func TestAWindowOfWhichNotAllWasSeenIsOneMoreInWhichTheLargestWasNotExceeded(t *testing.T) {
	p := quiet(15)
	for back := 7; back <= 14; back += 7 {
		p.taken(12, time.Duration(back)*24*time.Hour-10*time.Minute)
	}
	before := p.size(weekly)
	require.Equal(t, 15, before.Replicas, "12, and what 75 windows do not show")
	for i := range 10 {
		p.emptied(7*24*time.Hour - time.Duration(i)*Slot)
	}
	after := p.size(weekly)
	require.Equal(t, before.Windows, after.Windows)
	require.Greater(t, after.Censored, before.Censored)
	require.Equal(t, 15, after.Replicas, "as many windows as before show as much")
}
