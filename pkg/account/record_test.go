package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// TestEachFieldOfATakeIsStored, and what is not known of a consumer is not made up.
func TestEachFieldOfATakeIsStored(t *testing.T) {
	known := take(epoch, "a")
	known.Refilled = 1500 * time.Millisecond
	nameless := take(epoch.Add(time.Second), "b")
	nameless.How, nameless.Consumer = ByPreemption, Consumer{UID: "api-2"}
	a := New(epoch)
	a.Take(known)
	a.Take(nameless)
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	require.Equal(t, []v1alpha1.AccountTake{
		{
			Time: metav1.NewMicroTime(epoch), Placeholder: "a", UID: "uid-a", Node: "n", How: "Swap", Consumer: "shop/api-1", ConsumerUID: "api-1",
			Owner: "ReplicaSet/api", RefillMilliseconds: 1500,
		},
		{
			Time: metav1.NewMicroTime(epoch.Add(time.Second)), Placeholder: "b", UID: "uid-b", Node: "n", How: "Preemption", ConsumerUID: "api-2",
		},
	}, record.Takes)
	b, err := Decode(&record)
	require.NoError(t, err)
	require.Equal(t, []Take{known, nameless}, b.Takes())
}

func TestARecordSaysWhatTheAccountCounts(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch, "a"))
	for _, why := range []Loss{LossNode, LossAbandoned, LossNode, LossDrained} {
		a.Lose(why, epoch)
	}
	a.totals.Lost[LossOther] = 0
	a.Miss(MissTooSmall, 3, epoch.Add(time.Minute))
	a.Miss(MissFiltered, 0, epoch.Add(time.Second))
	a.Miss(MissTooSmall, 1, epoch.Add(time.Second))
	a.Went(epoch.Add(2 * time.Second))
	a.Went(epoch.Add(time.Second))
	record, err := a.Encode(v1alpha1.AccountPosition{Writer: "me", Generation: 7})
	require.NoError(t, err)
	record.Hours, record.Takes = nil, nil
	through := metav1.NewMicroTime(epoch.Add(time.Minute))
	require.Equal(t, v1alpha1.AccountRecord{
		OpenedTime: &metav1.Time{Time: epoch}, Taken: 1, Lacked: 4, Abandoned: 1,
		Lost:   []v1alpha1.AccountLoss{{Reason: "abandoned", Units: 1}, {Reason: "drained", Units: 1}, {Reason: "node", Units: 2}},
		Missed: []v1alpha1.MissedPods{{Reason: "filtered", Pods: 1}, {Reason: "too_small", Pods: 2}},
		Position: v1alpha1.AccountPosition{
			Writer: "me", Generation: 7, LackedThroughTime: &through,
			Missing: []metav1.MicroTime{metav1.NewMicroTime(epoch.Add(time.Second)), metav1.NewMicroTime(epoch.Add(2 * time.Second))},
		},
	}, record)
	empty, err := New(epoch).Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	require.Nil(t, empty.Position.LackedThroughTime, "no pod lacked anything")
}

// TestWhatHasNoRoomInARecordStaysInTheAccount, which the sizing by demand goes on with.
func TestWhatHasNoRoomInARecordStaysInTheAccount(t *testing.T) {
	a := New(epoch)
	n := 0
	for i := range Days * 24 * Slots {
		n = (n*7919 + 104_729) % 999_983 // numbers that do not repeat
		a.Miss(MissNoneReady, n+1, epoch.Add(time.Duration(i)*Slot))
	}
	for i := range Takes {
		tk := take(epoch.Add(Days*24*time.Hour-time.Minute+time.Duration(i)*time.Millisecond), fmt.Sprint(i))
		tk.Node = strings.Repeat("x", 253)
		a.Take(tk)
	}
	first, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	b, err := Decode(&first)
	require.NoError(t, err)
	require.Empty(t, b.Hours()[0].LackedIn)
	require.Len(t, a.Hours()[0].LackedIn, Slots)
	require.Len(t, a.Takes(), Takes)
	second, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	require.Equal(t, first, second)
}

