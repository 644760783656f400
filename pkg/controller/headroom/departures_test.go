package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/pkg/topup"
)

// absences are departures whose clock stands still unless it is told to go on.
type absences struct {
	*departures
	clock *testingclock.FakeClock
}

func newAbsences(units ...types.UID) *absences {
	clock := testingclock.NewFakeClock(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	a := &absences{departures: newDepartures(clock), clock: clock}
	for _, uid := range units {
		a.came(shopWeb, uid)
	}
	return a
}

var shopWeb = types.NamespacedName{Namespace: "shop", Name: "web"}

// without is how many ends are not worked on, while the cache shows these units.
func (a *absences) without(present ...types.UID) int {
	var units []unit
	for _, uid := range present {
		units = append(units, unit{Unit: topup.Unit{UID: uid}})
	}
	return a.unsettled(shopWeb, units)
}

func TestAUnitThatTheCacheLostIsUnsettledUntilItsEndIsWorkedOn(t *testing.T) {
	a := newAbsences("a", "b")
	require.Zero(t, a.without("a", "b"))
	require.Equal(t, 1, a.without("b"))
	a.settled(shopWeb, "a")
	require.Zero(t, a.without("b"))
}

func TestAUnitWhoseEndIsNeverToldIsUnsettledForAMinuteOnly(t *testing.T) {
	a := newAbsences("a", "b")
	require.Equal(t, 1, a.without("b"))
	a.clock.Step(absentMemory)
	require.Equal(t, 1, a.without("b"))
	a.clock.Step(time.Millisecond)
	require.Zero(t, a.without("b"), "or a Headroom with the policy Once would wait for ever")
	require.Zero(t, a.without("b"))
	require.Equal(t, 1, a.without(), "that is no matter for the other one")
}

func TestAUnitThatTheCacheShowsAgainIsAbsentAnewAfterwards(t *testing.T) {
	a := newAbsences("a")
	require.Equal(t, 1, a.without())
	a.clock.Step(absentMemory)
	require.Zero(t, a.without("a"))
	a.clock.Step(absentMemory)
	require.Equal(t, 1, a.without())
	a.clock.Step(absentMemory)
	require.Equal(t, 1, a.without())
}

func TestUnitsThatWentAreRememberedForAnHour(t *testing.T) {
	a := newAbsences()
	a.went(shopWeb)
	a.clock.Step(wentMemory - time.Second)
	a.went(shopWeb)
	require.Len(t, a.since(shopWeb), 2)
	a.clock.Step(2 * time.Second)
	require.Len(t, a.since(shopWeb), 1)
	a.forget(shopWeb)
	require.Empty(t, a.since(shopWeb))
}

func TestNoMoreUnitsAreRememberedThanAHeadroomCanHave(t *testing.T) {
	a := newAbsences()
	for range mostWent + 5 {
		a.clock.Step(time.Millisecond)
		a.went(shopWeb)
	}
	times := a.since(shopWeb)
	require.Len(t, times, mostWent)
	require.Equal(t, a.clock.Now(), times[mostWent-1], "the newest stay")
}
