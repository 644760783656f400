package eviction

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// scene is an Evictor, the API server that it asks, and the informer's cache. The API server is a fake one: what these tests are about are
// the requests themselves, and answers that a real one cannot be made to give.
type scene struct {
	*Evictor
	server *fake.Clientset
	cached cache.Store
}

// newScene has the consumer c and these victims in the API server and in the cache, and reserves the victims for the consumer.
func newScene(t *testing.T, pods ...*corev1.Pod) *scene {
	t.Helper()
	server := fake.NewClientset()
	informer := informers.NewSharedInformerFactory(server, 0).Core().V1().Pods()
	s := &scene{server: server, cached: informer.Informer().GetStore()}
	for _, pod := range append(victims("c"), pods...) {
		require.NoError(t, server.Tracker().Add(pod))
		require.NoError(t, s.cached.Add(pod))
	}
	s.Evictor = &Evictor{
		Client: server, Pods: informer.Lister(), Reservations: NewReservations(func(string) {}), Credits: NewCredits(clock.RealClock{}),
		Wait: patience, Parallelism: 1,
	}
	s.Reservations.Reserve("c", pods)
	return s
}

// answer makes the API server answer a request for some pods with an error.
func (s *scene) answer(verb string, err error, names ...string) {
	for _, name := range names {
		s.server.PrependReactor(verb, "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
			named, ok := action.(interface{ GetName() string })
			return ok && named.GetName() == name, nil, err
		})
	}
}

// deletions are the options of the deletions that the API server was asked for, by the name of the pod.
func (s *scene) deletions() map[string]metav1.DeleteOptions {
	options := map[string]metav1.DeleteOptions{}
	for _, action := range s.server.Actions() {
		if deletion, ok := action.(clienttesting.DeleteActionImpl); ok {
			options[deletion.Name] = deletion.DeleteOptions
		}
	}
	return options
}

func TestADeletionIsOfThatVictimAlone(t *testing.T) {
	for name, pods := range map[string][]*corev1.Pod{"one": victims("v"), "several": victims("v", "w", "x")} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, pods...)
			_, err := s.Evict(t.Context(), victims("c")[0], pods)
			require.NoError(t, err)

			want := map[string]metav1.DeleteOptions{}
			for _, pod := range pods {
				want[pod.Name] = metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &pod.UID}}
			}
			require.Equal(t, want, s.deletions())
		})
	}
}

func TestAConflictMeansThatTheNameIsAnotherPodsOnlyIfItIs(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "pods"}, "v", errors.New("the UID in the precondition does not match"))
	successor := victims("v")[0]
	successor.UID = "successor"
	for name, tc := range map[string]struct {
		now  *corev1.Pod
		get  error
		want error
	}{
		"another pod has the name":   {now: successor},
		"nobody has it any more":     {},
		"the victim still has it":    {now: victims("v")[0], want: ErrRefused},
		"who has it cannot be known": {now: victims("v")[0], get: apierrors.NewInternalError(errors.New("etcd")), want: ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, victims("v")...)
			require.NoError(t, s.server.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "", "v"))
			if tc.now != nil {
				require.NoError(t, s.server.Tracker().Add(tc.now))
			}
			s.answer("delete", conflict, "v")
			if tc.get != nil {
				s.answer("get", tc.get, "v")
			}

			deleted, err := s.Evict(t.Context(), victims("c")[0], victims("v"))

			require.ErrorIs(t, err, tc.want)
			require.Empty(t, deleted, "this call deleted nothing")
			require.Empty(t, s.Credits.Of("c", "n", func(*corev1.Pod) bool { return true }), "so there is nothing to credit")
		})
	}
}

// TestARefusalIsOneWhoeverHasTheName: only a conflict says that the victim may be gone.
func TestARefusalIsOneWhoeverHasTheName(t *testing.T) {
	s := newScene(t, victims("v")...)
	require.NoError(t, s.server.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "", "v"))
	s.answer("delete", no(), "v")
	_, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
	require.ErrorIs(t, err, ErrRefused)
}

func TestOnlyWhatWasDeletedIsEvicted(t *testing.T) {
	s := newScene(t, victims("v")...)
	require.False(t, s.Reservations.Evicted("v"), "it is reserved")
	require.False(t, s.Reservations.Evicted("other"))
	_, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
	require.NoError(t, err)
	require.True(t, s.Reservations.Evicted("v"))
}