// TestASlotThatHasNoRoomInARecordIsDroppedAsAWhole: what counts twice says nothing without what it is a part of.
func TestASlotThatHasNoRoomInARecordIsDroppedAsAWhole(t *testing.T) {
	a := New(epoch)
	n := 0
	next := func() int {
		n = (n*7919 + 104_729) % 999_983 // numbers that do not repeat
		return n + 1
	}
	for i := range Days * 24 * Slots {
		at := epoch.Add(time.Duration(i) * Slot)
		a.Take(take(at, "a"))
		a.Miss(MissNoneReady, next(), at)
		a.Again(next(), at)
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	b, err := Decode(&record)
	require.NoError(t, err)
	require.Empty(t, b.Hours()[0].LackedIn, "or there was room for all")
	for i, hour := range b.Hours() {
		require.Len(t, hour.TakenIn, len(hour.LackedIn))
		require.Len(t, hour.AgainIn, len(hour.LackedIn))
		require.Equal(t, []int{Slots, a.Hours()[i].Lacked, a.Hours()[i].Again}, []int{hour.Taken, hour.Lacked, hour.Again})
	}
}

func TestWhatIsStoredOfUnitsThatAreMissingIsExactToAMicrosecond(t *testing.T) {
	a := New(epoch)
	went := epoch.Add(1_234_567 * time.Microsecond)
	a.Went(went)
	a.Miss(MissNoneReady, 1, went)
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	b, err := Decode(&record)
	require.NoError(t, err)
	require.Equal(t, []time.Time{went}, b.Missing())
	require.Equal(t, went, b.LackedThrough())
}

func TestOnlyReasonsOfWhichThereAreAnyPodsAreNamed(t *testing.T) {
	require.Equal(t, []v1alpha1.MissedPods{{Reason: "filtered", Pods: 1}, {Reason: "other", Pods: 2}},
		MissedPods(map[Miss]int{MissOther: 2, MissTooSmall: 0, MissFiltered: 1}))
	require.Empty(t, MissedPods(map[Miss]int64{MissOther: 0}))
}

func TestNoUnitsCountTwiceWhereNoneDo(t *testing.T) {
	a := New(epoch)
	a.Again(0, epoch)
	a.Again(-3, epoch)
	require.Empty(t, a.Hours(), "there is nothing to remember")
}

func TestARecordThatIsTooLargeWithoutTheAccountIsRefused(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch, "a"))
	_, err := a.Encode(v1alpha1.AccountPosition{Open: []v1alpha1.AccountDeparture{{Placeholder: strings.Repeat("x", MaxBytes)}}})
	require.ErrorContains(t, err, "nothing is left to drop")
}

// TestWhatOneSlotCountsIsBounded, so that the stored form is. The hour and the account say how much it was.
func TestWhatOneSlotCountsIsBounded(t *testing.T) {
	a := New(epoch)
	for range 2 {
		a.Miss(MissNoneReady, most, epoch)
		a.Again(most, epoch)
	}
	require.Equal(t, []int{most}, a.Hours()[0].LackedIn)
	require.Equal(t, []int{most}, a.Hours()[0].AgainIn)
	require.Equal(t, []int{2 * most, 2 * most}, []int{a.Hours()[0].Lacked, a.Hours()[0].Again})
	require.EqualValues(t, 2*most, a.Totals().Lacked)
}

func TestRefillsAreCountedInTheFirstBinThatHoldsThem(t *testing.T) {
	bins := RefillBins()
	require.Equal(t, time.Second, bins[0])
	require.Equal(t, 30*time.Minute, bins[len(bins)-1])
	require.IsIncreasing(t, bins)
	for i, bound := range bins {
		require.Equal(t, i, binOf(bound), "%s", bound)
		require.Equal(t, i+1, binOf(bound+1), "more than %s", bound)
	}
	bins[0] = time.Hour
	require.Equal(t, time.Second, RefillBins()[0], "whoever changes what was returned changes nothing else")
}

