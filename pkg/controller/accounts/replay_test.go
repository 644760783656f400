package accounts

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
)

// placeholder is one of the Headroom web.
func placeholder(name, node string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: web.Namespace, Name: name, UID: types.UID(name), ResourceVersion: "5",
			Labels: map[string]string{v1alpha1.LabelHeadroom: web.Name},
		},
		Spec: corev1.PodSpec{NodeName: node},
	}
}

// history is what an API server remembers of placeholders. A real one cannot be made to forget in time.
type history struct {
	// watchEnds is what a watch of the past ends with at once, unless watch itself is refused.
	watchEnds, watchRefused error
	// then are the placeholders as of the recorded resource version, or why they are not known, and now those that there are.
	then, now []corev1.Pod
	forgotten error
}

// tells has the Keeper ask this history. It returns what becomes of each placeholder that the Keeper finds to have gone.
func (s *story) tells(t *testing.T, h history) map[types.UID]account.Loss {
	t.Helper()
	clients := fake.NewClientset()
	clients.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
		events := watch.NewRaceFreeFake()
		var status apierrors.APIStatus
		if h.watchEnds != nil {
			require.ErrorAs(t, h.watchEnds, &status)
			ends := status.Status()
			events.Error(&ends)
		}
		return true, events, h.watchRefused
	})
	clients.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		listed, ok := action.(clienttesting.ListActionImpl)
		require.True(t, ok)
		if listed.ListOptions.ResourceVersion == "" {
			return true, &corev1.PodList{Items: h.now}, nil
		}
		require.Equal(t, "17", listed.ListOptions.ResourceVersion, "as it was when the record was written")
		require.Equal(t, metav1.ResourceVersionMatchExact, listed.ListOptions.ResourceVersionMatch)
		return true, &corev1.PodList{Items: h.then}, h.forgotten
	})
	found := map[types.UID]account.Loss{}
	s.Pods = clients
	s.Departed = func(_ context.Context, pod *corev1.Pod, otherwise account.Loss) { found[pod.UID] = otherwise }
	s.replay(t.Context(), s.kept())
	return found
}

// recordedAt17 is a story whose account is recorded through resource version 17 by a process that ended then.
func recordedAt17(t *testing.T) *story {
	t.Helper()
	s := newStory(t, headroomObject("1"))
	s.begin(t)
	s.Observed(web, 1, 3, 0, s.clock.Now())
	s.takes("a")
	s.Processed(web, 17)
	s.writeAll(t.Context(), WriteInterval)
	s.restart()
	s.begin(t)
	return s
}

// TestWhereTheHistoryHasExpiredListsAreCompared: the API server's watch cache forgets sooner than etcd does.
func TestWhereTheHistoryHasExpiredListsAreCompared(t *testing.T) {
	expired := apierrors.NewResourceExpired("too old resource version: 17 (4711)")
	for name, forgets := range map[string]history{
		"a watch that ends so": {watchEnds: expired},
		"one that ends as it did before expiry had a reason of its own": {watchEnds: &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Reason: metav1.StatusReasonGone}}},
		"a watch that is refused so":                                    {watchRefused: expired},
	} {
		t.Run(name, func(t *testing.T) {
			s := recordedAt17(t)
			again := placeholder("again", "n")
			again.UID = "the next of its name"
			forgets.then = []corev1.Pod{
				placeholder("went", "n"), placeholder("stays", "n"), placeholder("waited", ""), placeholder("again", "n"),
			}
			forgets.now = []corev1.Pod{placeholder("stays", "n"), placeholder("new", "n"), again}
			var vacated []string
			s.Vacated = func(pod *corev1.Pod) { vacated = append(vacated, pod.Name) }
			require.Equal(t, map[types.UID]account.Loss{"went": account.LossAbandoned, "again": account.LossAbandoned},
				s.tells(t, forgets), "unless a pod took it")
			require.Equal(t, []string{"went", "waited", "again"}, vacated, "all names, whoever had them")
			require.Zero(t, testutil.ToFloat64(s.Metrics.AccountGaps))
		})
	}
}

