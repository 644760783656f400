package accounts

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/sizing/demand"
)

// keptBy is the Headroom, on which an installation acts.
func keptBy(installation string) *v1alpha1.Headroom {
	h := headroomObject("1")
	h.Status.Controller = &v1alpha1.ControllerRecord{Identity: installation, LastWriteTime: metav1.NewTime(epoch)}
	return h
}

// other begins with a process of another installation, beside that of the story.
func (s *story) other(t *testing.T, installation string) *story {
	t.Helper()
	o := &story{clock: s.clock, client: s.client}
	o.restart()
	o.Identity, o.Installation = "a process of "+installation, installation
	o.begin(t)
	return o
}

func TestAnAccountThatAnotherInstallationKeepsIsLeftAlone(t *testing.T) {
	s := newStory(t, keptBy("one"))
	two := s.other(t, "two")
	require.False(t, two.Keeps(web))
	two.takes("a")
	two.Lost(web, account.LossDrained, epoch)
	two.Missed(web, "p1", account.MissNoneReady, 1, epoch)
	two.Went(web, epoch)
	two.Observed(web, 1, 3, 0, epoch)
	_, bound := two.Bound(web, epoch)
	require.False(t, bound)
	for range 12 { // two minutes
		s.clock.Step(WriteInterval)
		two.look()
		require.True(t, two.takeOver(t.Context()))
		two.writeAll(t.Context(), WriteInterval)
	}
	require.Zero(t, s.writes)
	for _, counter := range []int{
		testutil.CollectAndCount(two.Metrics.Consumed), testutil.CollectAndCount(two.Metrics.Lost), testutil.CollectAndCount(two.Metrics.Lacked),
	} {
		require.Zero(t, counter, "the other one counts it")
	}
	two.Read(web, func(a *account.Account) { require.Nil(t, a) })
}

func TestAnInstallationThatTakesOverGoesOnFromWhatIsStored(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one, two := s.other(t, "one"), s.other(t, "two")
	require.True(t, one.Keeps(web))
	one.takes("a")
	one.takes("b")
	one.Missed(web, "p2", account.MissNoneReady, 1, s.clock.Now())
	two.Missed(web, "p2", account.MissNoneReady, 1, s.clock.Now()) // it saw the same pod
	one.Went(web, s.clock.Now())
	one.Ledger.Departed(web, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c", UID: "c"}, Spec: corev1.PodSpec{NodeName: "n"},
	}, account.LossAbandoned)
	one.writeAll(t.Context(), WriteInterval)

	s.clock.Step(time.Minute)
	two.Missed(web, "p3", account.MissNoneReady, 2, s.clock.Now()) // while the first is silent
	two.Keep(web)
	require.True(t, two.Keeps(web))
	two.takes("d") // before the stored account is read
	require.False(t, two.Demand(web, false, func(demand.History, time.Time) {}), "nothing is sized by what is not read")
	two.writeAll(t.Context(), 0)
	require.EqualValues(t, 2, s.stored(t).Record.Taken, "nothing is written over what is not read")
	require.True(t, two.takeOver(t.Context()))
	require.True(t, two.Demand(web, false, func(demand.History, time.Time) {}))
	two.Ledger.Looked("n", s.clock.Now().Add(account.Patience), nil, false)
	two.writeAll(t.Context(), WriteInterval)

	record := s.stored(t).Record
	require.Equal(t, "a process of two", record.Position.Writer)
	require.EqualValues(t, 3, record.Taken)
	require.EqualValues(t, 3, record.Lacked, "each pod once")
	require.EqualValues(t, 1, record.Abandoned, "the departure that the first had not decided")
	two.Read(web, func(a *account.Account) { require.Len(t, a.Missing(), 1) })
	require.InDelta(t, 2, testutil.ToFloat64(two.Metrics.Lacked.WithLabelValues(web.Namespace, web.Name)), 0)
}

