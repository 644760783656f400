package accounts

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// TestWhatHappensIsCountedInTheMetrics, which show zero before, so that the first of each is seen as an increase.
func TestWhatHappensIsCountedInTheMetrics(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.Observed(web, 1, 3, 0, epoch)
	require.Equal(t, 1, testutil.CollectAndCount(s.Metrics.Consumed))
	require.Equal(t, 1, testutil.CollectAndCount(s.Metrics.Lacked))
	require.Equal(t, len(account.Losses()), testutil.CollectAndCount(s.Metrics.Lost))
	require.Equal(t, len(account.Misses()), testutil.CollectAndCount(s.Metrics.Missed))

	s.takes("a")
	s.takes("b")
	s.Lost(web, account.LossDrained, epoch)
	s.Missed(web, "p", account.MissTooSmall, 3, epoch)
	require.InDelta(t, 2, testutil.ToFloat64(s.Metrics.Consumed.WithLabelValues("shop", "web")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.Lost.WithLabelValues("shop", "web", "drained")), 0)
	require.InDelta(t, 0, testutil.ToFloat64(s.Metrics.Lost.WithLabelValues("shop", "web", "node")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.Missed.WithLabelValues("shop", "web", "too_small")), 0)
	require.InDelta(t, 3, testutil.ToFloat64(s.Metrics.Lacked.WithLabelValues("shop", "web")), 0)
}

// TestNothingIsKeptOfWhatIsInTheAccount: a controller runs for months.
func TestNothingIsKeptOfWhatIsInTheAccount(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.takes("early")
	require.Len(t, s.entries[web].early, 1)
	s.begin(t)
	require.Empty(t, s.entries[web].early)
	s.takes("a")
	s.Missed(web, "p", account.MissNoneReady, 1, epoch)
	require.Empty(t, s.entries[web].early)
	require.Empty(t, s.entries[web].misses)
}

func TestOnlyAsManyUnitsAreMissingAsTheLastReconcileFound(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	for i := range 3 {
		s.Went(web, epoch.Add(time.Duration(i)*time.Second))
	}
	s.Observed(web, 1, 3, 2, epoch.Add(time.Minute))
	s.Read(web, func(a *account.Account) {
		require.Equal(t, []time.Time{epoch.Add(time.Second), epoch.Add(2 * time.Second)}, a.Missing())
	})
	s.Observed(web, 1, 3, 0, epoch.Add(time.Second))
	s.Read(web, func(a *account.Account) {
		require.Equal(t, []time.Time{epoch.Add(2 * time.Second)}, a.Missing(), "what went since is no matter of it")
	})
}

func TestWhoReadsAnAccountIsCalledOnceAlsoIfThereIsNone(t *testing.T) {
	s := newStory(t, keptBy("one"))
	var read []*account.Account
	reads := func() { s.Read(web, func(a *account.Account) { read = append(read, a) }) }
	reads()
	require.Equal(t, []*account.Account{nil}, read)
	s.takes("a")
	reads()
	require.Len(t, read, 2)
	require.NotNil(t, read[1])
	s.Leave(web, "two")
	reads()
	require.Len(t, read, 3)
	require.Nil(t, read[2], "another installation keeps it")
}

func TestWhatIsToldOfAnAccount(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	taken, complete, stored := s.Taken(web)
	require.Zero(t, taken)
	require.False(t, complete || stored)
	s.begin(t)
	s.takes("a")
	s.Missed(web, "p", account.MissNoneReady, 1, epoch.Add(time.Minute))
	taken, complete, stored = s.Taken(web)
	require.EqualValues(t, 1, taken)
	require.False(t, complete, "nobody has looked yet at what happened before")
	require.True(t, stored)
	require.Equal(t, epoch.Add(time.Minute), s.LackedThrough(web))
	for _, parked := range []bool{true, false} {
		require.True(t, s.Demand(web, parked, func(history demand.History, _ time.Time) { require.Equal(t, parked, history.Parked) }))
	}
	s.Forget(web)
	require.Empty(t, s.entries)
}

// TestAnHourThatBeginsIsWrittenOfEachAccount, and not only of the smallest, which is kept alive.
func TestAnHourThatBeginsIsWrittenOfEachAccount(t *testing.T) {
	other := headroomObject("2")
	other.Name = "other"
	s := newStory(t, headroomObject("1"), other)
	s.begin(t)
	for i := range 100 {
		s.Lost(web, account.LossDrained, epoch.Add(-time.Duration(i)*time.Hour))
	}
	for _, headroom := range []types.NamespacedName{web, {Namespace: "shop", Name: "other"}} {
		s.Observed(headroom, 1, 3, 0, epoch)
	}
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, 2, s.writes)
	s.clock.Step(time.Hour)
	s.look()
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, 4, s.writes)
	require.True(t, s.clock.Now().Equal(s.stored(t).Record.WrittenTime.Time))
}

// TestPodsAreSweptOncePerMinute: to look at all of them at each news would take longer the more there are.
func TestPodsAreSweptOncePerMinute(t *testing.T) {
	o := once{}
	for i := range 3 {
		o.took(web, types.UID(fmt.Sprint(i)), epoch.Add(time.Duration(i)*time.Second))
	}
	now := epoch.Add(askMemory)
	o.took(web, "later", now)
	require.Len(t, o.pods, 4, "until it has passed")
	now = now.Add(askMemory/10 - time.Nanosecond)
	o.took(web, "later", now)
	require.Len(t, o.pods, 4, "not yet a minute has passed")
	now = now.Add(time.Nanosecond)
	o.took(web, "later", now)
	require.Len(t, o.pods, 1)
	require.Contains(t, o.pods, types.UID("later"))
}

// TestManyTellAndAskAtOnce: a Keeper is called from all parts of the controller.
func TestManyTellAndAskAtOnce(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.Lacking = func(headroom types.NamespacedName) { s.Ready(headroom) }
	var running sync.WaitGroup
	for _, does := range []func(name types.NamespacedName){
		func(name types.NamespacedName) {
			s.Took(name, account.Take{Time: epoch, Consumer: account.Consumer{UID: "p"}})
		},
		func(name types.NamespacedName) { s.Lost(name, account.LossDrained, epoch) },
		func(name types.NamespacedName) { s.Missed(name, "p", account.MissNoneReady, 1, epoch) },
		func(name types.NamespacedName) { s.Counted(name, "q", 1) },
		func(types.NamespacedName) { s.Gone("p") },
		func(name types.NamespacedName) { s.Went(name, epoch) },
		func(name types.NamespacedName) { s.Bound(name, epoch) },
		func(name types.NamespacedName) { s.Observed(name, 1, 1, 0, epoch) },
		func(name types.NamespacedName) { s.Processed(name, 1) },
		func(name types.NamespacedName) { s.Ready(name) },
		func(name types.NamespacedName) { s.Taken(name) },
		func(name types.NamespacedName) { s.LackedThrough(name) },
		func(name types.NamespacedName) { s.Demand(name, false, func(demand.History, time.Time) {}) },
		func(name types.NamespacedName) { s.Read(name, func(*account.Account) {}) },
		func(name types.NamespacedName) { s.Keeps(name) },
		func(types.NamespacedName) { s.kept() },
		func(types.NamespacedName) { s.look() },
		func(name types.NamespacedName) { s.Forget(name) },
	} {
		running.Go(func() {
			for i := range 500 {
				does(types.NamespacedName{Namespace: "shop", Name: fmt.Sprint(i % 3)})
			}
		})
	}
	running.Wait()
}
