package account

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func take(at time.Time, placeholder string) Take {
	return Take{
		Time: at, Placeholder: placeholder, UID: types.UID("uid-" + placeholder), Node: "n", How: BySwap,
		Consumer: Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "api-1"}, UID: "api-1", Owner: "ReplicaSet/api"},
	}
}

func TestAnHourIsCountedInSlotsOfTwoMinutes(t *testing.T) {
	a := New(epoch)
	a.Take(take(epoch, "a"))
	a.Take(take(epoch.Add(Slot-1), "b"))
	a.Take(take(epoch.Add(Slot), "c"))
	a.Miss(MissNoneReady, 3, epoch.Add(59*time.Minute))
	a.Lose(LossDrained, epoch.Add(time.Hour))
	require.Len(t, a.Hours(), 2)
	first := a.Hours()[0]
	require.Equal(t, epoch, first.Start())
	require.Equal(t, 3, first.Taken)
	require.Equal(t, []int{2, 1}, first.TakenIn)
	require.Equal(t, 3, first.Lacked)
	require.Equal(t, 3, first.LackedIn[Slots-1])
	require.Equal(t, map[Loss]int{LossDrained: 1}, a.Hours()[1].Lost)
	require.Equal(t, Totals{
		Taken: 3, Lacked: 3, Lost: map[Loss]int64{LossDrained: 1}, Missed: map[Miss]int64{MissNoneReady: 1},
	}, a.Totals())
	require.Equal(t, epoch.Add(59*time.Minute), a.LackedThrough())
}

func TestARefillServesTheUnitThatIsMissingForLongest(t *testing.T) {
	a := New(epoch)
	_, ok := a.Bound(epoch, epoch)
	require.False(t, ok, "nothing was missing")
	a.Went(epoch)
	a.Take(take(epoch, "a"))
	a.Went(epoch.Add(10 * time.Second))
	refill, ok := a.Bound(epoch.Add(90*time.Second), epoch.Add(40*time.Second))
	require.True(t, ok)
	require.Equal(t, 90*time.Second, refill)
	require.Equal(t, refill, a.Takes()[0].Refilled)
	refill, _ = a.Bound(epoch.Add(91*time.Second), epoch.Add(-time.Hour))
	require.Equal(t, 81*time.Second, refill)
	hour := a.Hours()[0]
	require.Equal(t, 1, hour.NodeRefills[binOf(90*time.Second)], "the node is younger than the loss")
	require.Equal(t, 1, hour.Refills[binOf(81*time.Second)])
	require.Empty(t, a.Missing())
}

// TestTwoUnitsThatWereTakenAtOnceHaveRefillsOfTheirOwn: a pod that needs both takes them at one time.
func TestTwoUnitsThatWereTakenAtOnceHaveRefillsOfTheirOwn(t *testing.T) {
	a := New(epoch)
	for _, name := range []string{"a", "b"} {
		a.Went(epoch)
		a.Take(take(epoch, name))
	}
	a.Bound(epoch.Add(10*time.Second), epoch)
	a.Bound(epoch.Add(90*time.Second), epoch)
	require.Equal(t, 10*time.Second, a.Takes()[0].Refilled)
	require.Equal(t, 90*time.Second, a.Takes()[1].Refilled)
}

// TestMissesCountThroughTheLatestWhateverTheirOrder: a controller that starts reads the pods that wait in no order of time.
func TestMissesCountThroughTheLatestWhateverTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, latest := New(epoch), time.Time{}
		for _, second := range rapid.SliceOfN(rapid.IntRange(0, 3600), 1, 10).Draw(t, "told") {
			at := epoch.Add(time.Duration(second) * time.Second)
			a.Miss(MissNoneReady, 1, at)
			if at.After(latest) {
				latest = at
			}
		}
		require.Equal(t, latest, a.LackedThrough(), "or pods that are in the account would be counted anew")
	})
}

func TestUnitsThatNobodyWaitsForAreNotMissing(t *testing.T) {
	a := New(epoch)
	for i := range 5 {
		a.Went(epoch.Add(time.Duration(i) * time.Second))
	}
	a.Limit(1, epoch.Add(3*time.Second))
	require.Equal(t, []time.Time{epoch.Add(3 * time.Second), epoch.Add(4 * time.Second)}, a.Missing())
}

func TestObserveKnowsTheLowestStockAndTheSlotsWithoutAny(t *testing.T) {
	a := New(epoch)
	require.True(t, a.Observe(epoch, 3))
	require.False(t, a.Observe(epoch.Add(Slot), 0))
	require.False(t, a.Observe(epoch.Add(2*Slot), 1))
	require.True(t, a.Observe(epoch.Add(time.Hour), 2))
	hour := a.Hours()[0]
	require.Equal(t, 0, *hour.Lowest)
	require.Equal(t, uint32(0b111), hour.Seen)
	require.Equal(t, uint32(0b010), hour.Empty)
}

