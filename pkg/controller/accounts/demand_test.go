package accounts

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

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
	s.Lacked(web, 3, s.clock.Now())
	require.Equal(t, []types.NamespacedName{web}, woken)
}
