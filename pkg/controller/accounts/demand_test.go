package accounts

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// What is recorded before the stored accounts are read is a part of the demand only.
func TestDemandIsToldOnceTheStoredAccountsAreRead(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	taken := 0
	use := func(history demand.History, since time.Time) {
		taken = len(history.Takes)
		require.Equal(t, epoch, since)
	}
	s.takes("early")
	require.False(t, s.Demand(web, false, use))
	require.Zero(t, taken)
	s.begin(t)
	require.True(t, s.Demand(web, false, use))
	require.Equal(t, 1, taken)
}

// TestToReconcileAHeadroomDoesNotChangeWhatItsAccountSays: each sentence that changes is written, and each slot has a first reconcile.
func TestToReconcileAHeadroomDoesNotChangeWhatItsAccountSays(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	size := func() (result demand.Result) {
		require.True(t, s.Demand(web, false, func(history demand.History, _ time.Time) {
			result = demand.Size(history, s.clock.Now(), demand.Options{})
		}))
		return result
	}
	for slots := range 3 * demand.Slots {
		before := size()
		require.Equal(t, slots+1, before.Windows)
		s.Observed(web, 1, 1, 0, s.clock.Now())
		require.Equal(t, before, size())
		s.clock.Step(demand.Slot)
	}
	require.Equal(t, 3*demand.Slots+1, size().Windows)
	s.Read(web, func(a *account.Account) { require.Len(t, a.Hours(), 3, "who asks changes nothing") })
}

func TestPodsThatLackUnitsWakeTheirHeadroom(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	var woken []types.NamespacedName
	s.Lacking = func(headroom types.NamespacedName) {
		require.True(t, s.Demand(headroom, false, func(history demand.History, _ time.Time) {
			require.Equal(t, 3, history.Hours[0].Lacked, "it is recorded before")
		}))
		woken = append(woken, headroom)
	}
	s.Missed(web, "p1", account.MissNoneReady, 3, s.clock.Now())
	require.Equal(t, []types.NamespacedName{web}, woken)
}

func TestUnitsThatWentAreNotReadyUntilTheNextReconcileSaysMore(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	require.Zero(t, s.Ready(web), "nothing is known")
	s.Observed(web, 1, 2, 0, epoch)
	require.Equal(t, 2, s.Ready(web))
	for want := range 3 {
		require.Equal(t, 2-want, s.Ready(web))
		s.Went(web, epoch)
	}
	require.Zero(t, s.Ready(web), "three of two")
	s.Observed(web, 1, 1, 1, epoch)
	require.Equal(t, 1, s.Ready(web))
}

func TestAMissThatMoreUnitsWouldNotHaveServedWakesNobodyAndIsNoDemand(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.Lacking = func(types.NamespacedName) { require.Fail(t, "more units would not help") }
	s.Missed(web, "p2", account.MissFiltered, 0, s.clock.Now())
	s.Read(web, func(a *account.Account) {
		require.Equal(t, map[account.Miss]int64{account.MissFiltered: 1}, a.Totals().Missed)
		require.Zero(t, a.Totals().Lacked)
	})
	require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.Missed.WithLabelValues("shop", "web", "filtered")), 0)
	require.InDelta(t, 0, testutil.ToFloat64(s.Metrics.Lacked.WithLabelValues("shop", "web")), 0)
}