func TestWhatNobodyRemembersIsAGap(t *testing.T) {
	expired := apierrors.NewResourceExpired("The provided resource version is too old")
	s := recordedAt17(t)
	require.Empty(t, s.tells(t, history{watchEnds: expired, forgotten: expired}))
	require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.AccountGaps), 0, "and is told")
}

// TestWhatTheLastControllerMayHaveDeletedIsNotAbandoned: the spec changed while no controller ran, or just before.
func TestWhatTheLastControllerMayHaveDeletedIsNotAbandoned(t *testing.T) {
	for name, seen := range map[string]bool{"and nobody has seen it yet": false, "and this one has seen it already": true} {
		t.Run(name, func(t *testing.T) {
			s := recordedAt17(t)
			changed := &v1alpha1.Headroom{}
			require.NoError(t, s.client.Get(t.Context(), web, changed))
			changed.Generation++
			require.NoError(t, s.client.Update(t.Context(), changed))
			s.restart()
			if seen {
				s.Observed(web, changed.Generation, 3, 0, epoch)
			}
			s.begin(t)
			found := s.tells(t, history{watchEnds: apierrors.NewResourceExpired("too old"), then: []corev1.Pod{placeholder("went", "n")}})
			require.Equal(t, map[types.UID]account.Loss{"went": account.LossOther}, found)
		})
	}
}

// TestTheHistoryIsAskedFromTheRecordOnAndEnds has an API server that remembers all. What is new is no matter of the replay.
func TestTheHistoryIsAskedFromTheRecordOnAndEnds(t *testing.T) {
	s := recordedAt17(t)
	at := func(name, node, version string) *corev1.Pod {
		pod := placeholder(name, node)
		pod.ResourceVersion = version
		return &pod
	}
	another := at("another", "n", "19")
	another.Labels[v1alpha1.LabelHeadroom] = "db"
	clients := fake.NewClientset()
	clients.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) {
		asked, ok := action.(clienttesting.WatchActionImpl)
		require.True(t, ok)
		require.Equal(t, metav1.ListOptions{
			LabelSelector: v1alpha1.LabelHeadroom, ResourceVersion: "17", TimeoutSeconds: ptr.To[int64](replayFor), Watch: true,
		}, asked.ListOptions)
		events := watch.NewRaceFreeFake()
		events.Delete(at("recorded", "n", "17"))
		events.Delete(at("went", "n", "18"))
		events.Delete(at("waited", "", "18"))
		events.Modify(at("stays", "n", "18"))
		events.Delete(another)
		events.Stop()
		return true, events, nil
	})
	s.Pods = clients
	var found, vacated []string
	s.Departed = func(_ context.Context, pod *corev1.Pod, _ account.Loss) {
		_, complete, _ := s.Taken(web)
		require.False(t, complete, "before all is in the accounts")
		found = append(found, pod.Name)
	}
	s.Vacated = func(pod *corev1.Pod) { vacated = append(vacated, pod.Name) }
	s.replay(t.Context(), s.kept())
	require.Equal(t, []string{"went"}, found)
	require.Equal(t, []string{"recorded", "went", "waited", "another"}, vacated, "all that went, whoever had them")
}

// went has an API server tell that a placeholder went, after the record.
func went() *fake.Clientset {
	clients := fake.NewClientset()
	clients.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
		events := watch.NewRaceFreeFake()
		pod := placeholder("went", "n")
		pod.ResourceVersion = "18"
		events.Delete(&pod)
		events.Stop()
		return true, events, nil
	})
	return clients
}

// TestWhatHappenedBeforeAProcessStartedIsFoundBeforeItsAccountsAreComplete, of which the sizing by demand makes much.
func TestWhatHappenedBeforeAProcessStartedIsFoundBeforeItsAccountsAreComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := recordedAt17(t)
		s.restart()
		s.Pods = went()
		var found []string
		s.Departed = func(_ context.Context, pod *corev1.Pod, _ account.Loss) {
			_, complete, _ := s.Taken(web)
			require.False(t, complete)
			require.True(t, isClosed(s.Loaded()))
			found = append(found, pod.Name)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		require.False(t, isClosed(s.Loaded()))
		go func() { ended <- s.Start(ctx) }()
		synctest.Wait()
		require.Equal(t, []string{"went"}, found)
		_, complete, _ := s.Taken(web)
		require.True(t, complete)
		stop()
		require.NoError(t, <-ended)
	})
}

