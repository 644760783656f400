package demand

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheLevelIsToldInEachCase(t *testing.T) {
	o := Options{}.bounded()
	for want, f := range map[string]found{
		"one asked for 200 units, which happened once and counts only up to what the level needs over all hours: 30, not 29": {
			alone: 200, overall: true, units: 30,
		},
		"one asked for 200 units, which happened once and counts only as twice the next largest, for which it takes 8, not 7": {
			alone: 200, units: 8, seen: 6,
		},
		"at most 0.1 % asked for any unit": {},
		"none asked for more than 2 units; so few cannot show what is rare, and for a chance of at most 0.1 % that one asks for " +
			"more it takes 3, not 2": {units: 3, seen: 2},
		"1 asked for more than 3 units, and 4 for more than 2, where at most 2 may (0.1 %)": {
			units: 3, seen: 3, exceeded: 1, exceededByLess: 4, windows: 3000, censored: 1000,
		},
	} {
		require.Equal(t, want, f.level(&o))
	}
}

func TestWhatHappenedOnceSaysHowFarItCounts(t *testing.T) {
	p := quiet(15).taken(3, 7*days-10*time.Minute).taken(3, 14*days-10*time.Minute).taken(200, 7*days-20*time.Minute)
	require.Contains(t, p.size(weekly).Why, "counts only as twice the next largest, for which it takes ")
	for i := range 11 {
		p.taken(30, time.Duration(i+1)*25*time.Hour+5*time.Hour) // at other times
	}
	r := p.size(weekly)
	require.Equal(t, 30, r.Replicas)
	require.Contains(t, r.Why, "one asked for 200 units, which happened once and counts only up to what the level needs over all hours: "+
		"30, not 29")
}

func TestTheMaximumIsToldWhereItMatters(t *testing.T) {
	p := quiet(14).lacked(10_000, 3*time.Hour).lacked(5_000, 6*time.Hour)
	r := p.size(Options{Served: 0.9999, Season: None, Max: 40})
	require.Equal(t, 40, r.Wanted)
	require.Contains(t, r.Why, "; a window counts at most the maximum of 40")
	require.NotContains(t, r.Why, "that needs")
	require.NotContains(t, p.size(Options{Served: 0.9999, Season: None, Max: 20_000}).Why, "maximum")

	burst := quiet(15).missing(6, 30*time.Second)
	for range 6 {
		burst.Takes = append(burst.Takes, monday.Add(-30*time.Second))
	}
	for most, want := range map[int]string{11: "12 cover as many again; that needs 12, and the maximum is 11", 12: "12 cover as many again"} {
		r := burst.size(Options{Season: Week, Max: most})
		require.Equal(t, []int{12, most}, []int{r.Wanted, r.Replicas})
		require.Regexp(t, want+"$", r.Why)
	}
	r = burst.size(Options{Season: Week, Min: 20})
	require.Equal(t, []int{12, 20}, []int{r.Wanted, r.Replicas})
	require.Regexp(t, "12 cover as many again; that needs 12, and the minimum is 20$", r.Why)
	r = burst.size(Options{Season: Week, Min: 12})
	require.Regexp(t, "12 cover as many again$", r.Why)
	require.Contains(t, burst.lacked(50, 0).size(weekly).Why,
		"if that goes on, 81 cover the next 2m with a probability of 99.9 %, and 80 do not")
}

func TestTheReasonNamesThePoolAndTheTimeOfTheUser(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	o := Options{Season: Week, Location: berlin}
	require.Contains(t, quiet(15).size(o).Why, "in the hour around Mon 11:04 CET of 2 earlier weeks and in the last half hour, ")
	require.Contains(t, quiet(8).size(o).Why, "in the three hours around Mon 11:04 CET of 1 earlier weeks and in the last half hour, ")
	o.Season = Day
	require.Contains(t, quiet(3).size(o).Why, "in the hour around Mon 11:04 CET of 3 earlier days and in the last half hour, ")

	one := quiet(0).lacked(1, 0).emptied(0)
	require.Contains(t, Size(one.History, monday.Add(time.Hour), o).Why, ", and the history has 1")
	require.Contains(t, Size(one.History, monday.Add(time.Hour), o).Why, "1 unit is the largest demand so far: ")
	require.Contains(t, quiet(15).refills(2, 1).size(o).Why, "windows of 2m (a refill takes 1m30s), ")
	require.Equal(t, "1m30s", short(90*time.Second+200*time.Millisecond))
}

func TestWhereFewWindowsSayHowRareItIsMoreThanTheLargestCounts(t *testing.T) {
	r := quiet(6).taken(12, 3*days).size(Options{Served: 0.9999, Season: Week})
	require.Equal(t, PooledByAll, r.PooledBy)
	require.Greater(t, r.Replicas, 12)
	require.Contains(t, r.Why, "none asked for more than 12 units; so few cannot show what is rare, and for a chance of at most 0.01 % ")
}

func TestABurstIsTheReasonWhereThereIsNoRhythmToo(t *testing.T) {
	o := Options{Season: Week}.bounded()
	e := Estimate{options: o, refill: refill{time: DefaultRefill}, found: found{rhythm: rhythm{judged: 9, unforeseen: 1, length: 1}}}
	r := e.Size(quiet(1).lacked(5, 0).History, monday)
	require.True(t, r.Burst && r.NoRhythm)
	require.Regexp(t, "^a burst is under way: ", r.Why)
}

func TestThatThereIsNoRhythmIsToldFromOneWindowOn(t *testing.T) {
	for season, name := range map[Season]string{Week: "week", Day: "day"} {
		o := Options{Season: season}.bounded()
		none := rhythm{judged: 9, unforeseen: 1, length: 1}
		require.Equal(t, "there is no rhythm, since 1 of 9 windows asked for more than twice what the same time of any earlier "+name+" did; ",
			none.why(&o))
		require.True(t, Estimate{options: o, refill: refill{time: DefaultRefill}, found: found{rhythm: none}}.Size(History{}, monday).NoRhythm)
		none.unforeseen = 0
		require.Empty(t, none.why(&o))
		require.False(t, Estimate{options: o, refill: refill{time: DefaultRefill}, found: found{rhythm: none}}.Size(History{}, monday).NoRhythm)
	}
}