func TestAnInstallationThatWasTooLateDropsWhatItHad(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one := s.other(t, "one")
	one.takes("a")
	one.writeAll(t.Context(), WriteInterval)
	one.takes("b") // what is not written, the other one finds in the API server's history
	one.Leave(web, "two")
	s.clock.Step(time.Minute)
	before := s.writes
	one.writeAll(t.Context(), 0)
	one.writeAll(t.Context(), WriteInterval)
	require.Equal(t, before, s.writes)
	one.Keep(web)
	require.True(t, one.takeOver(t.Context()))
	one.Read(web, func(a *account.Account) { require.EqualValues(t, 1, a.Totals().Taken) })
}

// TestAWriteThatComesTooLateLeavesTheAccountToWhoKeepsItNow: the cache of the first does not say yet that the other one took over.
func TestAWriteThatComesTooLateLeavesTheAccountToWhoKeepsItNow(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one, two := s.other(t, "one"), s.other(t, "two")
	one.takes("a")
	one.writeAll(t.Context(), WriteInterval)
	two.Keep(web)
	require.True(t, two.takeOver(t.Context()))
	two.takes("b")
	two.writeAll(t.Context(), WriteInterval)
	require.NoError(t, s.client.Update(t.Context(), func() *v1alpha1.Headroom {
		h := &v1alpha1.Headroom{}
		require.NoError(t, s.client.Get(t.Context(), web, h))
		h.Status.Controller.Identity = "two"
		return h
	}()))

	one.takes("b")
	for range 3 {
		s.clock.Step(WriteInterval)
		one.writeAll(t.Context(), WriteInterval)
	}

	require.False(t, one.Keeps(web))
	require.Equal(t, "a process of two", s.stored(t).Record.Position.Writer)
	require.EqualValues(t, 2, s.stored(t).Record.Taken)
}

func TestRecordsOfAnInstallationAreCompleteThroughWhatItSaysAnywhere(t *testing.T) {
	other := types.NamespacedName{Namespace: "shop", Name: "other"}
	s := newStory(t, keptBy("one"))
	two := s.other(t, "two")
	for name, keeper := range map[types.NamespacedName]string{web: "one", other: "one", {Namespace: "shop", Name: "third"}: "three"} {
		two.Leave(name, keeper)
	}
	two.Leave(types.NamespacedName{Namespace: "shop", Name: "fourth"}, "one")
	stored := func(name, through, allThrough string) v1alpha1.HeadroomAccount {
		a := v1alpha1.HeadroomAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, ResourceVersion: "1"}}
		a.Record.Position = v1alpha1.AccountPosition{Through: through, AllThrough: allThrough}
		return a
	}
	two.Keep(web)
	two.mu.Lock()
	two.current = []uint64{40, 50, 60}
	require.Zero(t, two.allThrough(), "nothing is known of an account that is not read yet")
	two.mu.Unlock()
	names, _ := two.takeBack(t.Context(), []v1alpha1.HeadroomAccount{
		stored("web", "10", "5"), stored("other", "20", "30"), stored("third", "70", "90"), stored("fourth", "20", "15"),
	})
	require.Equal(t, map[types.NamespacedName]bool{web: true}, names)
	require.EqualValues(t, 30, two.recorded(names), "and what a third installation says is not about it")
}

func TestMissesAreRememberedForAFewMinutesOnly(t *testing.T) {
	e := &entry{}
	now := epoch
	for range 1000 { // an installation that never takes over
		now = now.Add(time.Second)
		e.remember(miss{why: account.MissNoneReady, units: 1, at: now}, now)
	}
	require.Len(t, e.misses, int(missMemory/time.Second)+1)
	require.Equal(t, now, e.misses[len(e.misses)-1].at)
	require.Equal(t, now.Add(-missMemory), e.misses[0].at)
}

func TestAnAccountThatAThirdInstallationKeepsIsItsOwn(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.Observed(web, 1, 3, 0, epoch)
	for _, keeper := range []string{"one", "three"} {
		s.Leave(web, keeper)
		require.Equal(t, keeper, s.entries[web].keeper)
	}
	s.clock.Step(time.Hour)
	s.look()
	require.False(t, s.entries[web].dirty, "it is not looked at here")
}

