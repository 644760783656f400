package account

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

func TestTheSizingKnowsWhatTheAccountKnows(t *testing.T) {
	a := New(epoch)
	now := epoch.Add(2 * time.Hour)
	for slot := range 60 {
		a.Observe(epoch.Add(time.Duration(slot)*Slot), 3)
	}
	a.Take(take(epoch.Add(time.Minute), "a"))
	a.Miss(MissNoneReady, 4, epoch.Add(61*time.Minute))
	a.Observe(epoch.Add(61*time.Minute), 0)
	a.Went(epoch.Add(time.Minute))
	a.Bound(epoch.Add(3*time.Minute), epoch.Add(2*time.Minute))
	a.Went(now.Add(-time.Second))
	history := a.Demand(true)
	require.Len(t, history.Hours, 2)
	require.Equal(t, []int{1}, history.Hours[0].TakenIn)
	require.Equal(t, []int{4}, history.Hours[1].LackedIn)
	require.Equal(t, uint32(1), history.Hours[1].Empty)
	require.Equal(t, uint32(1<<Slots-1), history.Hours[0].Seen)
	require.Equal(t, []time.Time{epoch.Add(time.Minute)}, history.Takes)
	require.Equal(t, []time.Time{now.Add(-time.Second)}, history.Missing)
	require.True(t, history.Parked)
	r := demand.Size(history, now, demand.Options{})
	require.Equal(t, demand.PooledByAll, r.PooledBy)
	require.Equal(t, 1, r.Refills)
	require.Equal(t, 120*time.Second, r.RefillTime)
	require.GreaterOrEqual(t, r.Replicas, 4)
	for i := range 5 {
		a.Take(take(now, "b"))
		a.Went(now)
		a.Miss(MissNoneReady, i, now)
		a.Observe(now, 0)
	}
	learned := demand.Learn(a.Demand(false), now, demand.Options{})
	require.True(t, learned.Size(a.Demand(false), now).Burst)
	require.Equal(t, learned.Size(a.Demand(false), now), learned.Size(a.RecentDemand(false), now))
}

// TestWhatWentOtherwiseIsNoDemand has a drain, lost nodes and a scale-down.
func TestWhatWentOtherwiseIsNoDemand(t *testing.T) {
	quiet, drained := New(epoch), New(epoch)
	for slot := range 24 * Slots {
		quiet.Observe(epoch.Add(time.Duration(slot)*Slot), 3)
		drained.Observe(epoch.Add(time.Duration(slot)*Slot), 3)
	}
	for i, why := range Losses() {
		for range 30 {
			at := epoch.Add(23*time.Hour + 50*time.Minute + time.Duration(i)*time.Second)
			drained.Lose(why, at)
			drained.Went(at)
			drained.Bound(at.Add(30*time.Second), epoch)
		}
	}
	now := epoch.Add(24 * time.Hour)
	require.Equal(t, demand.Size(quiet.Demand(false), now, demand.Options{}), demand.Size(drained.Demand(false), now, demand.Options{}))
}

// TestTheSizingSurvivesARestart reads the stored form.
func TestTheSizingSurvivesARestart(t *testing.T) {
	a := New(epoch)
	for slot := range 8 * 24 * Slots {
		at := epoch.Add(time.Duration(slot) * Slot)
		a.Observe(at, 3)
		if slot%7 == 0 {
			a.Take(take(at, "a"))
			a.Went(at)
			a.Bound(at.Add(time.Duration(50+slot%40)*time.Second), at.Add(time.Second))
		}
		if slot%900 == 0 {
			a.Miss(MissNoneReady, 9, at)
		}
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	b, err := Decode(&record)
	require.NoError(t, err)
	now := epoch.Add(8*24*time.Hour - time.Minute)
	require.Equal(t,
		demand.Size(a.Demand(false), now, demand.Options{Season: demand.Week}), demand.Size(b.Demand(false), now, demand.Options{Season: demand.Week}))
}

// A refill time begins in the hour before at the earliest.
func TestRecentDemandIsThatOfTheLastTwoHours(t *testing.T) {
	a := New(epoch)
	require.Empty(t, a.RecentDemand(false).Hours)
	for hour := range 4 {
		at := epoch.Add(time.Duration(hour) * time.Hour)
		a.Take(take(at, "web-headroom-0"))
		a.Went(at)
		all, recent := a.Demand(true), a.RecentDemand(true)
		require.Equal(t, all.Hours[max(0, hour-1):], recent.Hours)
		recent.Hours = all.Hours
		require.Equal(t, all, recent, "all else is the same")
	}
}
