package accounts

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

var (
	epoch     = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	web       = types.NamespacedName{Namespace: "shop", Name: "web"}
	errBroken = errors.New("broken")
)

// story is a Keeper over a fake API server, which counts writes and can be made to fail them. What a real one makes of the objects, the
// integration tests see; here time and failures are the matter.
type story struct {
	*Keeper
	t      *testing.T
	clock  *testingclock.FakeClock
	client client.Client
	writes int
	lists  int // of accounts
	fail   func() error
	undone bool // the definition is missing
}

func newStory(t *testing.T, objects ...client.Object) *story {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	s := &story{t: t, clock: testingclock.NewFakeClock(epoch)}
	write := func() error {
		s.writes++
		if s.fail != nil {
			return s.fail()
		}
		return nil
	}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithIndex(&v1alpha1.HeadroomAccount{}, "metadata.name",
		func(o client.Object) []string { return []string{o.GetName()} }).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if err := write(); err != nil {
				return err
			}
			return c.Create(ctx, o, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			if err := write(); err != nil {
				return err
			}
			return c.Update(ctx, o, options...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, ok := list.(*v1alpha1.HeadroomAccountList); ok {
				s.lists++
			} else {
				return c.List(ctx, list, options...)
			}
			if s.undone {
				return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "headroom.dev", Kind: "HeadroomAccount"}}
			}
			return c.List(ctx, list, options...)
		},
	}).Build()
	s.restart()
	return s
}

// restart begins with another process.
func (s *story) restart() {
	s.Keeper = New(Options{
		Client: s.client, Live: s.client, Clock: s.clock, Metrics: metrics.NewController(prometheus.NewRegistry()), Identity: s.clock.Now().String(),
	})
	s.Ledger = consumption.NewLedger(s.clock, s.Keeper, func(types.NamespacedName) {})
}

func (s *story) begin(t *testing.T) {
	t.Helper()
	require.NoError(t, s.load(t.Context()))
}

func (s *story) stored(t *testing.T) *v1alpha1.HeadroomAccount {
	t.Helper()
	a := &v1alpha1.HeadroomAccount{}
	require.NoError(t, s.client.Get(t.Context(), web, a))
	return a
}

func headroomObject(uid types.UID) *v1alpha1.Headroom {
	return &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: web.Name, UID: uid, Generation: 1}}
}

func (s *story) takes(name string) {
	s.Took(web, account.Take{Time: s.clock.Now(), Placeholder: name, UID: types.UID(name), Node: "n", How: account.BySwap})
}

func TestAnAccountIsWrittenAtMostEveryTenSeconds(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	for range 60 { // a minute in which something happens each second
		s.takes("a")
		s.writeAll(t.Context(), WriteInterval)
		s.clock.Step(time.Second)
	}
	require.Equal(t, 6, s.writes)
	s.writeAll(t.Context(), 0)
	require.EqualValues(t, 60, s.stored(t).Record.Taken)
}

// TestWhatAControllerThatStopsHasNotWrittenIsWrittenThen: no history tells the next one which pods lacked units.
func TestWhatAControllerThatStopsHasNotWrittenIsWrittenThen(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	require.Eventually(t, func() bool {
		_, complete, _ := s.Taken(web)
		return complete
	}, time.Minute, time.Millisecond)

	s.takes("a")
	s.writeAll(t.Context(), 0)
	s.Missed(web, "api", account.MissNoneReady, 2, s.clock.Now()) // at once after a write
	stop()
	require.NoError(t, <-ended)
	require.EqualValues(t, 2, s.stored(t).Record.Lacked)
}

func TestAQuietClusterWritesOneAccountEveryThirtySeconds(t *testing.T) {
	other := headroomObject("2")
	other.Name = "other"
	s := newStory(t, headroomObject("1"), other)
	s.begin(t)
	s.takes("a")
	s.Lost(types.NamespacedName{Namespace: "shop", Name: "other"}, account.LossDrained, epoch)
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, 2, s.writes)
	for range 12 { // two minutes
		s.clock.Step(WriteInterval)
		s.writeAll(t.Context(), WriteInterval)
	}
	require.Equal(t, 2+4, s.writes)
}

func TestAQuietHourIsEvidence(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.Observed(web, 1, 3, 0, s.clock.Now())
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, 1, s.writes)
	for range 12 * 6 { // two hours in which nothing changes, and nothing is reconciled
		s.clock.Step(100 * time.Second)
		s.look()
		s.writeAll(t.Context(), time.Hour)
	}
	s.Read(web, func(a *account.Account) {
		require.Len(t, a.Hours(), 3)
		require.Equal(t, uint32(1<<account.Slots-1), a.Hours()[1].Seen, "somebody looked all the time")
		require.Zero(t, a.Hours()[1].Empty)
	})
	require.Len(t, decoded(t, s).Hours(), 3, "and each hour is stored once it has begun")
}

func decoded(t *testing.T, s *story) *account.Account {
	t.Helper()
	record := s.stored(t).Record
	a, err := account.Decode(&record)
	require.NoError(t, err)
	return a
}