func TestFifteenDaysAreKept(t *testing.T) {
	a := New(epoch)
	for i := range 20 * 24 {
		a.Take(take(epoch.Add(time.Duration(i)*time.Hour), fmt.Sprint(i)))
	}
	require.Len(t, a.Hours(), Days*24)
	require.Equal(t, epoch.Add(5*24*time.Hour), a.Hours()[0].Start())
	require.Len(t, a.Takes(), Takes)
	require.Equal(t, "479", a.Takes()[Takes-1].Placeholder)
	a.Take(take(epoch, "late")) // a clock that was set back
	require.Len(t, a.Hours(), Days*24)
	require.EqualValues(t, 481, a.Totals().Taken)
}

// drawn is an account of random events, most of them over the last 15 days and many of them in few hours.
func drawn(t *rapid.T) *Account {
	a := New(epoch)
	text := rapid.StringMatching(`[a-z0-9]{1,253}`)
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return epoch.Add(time.Duration(rapid.Int64Range(0, int64(15*24*time.Hour/time.Second)).Draw(t, "at")) * time.Second)
	})
	for range rapid.IntRange(0, 400).Draw(t, "events") {
		when := at.Draw(t, "when")
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0:
			name := text.Draw(t, "name")
			a.Take(Take{
				Time: when, Placeholder: name, UID: types.UID(text.Draw(t, "uid")[:1]), Node: text.Draw(t, "node"), How: BySwap,
				Consumer: Consumer{NamespacedName: types.NamespacedName{Namespace: name[:min(63, len(name))], Name: text.Draw(t, "consumer")}},
			})
		case 1:
			a.Miss(rapid.SampledFrom(Misses()).Draw(t, "missed"), rapid.IntRange(0, 10_000).Draw(t, "units"), when)
		case 2:
			a.Lose(rapid.SampledFrom(Losses()).Draw(t, "why"), when)
		case 3:
			a.Went(when)
		case 4:
			a.Bound(when, at.Draw(t, "node"))
		case 5:
			a.Observe(when, rapid.IntRange(0, 1000).Draw(t, "ready"))
		case 6:
			a.Limit(rapid.IntRange(0, 5).Draw(t, "missing"), when)
		case 7:
			a.Again(rapid.IntRange(-1, 20).Draw(t, "again"), when)
		}
	}
	return a
}

func TestTheStoredFormIsTheAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawn(t)
		record, err := a.Encode(v1alpha1.AccountPosition{Writer: "me", Through: "17"})
		require.NoError(t, err)
		encoded, err := json.Marshal(record)
		require.NoError(t, err)
		require.LessOrEqual(t, len(encoded), MaxBytes)
		read := v1alpha1.AccountRecord{}
		require.NoError(t, json.Unmarshal(encoded, &read))
		require.Equal(t, "17", read.Position.Through)
		b, err := Decode(&read)
		require.NoError(t, err)
		require.Equal(t, a.Totals(), b.Totals())
		require.True(t, a.Opened().Equal(b.Opened()))
		require.True(t, a.LackedThrough().Equal(b.LackedThrough()))
		require.Len(t, b.Missing(), len(a.Missing()))
		for i, went := range a.Missing() {
			require.True(t, went.Equal(b.Missing()[i]))
		}
		require.Len(t, b.Hours(), len(a.Hours()))
		for i, hour := range a.Hours() {
			require.Equal(t, hour.Taken, b.Hours()[i].Taken)
			require.Equal(t, hour.Again, b.Hours()[i].Again)
			require.Equal(t, hour.Lost, b.Hours()[i].Lost)
			require.Equal(t, hour.Missed, b.Hours()[i].Missed)
		}
		kept := a.Takes()[len(a.Takes())-len(b.Takes()):]
		for i := range kept {
			require.Equal(t, kept[i].Consumer, b.Takes()[i].Consumer)
		}
		if len(a.Takes()) < 30 {
			require.Len(t, b.Takes(), len(a.Takes()), "nothing is dropped without need")
		}
	})
}

