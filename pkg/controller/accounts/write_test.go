package accounts

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
)

// TestAnAccountWithTooMuchUndecidedWaits: what is decided within a minute needs no room in a record, which has little.
func TestAnAccountWithTooMuchUndecidedWaits(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	for i := range maxOpen + 1 {
		s.takes("a")
		s.clock.Step(WriteInterval / maxOpen)
		s.writeAll(t.Context(), 0)
		require.Equal(t, i+1, s.writes, "%d are undecided", i)
		name := fmt.Sprint("web-headroom-", i)
		s.Ledger.Departed(web, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}, Spec: corev1.PodSpec{NodeName: "n"},
		}, account.LossAbandoned)
	}
	s.takes("a")
	s.writeAll(t.Context(), 0)
	require.Equal(t, maxOpen+1, s.writes)

	s.clock.Step(account.Patience)
	s.Ledger.Looked("n", s.clock.Now(), nil, false)
	s.writeAll(t.Context(), WriteInterval)
	record := s.stored(t).Record
	require.EqualValues(t, maxOpen+1, record.Abandoned)
	require.EqualValues(t, maxOpen+2, record.Taken)
}

func TestAWriteThatFailsIsTriedAgain(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.fail = func() error { return errBroken }
	s.writeAll(t.Context(), WriteInterval)
	require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.AccountWriteErrors), 0)
	s.fail = nil
	s.clock.Step(WriteInterval)
	s.writeAll(t.Context(), WriteInterval)
	require.EqualValues(t, 1, s.stored(t).Record.Taken)
}

// interfere has somebody else write the stored account.
func (s *story) interfere(t *testing.T, change func(*v1alpha1.HeadroomAccount)) {
	t.Helper()
	other := s.stored(t)
	change(other)
	require.NoError(t, s.client.Update(t.Context(), other))
}

func TestAWriteInTheWayIsWrittenOver(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	s.interfere(t, func(other *v1alpha1.HeadroomAccount) { other.Labels = map[string]string{"touched": "true"} })
	for range 2 {
		s.takes("b")
		s.clock.Step(WriteInterval)
		s.writeAll(t.Context(), WriteInterval)
	}
	require.EqualValues(t, 3, s.stored(t).Record.Taken)
}

func TestAWriteInTheWayIsWrittenOverWithoutFurtherNews(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	s.interfere(t, func(other *v1alpha1.HeadroomAccount) { other.Labels = map[string]string{"touched": "true"} })
	s.takes("b")
	for range 2 {
		s.clock.Step(WriteInterval)
		s.writeAll(t.Context(), WriteInterval)
	}
	require.EqualValues(t, 2, s.stored(t).Record.Taken)
	require.Zero(t, testutil.ToFloat64(s.Metrics.AccountWriteErrors), "it was this process's own, whose answer was lost")
}

// TestAWriteOfAControllerThatDoesNotKeepTheAccountIsToldAndWrittenOver: somebody else has no business there.
func TestAWriteOfAControllerThatDoesNotKeepTheAccountIsToldAndWrittenOver(t *testing.T) {
	for name, h := range map[string]*v1alpha1.Headroom{"nobody is recorded": headroomObject("1"), "its keeper is": keptBy("one")} {
		t.Run(name, func(t *testing.T) {
			before := headroomObject("2")
			before.Name = "before"
			s := newStory(t, before, h)
			s.Installation = "one"
			s.begin(t)
			s.Lost(types.NamespacedName{Namespace: "shop", Name: "before"}, account.LossDrained, epoch)
			s.takes("a")
			s.writeAll(t.Context(), WriteInterval)
			s.interfere(t, func(other *v1alpha1.HeadroomAccount) { other.Record.Position.Writer = "another" })
			s.takes("b")
			for range 2 {
				s.clock.Step(WriteInterval)
				s.writeAll(t.Context(), WriteInterval)
			}
			require.EqualValues(t, 2, s.stored(t).Record.Taken)
			require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.AccountWriteErrors), 0)
			require.True(t, s.Keeps(web))
		})
	}
}

func TestAnAccountThatSomebodyDeletedIsWrittenAnew(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	require.NoError(t, s.client.Delete(t.Context(), s.stored(t)))
	s.takes("b")
	for range 2 {
		s.clock.Step(WriteInterval)
		s.writeAll(t.Context(), WriteInterval)
	}
	require.EqualValues(t, 2, s.stored(t).Record.Taken)
}

