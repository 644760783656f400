package demand

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThereIsARhythmAsLongAsNoMoreIsUnforeseenThanTheLevelAndChanceLeave(t *testing.T) {
	// Of 30,000 windows one in 1000 may be, which are 30, and chance makes 48 of them in one of 1000 cases. Where 15 windows overlap, there
	// are 2000 causes, of which 2 may be, and chance makes 8 of them.
	for _, tc := range []struct {
		rhythm
		none bool
	}{
		{rhythm{judged: 30_000, length: 1, unforeseen: 45}, false},
		{rhythm{judged: 30_000, length: 1, unforeseen: 52}, true},
		{rhythm{judged: 30_000, length: 15, unforeseen: 100}, false},
		{rhythm{judged: 30_000, length: 15, unforeseen: 150}, true},
		{rhythm{length: 1}, false},
	} {
		require.Equal(t, tc.none, tc.isNone(0.999), "%+v", tc.rhythm)
	}
	// At 99 % it may be 300 of them, of which chance makes 355.
	require.False(t, rhythm{judged: 30_000, length: 1, unforeseen: 340}.isNone(0.99))
	require.True(t, rhythm{judged: 30_000, length: 1, unforeseen: 370}.isNone(0.99))
}

// TestOneCauseOfWindowsThatOverlapCountsOnce: with a refill of five minutes each event is in three windows. Of some 5000 windows 13 may be
// unforeseen; of some 1700 that do not overlap it is 7, which are 21 of all.
func TestOneCauseOfWindowsThatOverlapCountsOnce(t *testing.T) {
	for events, none := range map[int]bool{6: false, 8: true} {
		p := quiet(9).refills(4, 1)
		for i := range events {
			p.taken(50, 28*time.Hour+time.Duration(i)*750*time.Minute)
		}
		r := p.size(Options{Served: 0.999, Season: Day, History: 8 * days})
		require.Equal(t, none, r.NoRhythm, "%d events: %s", events, r.Why)
	}
}

func TestWhatEarlierSeasonsForetellIsTwiceAsMuchAndWhatChanceMakesOfIt(t *testing.T) {
	o := Options{Season: Day}.bounded()
	judged := func(p *past, o Options) rhythm { return windows(&p.History, monday, 1, &o).rhythm(1, &o) }
	require.Equal(t, rhythm{length: 1, judged: 2*24*Slots + 1}, judged(quiet(3), o), "all but those of the first day")
	require.Zero(t, judged(quiet(3), Options{Season: None}.bounded()).judged)

	// The windows from 15:00 to 15:30 of the days before. By those of the first day, 10 units, one of the second may ask for 20, and chance
	// makes 25 of them.
	p := quiet(2).taken(10, 43*time.Hour).taken(30, 19*time.Hour).taken(22, 19*time.Hour-2*Slot).taken(18, 19*time.Hour-4*Slot)
	require.Equal(t, 1, judged(p, o).unforeseen)
	p.taken(40, 19*time.Hour-30*time.Minute)
	require.Equal(t, 2, judged(p, o).unforeseen, "the half hour after it is judged for itself")
	p.taken(20, 43*time.Hour-30*time.Minute)
	require.Zero(t, judged(p, o).unforeseen, "but by those beside it too")
}

func TestHalfHoursAreNumberedAsClocksShowThem(t *testing.T) {
	for slot, want := range map[int64]int64{0: 0, 14: 0, 15: 1, -1: -1, -15: -1, -16: -2} {
		require.Equal(t, want, halfHourOf(slot))
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	ten := halfHourOf(slotOf(monday))
	for _, tc := range []struct {
		Options
		number int64
		want   int
	}{
		{Options{Season: Day}, ten, 20},
		{Options{Season: Day}, ten + 1, 21},
		{Options{Season: Day, Location: berlin}, ten, 22},
		{Options{Season: Week}, ten, halfHoursPerDay + 20},
		{Options{Season: Week}, ten - 20, halfHoursPerDay},
		{Options{Season: Week, Location: berlin}, ten - 21, halfHoursPerDay + 1},
		{Options{Season: Week}, ten - 21, halfHoursPerDay - 1},
	} {
		o := tc.bounded()
		require.Equal(t, tc.want, timeOfSeason(tc.number, &o))
	}
}

func TestWhatTwoOfTheSeasonsShowedCounts(t *testing.T) {
	calm := func() *past { return quiet(15).taken(3, 7*days-10*time.Minute).taken(3, 14*days-10*time.Minute) }
	once := calm().taken(200, 7*days-20*time.Minute).size(weekly).Replicas
	require.Less(t, once, 20)
	for name, p := range map[string]*past{
		"the larger one later":   calm().taken(200, 7*days-20*time.Minute).taken(180, 14*days-24*time.Minute),
		"the larger one earlier": calm().taken(180, 7*days-20*time.Minute).taken(200, 14*days-24*time.Minute),
		"one of them today":      calm().taken(200, 7*days-20*time.Minute).taken(180, 10*time.Minute),
	} {
		require.Greater(t, p.size(weekly).Replicas, 200, name)
	}

	// In the week before the last nobody looked throughout, which makes what was seen of it no less.
	p := calm().taken(200, 7*days-20*time.Minute).taken(180, 14*days-24*time.Minute)
	for i := -3; i <= 3; i++ {
		h, _ := p.at(14*days + time.Duration(i)*time.Hour)
		h.Seen = 0
	}
	require.Greater(t, p.size(weekly).Replicas, 200)
}

func TestTheRefillTimeIsOfAllHoursAndOfTheOldestThatAreAwaited(t *testing.T) {
	two := quiet(1).refills(1, 90).refills(4, 10)
	two.Hours[1].NodeRefills = []int{0, 0, 0, 0, 1}
	two.Hours[2].NodeRefills = []int{-7, 0, 0, 0, -7} // which no account has
	require.Equal(t, 300*time.Second, two.size(weekly).RefillTime, "11 of 101 took longer")
	require.Equal(t, 101, two.size(weekly).Refills)
	none := quiet(1).refills(0, 1)
	none.RefillBins = []time.Duration{0}
	require.Equal(t, time.Second, none.size(weekly).RefillTime)

	require.Equal(t, 400*time.Second, quiet(1).refills(1, 9).missing(1, 100*time.Second).missing(1, 400*time.Second).size(weekly).RefillTime)
	p := quiet(1).refills(1, 19).missing(1, 200*time.Second).missing(1, 400*time.Second).missing(1, 100*time.Second)
	require.Equal(t, 200*time.Second, p.size(weekly).RefillTime, "one of them is left to chance")
	p = quiet(1).refills(1, 18).refills(4, 1).missing(1, 120*time.Second)
	require.Equal(t, 120*time.Second, p.size(weekly).RefillTime, "one took longer than that, and one takes as long at least")
}