// TestAFullAccountFits fills everything: each slot of each hour with another large number, and the longest names.
func TestAFullAccountFits(t *testing.T) {
	a := New(epoch)
	n := 0
	for h := range Days * 24 {
		for s := range Slots {
			n = (n*7919 + 104_729) % 999_983 // numbers that do not repeat
			a.Miss(Misses()[n%len(Misses())], n+1, epoch.Add(time.Duration(h)*time.Hour+time.Duration(s)*Slot))
		}
		a.Observe(epoch.Add(time.Duration(h)*time.Hour), n)
	}
	long := strings.Repeat("x", 253)
	for i := range Takes {
		t := take(epoch.Add(Days*24*time.Hour-time.Minute+time.Duration(i)*time.Millisecond), fmt.Sprintf("%s%d", long[:250], i%10))
		t.Node, t.Consumer.Name, t.Consumer.Owner = long, long, long
		a.Take(t)
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	encoded, err := json.Marshal(record)
	require.NoError(t, err)
	require.LessOrEqual(t, len(encoded), MaxBytes)
	b, err := Decode(&record)
	require.NoError(t, err)
	require.Equal(t, a.Totals(), b.Totals())
	require.Len(t, b.Hours(), Days*24)
	kept := len(b.Takes())
	require.Positive(t, kept)
	require.Less(t, kept, Takes)
	for i := range kept {
		require.True(t, a.Takes()[Takes-kept+i].Time.Equal(b.Takes()[i].Time), "the oldest go first")
	}
}

func TestTheOldestHoursOfALargeAccountLoseTheirSlotsFirst(t *testing.T) {
	a := New(epoch)
	n := 0
	for i := range Days * 24 * Slots {
		n = (n*7919 + 104_729) % 999_983 // numbers that do not repeat
		a.Miss(MissNoneReady, n+1, epoch.Add(time.Duration(i)*Slot))
	}
	name := strings.Repeat("x", 40)
	for i := range Takes {
		t := take(epoch.Add(Days*24*time.Hour-time.Minute+time.Duration(i)*time.Millisecond), fmt.Sprint(name, i))
		t.Node, t.Consumer.Name, t.Consumer.Owner = fmt.Sprint(name, 2*i), fmt.Sprint(name, 3*i), name
		a.Take(t)
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	b, err := Decode(&record)
	require.NoError(t, err)
	require.Len(t, b.Takes(), Takes, "the slots of old hours are worth less")
	first := slices.IndexFunc(b.Hours(), func(h Hour) bool { return len(h.LackedIn) > 0 })
	require.Positive(t, first, "not all have room")
	for i := range b.Hours() {
		require.Equal(t, a.Hours()[i].Lacked, b.Hours()[i].Lacked)
		if i >= first {
			require.Equal(t, a.Hours()[i].LackedIn, b.Hours()[i].LackedIn, "hour %d of %d", i, len(b.Hours()))
		}
	}
}

// TestAnOrdinaryAccountLosesNothing is a busy Headroom of two weeks: a take in every other slot, names of the usual length.
func TestAnOrdinaryAccountLosesNothing(t *testing.T) {
	a := New(epoch)
	for i := range Days * 24 * Slots {
		at := epoch.Add(time.Duration(i) * Slot)
		a.Observe(at, 10+i%7)
		if i%2 == 0 {
			tk := take(at, fmt.Sprintf("web-headroom-%d", i%40))
			tk.UID, tk.Node = "4f0c2a52-33b0-4c8e-9d1b-6a0f8d1f7b11", fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", i%200, i%100)
			tk.Consumer.Name, tk.Consumer.UID = fmt.Sprintf("checkout-7d9f6c5b8-%05d", i), "0d6ab9b6-5b4c-4a44-8a53-2f7f8f6c3f10"
			a.Went(at)
			a.Take(tk)
			a.Bound(at.Add(time.Duration(30+i%60)*time.Second), at)
		}
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	b, err := Decode(&record)
	require.NoError(t, err)
	require.Equal(t, a.Hours(), b.Hours())
	require.Len(t, b.Takes(), Takes)
	encoded, err := json.Marshal(record)
	require.NoError(t, err)
	t.Logf("%d bytes", len(encoded))
}

func TestDecodeRefusesWhatNoControllerWrote(t *testing.T) {
	packed := func(hours ...Hour) []byte {
		b, err := pack(hours)
		require.NoError(t, err)
		return b
	}
	for name, record := range map[string]v1alpha1.AccountRecord{
		"no gzip":                 {Hours: []byte("hello")},
		"hours in disorder":       {Hours: packed(Hour{Hour: 2}, Hour{Hour: 1})},
		"more slots than an hour": {Hours: packed(Hour{Hour: 2, TakenIn: make([]int, Slots+1)})},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(&record)
			require.Error(t, err)
		})
	}
	a, err := Decode(&v1alpha1.AccountRecord{OpenedTime: ptr.To(metav1.NewTime(epoch))})
	require.NoError(t, err, "an empty record is an empty account")
	require.True(t, a.Opened().Equal(epoch))
}

// BenchmarkEncode stores the account of a day, again and again.
func BenchmarkEncode(b *testing.B) {
	a := New(epoch)
	for i := range 24 * 60 {
		at := epoch.Add(time.Duration(i) * time.Minute)
		a.Take(take(at, fmt.Sprint("unit-", i)))
		a.Went(at)
		a.Bound(at.Add(time.Minute), at)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Encode(v1alpha1.AccountPosition{Writer: "me", Through: "17"}); err != nil {
			b.Fatal(err)
		}
	}
}
