package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/price"
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
		Missed: map[account.Miss]int{account.MissTooSmall: 1, account.MissNoneReady: 2},
		Lost:   map[account.Loss]int{account.LossDrained: 1, account.LossAbandoned: 2, account.LossScaledDown: 10, account.LossReplaced: 10},
	}, 5, epoch)
	require.EqualValues(t, 5, *old.UnusedReplicas, "no more than are wanted")
	require.EqualValues(t, 3, old.Lost, "those that the controller deleted itself are not lost")
	require.Equal(t, []v1alpha1.MissedPods{{Reason: "none_ready", Pods: 2}, {Reason: "too_small", Pods: 1}}, old.Missed)
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

func TestCostsLeaveOutUnitsWithoutAPriceAndSayHowMany(t *testing.T) {
	for name, tc := range map[string]struct {
		held   price.Held
		unused *int32
		want   v1alpha1.UsageCost
	}{
		"the account is young": {
			held: price.Held{PerHour: 0.5, Priced: 5}, want: v1alpha1.UsageCost{UnitPerHour: "0.1", HeldPerHour: "0.5"},
		},
		"two of five were not needed": {
			held: price.Held{PerHour: 0.5, Priced: 5}, unused: ptr.To[int32](2),
			want: v1alpha1.UsageCost{UnitPerHour: "0.1", HeldPerHour: "0.5", UnusedPerWeek: "33.6"}, // 2 * 0.1 * 168
		},
		"some have no price": {
			held: price.Held{PerHour: 0.1, Priced: 1, Unpriced: 4}, unused: ptr.To[int32](2),
			want: v1alpha1.UsageCost{UnitPerHour: "0.1", HeldPerHour: "0.1", UnusedPerWeek: "16.8", UnpricedReplicas: 4},
		},
		"none has": {held: price.Held{Unpriced: 3}, unused: ptr.To[int32](2), want: v1alpha1.UsageCost{UnpricedReplicas: 3}},
		"none is held": {
			unused: ptr.To[int32](0), want: v1alpha1.UsageCost{HeldPerHour: "0", UnusedPerWeek: "0"},
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, *costOf(tc.held, tc.unused)) })
	}
}

func TestTheStatusHasWhatUnitsCostAtThePricesOfTheirNodes(t *testing.T) {
	h := webOf(2)
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil))
	s.reconcile()
	require.Nil(t, s.headroom().Status.Usage.Cost, "no prices are named")
	node := &corev1.Node{}
	require.NoError(t, s.api.Get(t.Context(), client.ObjectKey{Name: "n1"}, node))
	node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("64Gi")}
	require.NoError(t, s.api.Status().Update(t.Context(), node))
	s.Prices = price.Prices{Node: 0.4}
	written := len(s.patches)
	s.reconcile()
	require.Len(t, s.patches, written, "a price alone is no reason to write")
	s.clock.Step(time.Hour)
	s.reconcile()
	require.Equal(t, &v1alpha1.UsageCost{UnitPerHour: "0.05", HeldPerHour: "0.1"}, s.headroom().Status.Usage.Cost)
}

// found notes what reconciles find.
type found struct {
	Accounts
	generation     int64
	ready, missing int
	at             time.Time
}

func (f *found) Observed(headroom types.NamespacedName, generation int64, ready, missing int, at time.Time) {
	f.generation, f.ready, f.missing, f.at = generation, ready, missing, at
	f.Accounts.Observed(headroom, generation, ready, missing, at)
}

// TestTheAccountIsToldOfUnitsThatAreMissingAndOfThoseThatCanBeTaken: one on a node that is cordoned is neither.
func TestTheAccountIsToldOfUnitsThatAreMissingAndOfThoseThatCanBeTaken(t *testing.T) {
	s := onNodes(t, 4)
	known := &found{Accounts: s.Accounts}
	s.Accounts = known
	s.clock.Step(time.Second)
	s.node("node-1", cordoned(true))
	s.reconcile()
	require.Equal(t, found{Accounts: known.Accounts, generation: 1, ready: 3, at: s.clock.Now()}, *known)

	require.NoError(t, s.api.Delete(t.Context(), s.pods()["web-headroom-0"]))
	s.change(func(spec *v1alpha1.HeadroomSpec) { *spec.Replicas = 6 })
	s.reconcile()
	require.Equal(t, found{Accounts: known.Accounts, generation: 2, ready: 2, missing: 3, at: s.clock.Now()}, *known)
}