// isClosed reports whether a channel is.
func isClosed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

// TestTheHistoryOfEachNamespaceIsAsked: that of one may be lost.
func TestTheHistoryOfEachNamespaceIsAsked(t *testing.T) {
	s := recordedAt17(t)
	s.Namespaces = []string{"bank", "shop"}
	clients := went()
	var asked []string
	clients.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) {
		asked = append(asked, action.GetNamespace())
		return action.GetNamespace() == "bank", nil, errBroken
	})
	s.Pods = clients
	var found []string
	s.Departed = func(_ context.Context, pod *corev1.Pod, _ account.Loss) { found = append(found, pod.Name) }
	s.replay(t.Context(), s.kept())
	require.Equal(t, []string{"bank", "shop"}, asked)
	require.Equal(t, []string{"went"}, found)
	require.InDelta(t, 1, testutil.ToFloat64(s.Metrics.AccountGaps), 0)
}

// TestWhatAControllerThatStopsDoesNotAskIsNoGap: the next one asks it.
func TestWhatAControllerThatStopsDoesNotAskIsNoGap(t *testing.T) {
	s := recordedAt17(t)
	ctx, stop := context.WithCancel(t.Context())
	clients := fake.NewClientset()
	clients.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
		stop()
		return true, nil, context.Canceled
	})
	s.restart()
	s.Pods = clients
	before := s.writes
	require.NoError(t, s.Start(ctx))
	require.Zero(t, testutil.ToFloat64(s.Metrics.AccountGaps))
	require.Equal(t, before, s.writes, "nothing is written over what was not asked")
	_, complete, _ := s.Taken(web)
	require.False(t, complete)
}

// TestTheHistoryBeginsWithTheOldestRecord, as far as it was not complete for all Headrooms later.
func TestTheHistoryBeginsWithTheOldestRecord(t *testing.T) {
	name := func(n string) types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: n} }
	all := map[types.NamespacedName]bool{name("a"): true, name("b"): true, name("c"): true, name("new"): true, name("gone"): true}
	for title, tc := range map[string]struct {
		positions map[string]uint64
		all, want uint64
	}{
		"the first of three":            {map[string]uint64{"a": 20, "b": 10, "c": 30}, 0, 10},
		"all were complete before":      {map[string]uint64{"a": 20, "b": 10, "c": 30}, 5, 10},
		"all were complete later":       {map[string]uint64{"a": 20, "b": 10, "c": 30}, 15, 15},
		"later than any record of them": {map[string]uint64{"a": 20, "b": 10, "c": 30}, 40, 40},
		"none is recorded":              {nil, 40, 0},
	} {
		t.Run(title, func(t *testing.T) {
			s := newStory(t)
			s.entry(name("new")).allThrough = tc.all
			for i := range 20 { // records that are older, and say less of the others
				older := name(fmt.Sprint("older", i))
				s.entry(older).allThrough, all[older] = 1, true
			}
			for n, position := range tc.positions {
				e := s.entry(name(n))
				e.position, e.version = position, "1"
			}
			s.entry(name("else")).position, s.entry(name("else")).version = 1, "1" // another installation keeps it
			require.Equal(t, tc.want, s.recorded(all))
			for n, position := range tc.positions {
				require.Equal(t, max(position, tc.all), s.entry(name(n)).position)
			}
		})
	}
}

func TestOnlyWhatIsStoredIsCompared(t *testing.T) {
	s := recordedAt17(t)
	require.Equal(t, map[types.NamespacedName]uint64{web: 17}, s.positions(metav1.NamespaceAll, s.kept()))
	require.Len(t, s.positions(web.Namespace, s.kept()), 1)
	require.Empty(t, s.positions("elsewhere", s.kept()))
	require.Empty(t, s.positions(metav1.NamespaceAll, nil))
	s.entry(web).position = 0
	require.Empty(t, s.positions(metav1.NamespaceAll, s.kept()), "resource version 0 would be any state")
	s.entry(web).position = 17
	s.entry(web).version = "" // somebody deleted it
	require.Empty(t, s.positions(metav1.NamespaceAll, s.kept()))
}