func TestTheAccountOfAHeadroomThatIsBeingDeletedIsNotWritten(t *testing.T) {
	h := headroomObject("1")
	h.Finalizers, h.DeletionTimestamp = []string{"example.com/hold"}, ptr.To(metav1.NewTime(epoch))
	s := newStory(t, h)
	s.begin(t)
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	require.Zero(t, s.writes, "it would be made anew after the garbage collector has deleted it")
}

// TestWhatIsNewIsWritten: each of these is news by itself, in an account that was written before.
func TestWhatIsNewIsWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(*story)
		want    bool
	}{
		"a unit that a pod took":   {happens: func(s *story) { s.takes("b") }, want: true},
		"a unit that went":         {happens: func(s *story) { s.Lost(web, account.LossDrained, epoch) }, want: true},
		"a refill":                 {happens: func(s *story) { _, ok := s.Bound(web, epoch); require.True(s.t, ok) }, want: true},
		"a new spec":               {happens: func(s *story) { s.Observed(web, 2, 3, 1, s.clock.Now()) }, want: true},
		"not what was told before": {happens: func(s *story) { s.Observed(web, 1, 3, 1, s.clock.Now()) }},
		"a unit that a pod took, before a change that is no news": {happens: func(s *story) {
			s.takes("b")
			s.Observed(web, 1, 3, 1, s.clock.Now())
		}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, headroomObject("1"))
			s.begin(t)
			s.Went(web, epoch)
			s.Observed(web, 1, 3, 1, s.clock.Now())
			s.writeAll(t.Context(), WriteInterval)
			require.Equal(t, 1, s.writes)
			s.clock.Step(WriteInterval)
			tc.happens(s)
			s.writeAll(t.Context(), WriteInterval)
			require.Equal(t, tc.want, s.writes == 2)
		})
	}
}

// TestTheSmallestAccountIsKeptAlive: to write it takes least.
func TestTheSmallestAccountIsKeptAlive(t *testing.T) {
	other := headroomObject("2")
	other.Name = "other"
	s := newStory(t, headroomObject("1"), other)
	s.begin(t)
	for i := range 100 {
		s.Lost(types.NamespacedName{Namespace: "shop", Name: "other"}, account.LossDrained, epoch.Add(time.Duration(i)*time.Hour))
	}
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	s.clock.Step(keepAlive)
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, 3, s.writes)
	require.True(t, s.clock.Now().Equal(s.stored(t).Record.WrittenTime.Time))
	s.clock.Step(keepAlive)
	s.Lost(types.NamespacedName{Namespace: "shop", Name: "other"}, account.LossDrained, epoch)
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, 4, s.writes, "one that has news does as well")
}

// TestTheAccountOfAnEarlierHeadroomIsNotWrittenOver makes a Headroom anew. What the garbage collector does it does itself, late.
func TestTheAccountOfAnEarlierHeadroomIsNotWrittenOver(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.writeAll(t.Context(), WriteInterval)
	require.NoError(t, s.client.Delete(t.Context(), headroomObject("1")))
	require.NoError(t, s.client.Create(t.Context(), headroomObject("2")))

	for range 3 {
		s.takes("b")
		s.clock.Step(WriteInterval)
		s.writeAll(t.Context(), WriteInterval)
		require.Equal(t, types.UID("1"), s.stored(t).OwnerReferences[0].UID)
		require.EqualValues(t, 1, s.stored(t).Record.Taken, "it goes with the Headroom that it is of")
	}
	require.NoError(t, s.client.Delete(t.Context(), s.stored(t)))
	s.clock.Step(WriteInterval)
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, types.UID("2"), s.stored(t).OwnerReferences[0].UID)
}

func TestAllRecordsAreCompleteThroughWhatTheLeastCompleteSays(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	s.Processed(web, 10)
	s.writeAll(t.Context(), WriteInterval)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Zero(t, s.allThrough(), "nothing is known yet")
	s.current = []uint64{40, 50}
	require.Zero(t, s.allThrough(), "what came within two ticks may not be worked on yet")
	s.current = []uint64{40, 50, 60}
	require.EqualValues(t, 40, s.allThrough(), "what is older than two ticks was worked on")
	s.entries[web].dirty = true
	require.EqualValues(t, 10, s.allThrough(), "but for an account that is not written")
}