func TestAnAccountThatWasDeletedMeanwhileIsWrittenAnewByWhoTakesOver(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one := s.other(t, "one")
	one.takes("a")
	one.writeAll(t.Context(), WriteInterval)
	one.Leave(web, "two")
	require.NoError(t, s.client.Delete(t.Context(), s.stored(t)))
	one.Keep(web)
	require.True(t, one.takeOver(t.Context()))
	one.writeAll(t.Context(), 0)
	require.Zero(t, s.stored(t).Record.Taken)
}

func TestWhoTakesOverFindsWhatHappenedSinceTheOtherWrote(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one, two := s.other(t, "one"), s.other(t, "two")
	one.Observed(web, 1, 3, 0, epoch)
	one.Processed(web, 17)
	one.takes("a")
	one.writeAll(t.Context(), 0)
	two.Pods = went()
	var found []string
	two.Departed = func(_ context.Context, pod *corev1.Pod, otherwise account.Loss) {
		require.Equal(t, account.LossAbandoned, otherwise, "unless a pod took it")
		found = append(found, pod.Name)
	}
	require.True(t, two.takeOver(t.Context()))
	require.Empty(t, found, "it keeps nothing yet")
	two.Keep(web)
	require.True(t, two.takeOver(t.Context()))
	require.Equal(t, []string{"went"}, found)
	require.True(t, two.takeOver(t.Context()))
	require.Len(t, found, 1, "once")
	two.Keep(web)
	require.True(t, two.takeOver(t.Context()))
	require.Len(t, found, 1, "it kept it already")
}

func TestAnAccountThatCannotBeReadIsTakenOverLater(t *testing.T) {
	s := newStory(t, keptBy("one"))
	one, two := s.other(t, "one"), s.other(t, "two")
	one.takes("a")
	one.writeAll(t.Context(), 0)
	two.Keep(web)
	two.Live = unreadable{}
	require.True(t, two.takeOver(t.Context()), "it is tried again")
	two.takes("b")
	before := s.writes
	two.writeAll(t.Context(), 0)
	require.Equal(t, before, s.writes, "nothing is written over what is not read")
	two.Live = s.client
	require.True(t, two.takeOver(t.Context()))
	two.writeAll(t.Context(), 0)
	require.EqualValues(t, 2, s.stored(t).Record.Taken)
}

func TestWithoutTheDefinitionAnAccountBeginsWithWhoTakesOver(t *testing.T) {
	s := newStory(t, keptBy("one"))
	two := s.other(t, "two")
	s.undone = true
	two.Keep(web)
	require.True(t, two.takeOver(t.Context()))
	two.takes("a")
	require.True(t, two.Demand(web, false, func(history demand.History, _ time.Time) { require.Len(t, history.Takes, 1) }))
}

func TestAControllerThatStopsTakesNothingOver(t *testing.T) {
	s := newStory(t, keptBy("one"))
	two := s.other(t, "two")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.True(t, two.takeOver(ctx), "there is nothing to take over")
	two.Keep(web)
	require.False(t, two.takeOver(ctx))
}

// TestAProcessThatDoesNotKnowWhoKeepsWhatWaits: it would write over what another installation keeps.
func TestAProcessThatDoesNotKnowWhoKeepsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, keptBy("one"))
		fails := true
		s.Client = interceptor.NewClient(s.client.(client.WithWatch), interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if fails {
					return errBroken
				}
				return c.List(ctx, list, options...)
			},
		})
		s.Installation = "two"
		ended := make(chan error, 1)
		go func() { ended <- s.load(t.Context()) }()
		synctest.Wait()
		require.False(t, isClosed(s.Loaded()))
		fails = false
		s.clock.Step(time.Second)
		require.NoError(t, <-ended)
		require.True(t, isClosed(s.Loaded()))
		require.False(t, s.Keeps(web))
	})
}