func TestAnotherProcessGoesOnWhereOneEnded(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.Observed(web, 1, 3, 1, s.clock.Now())
	s.Went(web, s.clock.Now())
	s.Ledger.Departed(web, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "b", UID: "b"}, Spec: corev1.PodSpec{NodeName: "n"},
	}, account.LossAbandoned)
	s.Processed(web, 17)
	s.writeAll(t.Context(), WriteInterval)
	owner := s.stored(t).OwnerReferences[0]
	require.Equal(t, types.UID("1"), owner.UID, "it goes with its Headroom")
	require.True(t, *owner.Controller)

	s.clock.Step(20 * time.Second)
	s.restart()
	s.takes("early") // before the stored account is read
	s.begin(t)
	require.EqualValues(t, 17, s.recorded(s.kept()), "what came after is replayed")
	s.Read(web, func(a *account.Account) {
		require.EqualValues(t, 2, a.Totals().Taken)
		require.Len(t, a.Missing(), 1)
		require.True(t, a.Missing()[0].Equal(epoch))
	})
	s.clock.Step(account.Patience)
	s.Ledger.Looked("n", s.clock.Now(), nil, false)
	s.writeAll(t.Context(), WriteInterval)
	record := s.stored(t).Record
	require.EqualValues(t, 2, record.Taken)
	require.EqualValues(t, 1, record.Abandoned, "the departure that the first had not decided")
	require.Empty(t, record.Position.Open)
}

func TestAnAccountThatNoReconcileHasSeenIsNoEvidence(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.look()
	s.Read(web, func(a *account.Account) {
		require.Zero(t, a.Hours()[0].Seen, "nobody knows how many units are ready")
		require.Zero(t, a.Hours()[0].Empty)
	})
}

func TestWhatWasWorkedOnBeforeTheRecordWasReadIsNotForgotten(t *testing.T) {
	s := recordedAt17(t)
	s.restart()
	s.Processed(web, 30)
	s.begin(t)
	s.takes("b")
	s.writeAll(t.Context(), 0)
	require.Equal(t, "30", s.stored(t).Record.Position.Through)
}

func TestThatADepartureIsAPreemptionSurvivesARestart(t *testing.T) {
	stored := storedDeparture(consumption.Departure{Placeholder: web, UID: "a", Node: "n", Time: epoch, Preempted: true})
	record := v1alpha1.AccountRecord{Position: v1alpha1.AccountPosition{Open: []v1alpha1.AccountDeparture{stored}}}
	require.Equal(t, []consumption.Departure{{
		Placeholder: web, UID: "a", Node: "n", Time: epoch, Preempted: true, Otherwise: account.LossAbandoned,
	}}, departuresOf(web.Namespace, &record))
}

// broken is an API server that fails, and tells when it is asked.
type broken struct {
	client.Reader
	asked chan struct{}
}

func (b broken) List(context.Context, client.ObjectList, ...client.ListOption) error {
	b.asked <- struct{}{}
	return errBroken
}

func TestStoredAccountsThatCannotBeReadAreAskedForEverMoreRarely(t *testing.T) {
	s := newStory(t)
	asked := make(chan struct{})
	s.Live = broken{asked: asked}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.load(ctx) }()
	for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		<-asked
		require.Eventually(t, s.clock.HasWaiters, time.Minute, time.Millisecond)
		s.clock.Step(seconds*time.Second - time.Millisecond)
		require.True(t, s.clock.HasWaiters(), "not before %d s are over", seconds)
		s.clock.Step(time.Millisecond)
	}
	<-asked
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestWithoutTheDefinitionEverythingElseWorks(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.undone = true
	s.begin(t)
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	require.Zero(t, s.writes)
	require.Zero(t, testutil.ToFloat64(s.Metrics.AccountStored))
	s.Read(web, func(a *account.Account) { require.EqualValues(t, 1, a.Totals().Taken) })
	s.undone = false
	s.setStored(t.Context(), true)
	s.writeAll(t.Context(), WriteInterval)
	require.EqualValues(t, 1, s.stored(t).Record.Taken, "once it comes")
}

func TestAccountsOfHeadroomsThatAreGoneAreNotWritten(t *testing.T) {
	s := newStory(t)
	s.begin(t)
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	require.Zero(t, s.writes)
	s.Forget(web)
	s.Read(web, func(a *account.Account) { require.Nil(t, a) })
}

func TestAStoredAccountThatCannotBeReadIsBegunAnew(t *testing.T) {
	s := recordedAt17(t)
	stored := s.stored(t)
	stored.Record.Hours = []byte("no gzip")
	require.NoError(t, s.client.Update(t.Context(), stored))
	s.restart()
	s.takes("b") // before it is known
	s.clock.Step(time.Hour)
	s.begin(t)
	s.Read(web, func(a *account.Account) {
		require.EqualValues(t, 1, a.Totals().Taken, "what was recorded meanwhile")
		require.Equal(t, s.clock.Now(), a.Opened())
	})
	s.writeAll(t.Context(), 0)
	require.EqualValues(t, 1, s.stored(t).Record.Taken, "in its place")
}

func TestADefinitionThatIsMissingIsLookedForOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, headroomObject("1"))
		s.undone = true
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Start(ctx) }()
		synctest.Wait()
		for minutes := 1; minutes <= 3; minutes++ {
			require.Equal(t, minutes, s.lists)
			for range lookForDefinition / WriteInterval {
				s.clock.Step(WriteInterval)
				synctest.Wait()
			}
		}
		require.Zero(t, testutil.ToFloat64(s.Metrics.AccountStored))
		s.undone = false
		s.clock.Step(lookForDefinition)
		synctest.Wait()
		require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.AccountStored), 0)
		stop()
		require.NoError(t, <-ended)
	})
}