// TestTheAccountOfAnEarlierHeadroomIsLeftToItByTheNextProcessToo, which knows whose it is from what is stored.
func TestTheAccountOfAnEarlierHeadroomIsLeftToItByTheNextProcessToo(t *testing.T) {
	s := recordedAt17(t)
	require.NoError(t, s.client.Delete(t.Context(), headroomObject("1")))
	require.NoError(t, s.client.Create(t.Context(), headroomObject("2")))
	s.restart()
	s.begin(t)
	s.takes("b")
	s.writeAll(t.Context(), 0)
	require.Equal(t, types.UID("1"), s.stored(t).OwnerReferences[0].UID)
	require.EqualValues(t, 1, s.stored(t).Record.Taken)
}

func TestTheNextProcessWritesTheGenerationThatIsRecordedUntilItKnowsAnother(t *testing.T) {
	s := recordedAt17(t)
	s.takes("b")
	s.writeAll(t.Context(), 0)
	require.EqualValues(t, 1, s.stored(t).Record.Position.Generation)
	s.restart()
	s.Observed(web, 2, 3, 0, epoch) // before the record is read
	s.begin(t)
	s.writeAll(t.Context(), 0)
	require.EqualValues(t, 2, s.stored(t).Record.Position.Generation)
}

func TestAControllerThatStopsWritesNothingWithoutNews(t *testing.T) {
	s := recordedAt17(t)
	before := s.writes
	s.clock.Step(time.Hour)
	s.writeAll(t.Context(), 0)
	require.Equal(t, before, s.writes)
	s.writeAll(t.Context(), WriteInterval)
	require.Equal(t, before+1, s.writes, "one that goes on keeps it alive")
}

// TestAnAccountWhoseHeadroomCannotBeReadIsToldAndTriedAgain: the cache may be closed.
func TestAnAccountWhoseHeadroomCannotBeReadIsToldAndTriedAgain(t *testing.T) {
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.takes("a")
	watching, ok := s.client.(client.WithWatch)
	require.True(t, ok)
	s.Client = interceptor.NewClient(watching, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errBroken
		},
	})
	require.ErrorContains(t, s.write(t.Context(), web), "reading Headroom shop/web: broken")
	s.writeAll(t.Context(), WriteInterval)
	require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.AccountWriteErrors), 0)
	require.Zero(t, s.writes)
	s.Client = s.client
	s.writeAll(t.Context(), WriteInterval)
	require.EqualValues(t, 1, s.stored(t).Record.Taken)
}

// TestAWriteInTheWayThatCannotBeReadIsTriedAgain: it is not known whose it was.
func TestAWriteInTheWayThatCannotBeReadIsTriedAgain(t *testing.T) {
	s := recordedAt17(t)
	s.interfere(t, func(other *v1alpha1.HeadroomAccount) { other.Labels = map[string]string{"touched": "true"} })
	s.takes("b")
	s.Live = unreadable{}
	err := s.write(t.Context(), web)
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, "reading it")
	s.Live = s.client
	for range 2 {
		s.clock.Step(WriteInterval)
		s.writeAll(t.Context(), WriteInterval)
	}
	require.EqualValues(t, 2, s.stored(t).Record.Taken)
}

// unreadable is an API server that fails.
type unreadable struct{ client.Reader }

func (unreadable) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errBroken
}

func (unreadable) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errBroken
}

// versions is an API server that has come one further with each list of pods, and what was asked of it.
type versions struct {
	client.Reader
	now   int
	asked client.ListOptions
}

func (v *versions) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	v.now++
	v.asked = client.ListOptions{}
	v.asked.ApplyOptions(options)
	list.SetResourceVersion(fmt.Sprint(v.now))
	return nil
}

// TestHowFarTheAPIServerHasComeIsAskedAtEachTick, which is as far as all is worked on two ticks later.
func TestHowFarTheAPIServerHasComeIsAskedAtEachTick(t *testing.T) {
	for name, namespaces := range map[string][]string{"": nil, "shop": {"shop", "bank"}} {
		s := newStory(t)
		s.Namespaces = namespaces
		api := &versions{}
		s.Live = api
		for want := range 5 {
			s.advance(t.Context())
			require.EqualValues(t, max(0, want+1-delay), s.allThrough())
			require.LessOrEqual(t, len(s.current), delay+1, "no more is kept")
		}
		require.Equal(t, name, api.asked.Namespace)
		require.EqualValues(t, 1, api.asked.Limit, "the version is that of the list, whatever is in it")
		require.Equal(t, v1alpha1.LabelHeadroom, api.asked.LabelSelector.String())
		s.Live = unreadable{}
		s.advance(t.Context())
		require.EqualValues(t, 3, s.allThrough(), "what is not known is not taken for zero")
	}
}
