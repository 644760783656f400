package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/account"
)

func TestUsageTellsNothingThatIsNotKnown(t *testing.T) {
	young := usageOf(account.Usage{Since: epoch, LowestReady: ptr.To(3)}, 5, epoch.Add(time.Hour))
	require.Equal(t, epoch.Add(time.Hour), young.ObservedTime.Time)
	require.EqualValues(t, 3, *young.LowestReadyReplicas)
	require.Nil(t, young.UnusedReplicas, "seven days are not over")
	require.Nil(t, young.RefillSecondsP90)
	require.Nil(t, young.EstimatedSecondsSaved)

	old := usageOf(account.Usage{
		Since: epoch, Whole: true, Taken: 4, Lacked: 2, LowestReady: ptr.To(9), Refills: 1, RefillP90: 45 * time.Second, Saved: 4 * time.Minute,
		Lost: map[account.Loss]int{account.LossDrained: 1, account.LossAbandoned: 2, account.LossScaledDown: 10, account.LossReplaced: 10},
	}, 5, epoch)
	require.EqualValues(t, 5, *old.UnusedReplicas, "no more than are wanted")
	require.EqualValues(t, 3, old.Lost, "those that the controller deleted itself are not lost")
	require.EqualValues(t, 45, *old.RefillSecondsP90)
	require.EqualValues(t, 240, *old.EstimatedSecondsSaved)
}

func TestTheStatusIsWrittenForItsUsageAloneOnceAnHour(t *testing.T) {
	now := epoch.Add(30 * time.Minute)
	usage := usageOf(account.Usage{}, 1, now)
	require.False(t, usageDue(&usage, now.Add(29*time.Minute)))
	require.True(t, usageDue(&usage, now.Add(30*time.Minute)), "another hour")
	usage.ObservedTime = nil
	require.True(t, usageDue(&usage, now))
}

func TestTheStatusHasWhatTheAccountSays(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, nil)) // full, so that time alone changes nothing else
	s.reconcile()
	key := types.NamespacedName{Namespace: s.headroom().Namespace, Name: s.headroom().Name}
	for range 3 {
		s.Accounts.Took(key, account.Take{Time: s.clock.Now(), How: account.BySwap})
	}
	s.reconcile()
	require.Zero(t, s.headroom().Status.Usage.Taken, "nothing else changed, and the hour is the same")
	s.clock.Step(time.Hour)
	s.reconcile()
	require.EqualValues(t, 3, s.headroom().Status.Usage.Taken)
}
