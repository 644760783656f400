package eviction

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// A pod that is marked as deleted with grace period 0 and yet there is what an API server leaves behind when its client dies
// between its two steps. No client can bring that about at will, hence the fake API server.
func TestWhichTerminatingVictimsAreDeletedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		grace      int64
		finalizers []string
		want       error
	}{
		"one whose deletion is half done is":           {grace: 0},
		"one that is given time is waited for":         {grace: 30, want: ErrStayed},
		"one that finalizers hold back is waited for":  {grace: 0, finalizers: []string{"example.com/hold"}, want: ErrStayed},
		"one with both is waited for, as long as told": {grace: 30, finalizers: []string{"example.com/hold"}, want: ErrStayed},
	} {
		t.Run(name, func(t *testing.T) {
			victim := victims("v")[0]
			victim.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			victim.DeletionGracePeriodSeconds = ptr.To(tc.grace)
			victim.Finalizers = tc.finalizers
			consumer := victims("c")[0]
			client := fake.NewClientset(victim, consumer)
			factory := informers.NewSharedInformerFactory(client, 0)
			pods := factory.Core().V1().Pods()
			require.NoError(t, pods.Informer().GetStore().Add(victim))
			require.NoError(t, pods.Informer().GetStore().Add(consumer))
			reservations := NewReservations(func(string) {})
			reservations.Reserve(consumer.UID, []*corev1.Pod{victim})
			evictor := &Evictor{
				Client: client, Pods: pods.Lister(), Reservations: reservations, Credits: NewCredits(clock.RealClock{}), Wait: time.Millisecond, Parallelism: 1,
			}

			deleted, err := evictor.Evict(t.Context(), consumer, []*corev1.Pod{victim})

			require.ErrorIs(t, err, tc.want)
			require.Equal(t, tc.want == nil, len(deleted) == 1)
			require.Equal(t, tc.want != nil, reservations.Stays(victim.UID), "one that stayed is not to be waited for again ...")
			reservations.Gone(victim.UID)
			require.False(t, reservations.Stays(victim.UID), "... until it is gone")
		})
	}
}

// unreadable are pods that cannot be looked up.
type unreadable struct{ err error }

func (u unreadable) Pods(string) corelisters.PodNamespaceLister { return u }

func (u unreadable) Get(string) (*corev1.Pod, error) { return nil, u.err }

func (u unreadable) List(labels.Selector) ([]*corev1.Pod, error) { return nil, u.err }

func TestNothingIsEvictedForAConsumerThatCannotBeLookedUp(t *testing.T) {
	s := newScene(t, victims("v")...)
	s.Pods = unreadable{err: errors.New("not synced")}
	deleted, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
	require.ErrorContains(t, err, "looking up pod")
	require.ErrorContains(t, err, "not synced")
	require.Empty(t, deleted)
	require.Empty(t, s.server.Actions())
}

func TestNothingIsEvictedForAConsumerThatIsNoLongerWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		now  func(consumer *corev1.Pod) *corev1.Pod
		want int
	}{
		"one that is there gets its room": {now: func(consumer *corev1.Pod) *corev1.Pod { return consumer }, want: 1},
		"one that is gone does not":       {now: func(*corev1.Pod) *corev1.Pod { return nil }},
		"one that is on its way does not": {now: func(consumer *corev1.Pod) *corev1.Pod {
			consumer.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			return consumer
		}},
		"one that was replaced by a pod of its name does not": {now: func(consumer *corev1.Pod) *corev1.Pod {
			consumer.UID = "successor"
			return consumer
		}},
	} {
		t.Run(name, func(t *testing.T) {
			victim, consumer := victims("v")[0], victims("c")[0]
			client := fake.NewClientset(victim)
			pods := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods()
			require.NoError(t, pods.Informer().GetStore().Add(victim))
			if current := tc.now(consumer.DeepCopy()); current != nil {
				require.NoError(t, pods.Informer().GetStore().Add(current))
			}
			reservations := NewReservations(func(string) {})
			reservations.Reserve(consumer.UID, []*corev1.Pod{victim})
			evictor := &Evictor{
				Client: client, Pods: pods.Lister(), Reservations: reservations, Credits: NewCredits(clock.RealClock{}), Wait: time.Minute, Parallelism: 1,
			}

			deleted, err := evictor.Evict(t.Context(), consumer, []*corev1.Pod{victim})

			require.Len(t, deleted, tc.want)
			require.Len(t, client.Actions(), tc.want, "requests to the API server")
			if tc.want == 0 {
				require.ErrorContains(t, err, "nothing was evicted")
				return
			}
			require.NoError(t, err)
		})
	}
}