// TestATakeIsRefilledOnce: that it was shows, however short it took.
func TestATakeIsRefilledOnce(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch, "a"))
	a.Went(epoch)
	for _, at := range []time.Time{epoch, epoch.Add(time.Minute)} {
		_, ok := a.Bound(at, epoch)
		require.True(t, ok)
		require.Equal(t, time.Millisecond, a.Takes()[0].Refilled)
		a.Went(epoch)
	}
	a.Limit(0, epoch)
	a.Take(take(epoch.Add(time.Hour), "b"))
	a.Went(epoch.Add(time.Hour + time.Second))
	_, ok := a.Bound(epoch.Add(2*time.Hour), epoch)
	require.True(t, ok)
	require.Zero(t, a.Takes()[1].Refilled, "it was another unit that went")
}

func TestTakesAreInOrderOfTimeAndThenAsTheyCame(t *testing.T) {
	a := New(epoch)
	for _, tc := range []struct {
		name   string
		second time.Duration
	}{{"c", 2}, {"a", 1}, {"d", 2}, {"b", 1}, {"e", 3}} {
		a.Take(take(epoch.Add(tc.second*time.Second), tc.name))
	}
	var names string
	for _, tk := range a.Takes() {
		names += tk.Placeholder
	}
	require.Equal(t, "abcde", names)
}

func TestNoUnitIsMissingWhereFewerThanNoneAre(t *testing.T) {
	a := New(epoch)
	a.Went(epoch)
	a.Went(epoch.Add(time.Second))
	a.Limit(5, epoch.Add(time.Hour))
	require.Len(t, a.Missing(), 2)
	a.Limit(-1, epoch.Add(time.Second))
	require.Empty(t, a.Missing())
}

func TestAnHourThatWasBeginsNoMore(t *testing.T) {
	a := New(epoch)
	require.True(t, a.Observe(epoch, 3))
	require.False(t, a.Observe(epoch.Add(-time.Hour), 3), "a clock that was set back")
	require.False(t, a.Observe(epoch, 2))
	a.Take(take(epoch.Add(time.Hour), "a"))
	require.False(t, a.Observe(epoch.Add(time.Hour), 2), "it began with the take, which is news by itself")
	require.Equal(t, 2, *a.Hours()[1].Lowest)
}

func TestTheSizingIsToldEachFieldOfAnHour(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch, "a"))
	a.Miss(MissNoneReady, 4, epoch.Add(Slot))
	a.Again(2, epoch.Add(2*Slot))
	a.Again(0, epoch.Add(3*Slot))
	a.Observe(epoch.Add(time.Minute), 0)
	a.Observe(epoch.Add(Slot), 3)
	refill(a, epoch, 3*time.Second, true)
	refill(a, epoch, time.Second, false)
	history := a.Demand(false)
	require.Equal(t, []demand.Hour{{
		Hour: epoch.Unix() / 3600, Taken: 1, TakenIn: []int{1}, Lacked: 4, LackedIn: []int{0, 4}, Again: 2, AgainIn: []int{0, 0, 2},
		Empty: 0b01, Seen: 0b11, NodeRefills: []int{0, 0, 1},
	}}, history.Hours)
	require.Equal(t, RefillBins(), history.RefillBins)
	require.False(t, history.Parked)
}

func TestAConsumerWithoutANamespaceHasNoName(t *testing.T) {
	record := v1alpha1.AccountRecord{Takes: []v1alpha1.AccountTake{{Consumer: "api-1"}, {Consumer: "shop/api-1"}}}
	a, err := Decode(&record)
	require.NoError(t, err)
	require.Equal(t, types.NamespacedName{}, a.Takes()[0].Consumer.NamespacedName)
	require.Equal(t, types.NamespacedName{Namespace: "shop", Name: "api-1"}, a.Takes()[1].Consumer.NamespacedName)
}

func TestLossesAndMissesOfTheDaysBeforeAreNotOfToday(t *testing.T) {
	a := New(epoch)
	a.Lose(LossNode, epoch)
	a.Miss(MissOther, 1, epoch)
	for range 2 {
		a.Lose(LossNode, epoch.Add(24*time.Hour))
		a.Lose(LossDrained, epoch.Add(25*time.Hour))
		a.Miss(MissOther, 1, epoch.Add(25*time.Hour))
	}
	usage := a.Usage(epoch.Add(25*time.Hour), 24*time.Hour)
	require.Equal(t, map[Loss]int{LossNode: 2, LossDrained: 2}, usage.Lost)
	require.Equal(t, map[Miss]int{MissOther: 2}, usage.Missed)
}