func TestTheFirstRefusalOfSeveralEndsTheEviction(t *testing.T) {
	pods := victims("v", "w", "x")
	s := newScene(t, pods...)
	s.answer("delete", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "w", errors.New("no")), "w")

	deleted, err := s.Evict(t.Context(), victims("c")[0], pods)

	require.ErrorIs(t, err, ErrRefused)
	require.Equal(t, pods[:1], deleted)
	require.NotContains(t, s.deletions(), "x", "the consumer will not be bound, so this one may stay")
}

func TestAnEvictionWhoseAnswerIsLostIsCreditedIfTheVictimIsGone(t *testing.T) {
	for name, tc := range map[string]struct {
		answer error
		want   int
	}{
		"the connection broke":     {answer: errors.New("connection reset by peer"), want: 1},
		"the server failed inside": {answer: apierrors.NewInternalError(errors.New("etcd")), want: 1},
		"the server said no":       {answer: apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "v", errors.New("no"))},
		"the server is too busy":   {answer: apierrors.NewTooManyRequestsError("later")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, victims("v")...)
			s.answer("delete", tc.answer, "v")
			deleted, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
			require.ErrorIs(t, err, ErrRefused)
			require.Empty(t, deleted)
			require.Empty(t, s.Credits.Of("c", "n", func(*corev1.Pod) bool { return false }), "it is still there")
			require.Len(t, s.Credits.Of("c", "n", func(*corev1.Pod) bool { return true }), tc.want)
			_, known := s.Credits.To("v")
			require.Equal(t, tc.want == 1, known, "by whose decision it may have gone")
		})
	}
}

func TestADeletedVictimStaysReservedUntilTheSchedulersCacheHasLostIt(t *testing.T) {
	s := newScene(t, victims("v")...)
	_, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
	require.NoError(t, err)
	s.Reservations.Release("c", victims("v"))
	require.True(t, s.Reservations.Reserved("v"), "the informer has not told yet, and the next pod would take it once more")
	s.Reservations.ObserveNode("n", func(types.UID) bool { return false })
	require.False(t, s.Reservations.Reserved("v"))
}

func TestNothingIsEvictedThatIsNotReserved(t *testing.T) {
	s := newScene(t, victims("v")...)
	s.Reservations.Release("c", victims("v"))
	_, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
	require.ErrorContains(t, err, "is not reserved")
	require.Empty(t, s.deletions())
}

// TestAVictimThatWentByAnothersHandIsGoneForAllWhoseItIs: it is neither deleted again nor offered to the next pod, until the scheduler's
// cache has lost it.
func TestAVictimThatWentByAnothersHandIsGoneForAllWhoseItIs(t *testing.T) {
	notFound := apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "v")
	for name, gone := range map[string]func(t *testing.T, s *scene) *corev1.Pod{
		"the API server says so": func(_ *testing.T, s *scene) *corev1.Pod {
			s.answer("delete", notFound, "v")
			return victims("v")[0]
		},
		"the API server says so of one that finalizers kept": func(t *testing.T, s *scene) *corev1.Pod {
			s.answer("delete", notFound, "v")
			require.NoError(t, s.cached.Update(held()))
			return held()
		},
		"the informer has seen it": func(t *testing.T, s *scene) *corev1.Pod {
			require.NoError(t, s.cached.Delete(victims("v")[0]))
			victim := victims("v")[0]
			victim.DeletionTimestamp, victim.DeletionGracePeriodSeconds = &metav1.Time{}, ptr.To[int64](30)
			return victim
		},
		"the informer has seen the next of its name": func(t *testing.T, s *scene) *corev1.Pod {
			require.NoError(t, s.cached.Update(successor(victims("v")[0])))
			victim := victims("v")[0]
			victim.DeletionTimestamp, victim.DeletionGracePeriodSeconds = &metav1.Time{}, ptr.To[int64](30)
			return victim
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, victims("v")...)
			require.NoError(t, s.cached.Add(victims("d")[0]))
			victim := gone(t, s)
			s.Reservations.Reserve("d", []*corev1.Pod{victim})
			for _, consumer := range victims("c", "d") {
				deleted, err := s.Evict(t.Context(), consumer, []*corev1.Pod{victim})
				require.NoError(t, err)
				require.Empty(t, deleted)
				require.LessOrEqual(t, len(s.server.Actions()), 1, "for both together")
				require.True(t, s.Reservations.Evicted("v"))
				s.Reservations.Release(consumer.UID, []*corev1.Pod{victim})
				require.True(t, s.Reservations.Reserved("v"))
			}
			s.Reservations.ObserveNode("n", func(types.UID) bool { return false })
			require.False(t, s.Reservations.Reserved("v"))
		})
	}
}
