package gang

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	schedulingv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
	"github.com/headroom-dev/headroom/test/builders"
)

// server answers, in the process itself, whoever asks for the group web: there is none until it is there.
type server struct {
	asked          atomic.Int64
	path           atomic.Value
	there, leaving atomic.Bool
	// silent says that it does not answer at all.
	silent atomic.Bool
}

func (s *server) RoundTrip(request *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	s.path.Store(request.URL.Path)
	if s.silent.Load() {
		<-request.Context().Done()
		return nil, request.Context().Err()
	}
	code, body := http.StatusNotFound, any(failure(http.StatusNotFound))
	if s.there.Load() {
		group := schedulingv1alpha1.PodGroup{
			TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1alpha1.SchemeGroupVersion.String(), Kind: "PodGroup"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: schedulingv1alpha1.PodGroupSpec{MinMember: 3},
		}
		if s.leaving.Load() {
			group.DeletionTimestamp = ptr.To(metav1.NewTime(builders.Epoch()))
		}
		code, body = http.StatusOK, group
	}
	return answer(code, body)
}

// groups are installed there, and none is known yet.
func (s *server) groups(t *testing.T) *Groups {
	t.Helper()
	client, err := customresource.NewClient(
		&rest.Config{Host: "http://server", Transport: s}, schedulingv1alpha1.SchemeGroupVersion, schedulingv1alpha1.AddToScheme)
	require.NoError(t, err)
	groups := NewGroups()
	groups.begin(client)
	return groups
}

// TestTheAPIServerIsAskedNowAndThenForAGroupThatIsNotThere, however many of its pods are scheduled meanwhile.
func TestTheAPIServerIsAskedNowAndThenForAGroupThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		groups := s.groups(t)
		pod := builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj()
		askedFor := func(times int64) {
			for range 100 {
				group, missing := groups.Of(t.Context(), pod)
				require.Nil(t, group)
				require.True(t, missing)
			}
			require.Equal(t, times, s.asked.Load())
		}
		askedFor(1)
		time.Sleep(askAgain) //nolint:forbidigo // the clock is synctest's
		askedFor(1)
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		askedFor(2)

		s.there.Store(true)
		time.Sleep(askAgain + time.Nanosecond) //nolint:forbidigo // the clock is synctest's
		group, missing := groups.Of(t.Context(), pod)
		require.False(t, missing, "a pod may be seen before its group is")
		require.Equal(t, &Group{Name: named("web"), MinMember: 3, Timeout: DefaultTimeout}, group)
	})
}

// TestWhereThereAreNoPodGroupsThatIsKnownAtOnce: pods with the label wait for nothing.
func TestWhereThereAreNoPodGroupsThatIsKnownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		groups, told := NewGroups(), atomic.Bool{}
		config := &rest.Config{Host: "http://server", Transport: &server{}}
		require.NoError(t, groups.Follow(ctx, config, Listener{Ready: func() { told.Store(true) }}))
		synctest.Wait()
		require.True(t, groups.Await(ctx, 0))
		require.True(t, told.Load())
		cancel()
		synctest.Wait()
	})
}

// TestAGroupThatIsBeingDeletedIsNotThere: its pods would wait for members that nobody makes any more.
func TestAGroupThatIsBeingDeletedIsNotThere(t *testing.T) {
	for name, leaving := range map[string]bool{"being deleted": true, "there": false} {
		t.Run(name, func(t *testing.T) {
			s := &server{}
			s.there.Store(true)
			s.leaving.Store(leaving)
			group, missing := s.groups(t).Of(t.Context(), builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj())
			require.Equal(t, leaving, missing)
			require.Equal(t, leaving, group == nil)
		})
	}
}

func TestTheAPIServerIsAskedForTheGroupThatThePodNames(t *testing.T) {
	s := &server{}
	_, missing := s.groups(t).Of(t.Context(), builders.Consumer("a", nil).Namespace("shop").Label(Label, "web").Obj())
	require.True(t, missing)
	require.Equal(t, "/apis/scheduling.x-k8s.io/v1alpha1/namespaces/shop/podgroups/web", s.path.Load())
}

func TestAPodIsNotKeptWaitingByAnAPIServerThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := &server{}, time.Now()
		s.silent.Store(true)
		group, missing := s.groups(t).Of(t.Context(), builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj())
		require.Nil(t, group)
		require.True(t, missing, "as far as is known")
		require.Equal(t, askTimeout, time.Since(began))
	})
}

// TestNotEveryGroupThatIsNotThereIsRemembered has pods name more of them than there is memory for.
func TestNotEveryGroupThatIsNotThereIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		groups := s.groups(t)
		groups.Set(Group{Name: named("db"), MinMember: 2})
		for i := range 3 * maxAbsent {
			_, missing := groups.Of(t.Context(), builders.Consumer("a", nil).Namespace("default").Label(Label, fmt.Sprint(i)).Obj())
			require.True(t, missing)
		}
		require.LessOrEqual(t, len(groups.absent), maxAbsent+1)
		require.Greater(t, len(groups.absent), maxAbsent/2, "most are")
		require.Equal(t, 2, groups.MinMember(named("db")), "those that are there are")
	})
}

func TestAGroupThatComesIsNotTakenForOneThatIsNotThere(t *testing.T) {
	s := &server{}
	groups := s.groups(t)
	pod := builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj()
	_, missing := groups.Of(t.Context(), pod)
	require.True(t, missing)
	groups.Set(Group{Name: named("web"), MinMember: 2})
	require.Equal(t, 2, groups.MinMember(named("web")))
	groups.Delete(named("web"))
	require.Zero(t, groups.MinMember(named("web")))
	_, missing = groups.Of(t.Context(), pod)
	require.True(t, missing)
	require.Equal(t, int64(2), s.asked.Load(), "what was said before it came holds no more")

	groups.end()
	groups.begin(groups.client)
	require.Empty(t, groups.absent, "nor does that of another definition")
}

// TestAGroupIsWhatWasHeardOfItLast, also before all of them were heard of.
func TestAGroupIsWhatWasHeardOfItLast(t *testing.T) {
	groups, pod := NewGroups(), builders.Consumer("a", nil).Namespace("default").Label(Label, "web").Obj()
	heard := func() {
		for _, tc := range []struct {
			group   Group
			changed bool
		}{
			{group: Group{Name: named("web"), MinMember: 2, Timeout: time.Minute}, changed: true},
			{group: Group{Name: named("web"), MinMember: 2, Timeout: time.Hour}},
			{group: Group{Name: named("web"), MinMember: 2, Timeout: time.Hour, Created: builders.Epoch()}},
			{group: Group{Name: named("web"), MinMember: 1, Timeout: time.Hour, Created: builders.Epoch()}, changed: true},
		} {
			require.Equal(t, tc.changed, groups.Set(tc.group), "only how many members there must be lets any of them be scheduled")
			group, missing := groups.Of(t.Context(), pod)
			require.False(t, missing)
			require.Equal(t, &tc.group, group)
		}
	}
	heard()
	groups.begin(nil)
	groups.Delete(named("web"))
	heard()
}
