package eviction

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	testingclock "k8s.io/utils/clock/testing"
)

var errLost = errors.New("connection reset")

func TestWhoseEvictionItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		answer error
		want   int
	}{
		"the API server deleted it":          {want: 1},
		"it refused to":                      {answer: apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "v", errLost)},
		"it was gone, by another's hand":     {answer: apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "v")},
		"the answer was lost on the way":     {answer: errLost, want: 1},
		"the API server failed in the midst": {answer: apierrors.NewInternalError(errLost), want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			victim, consumer := victims("v")[0], victims("c")[0]
			client := fake.NewClientset(victim)
			client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return tc.answer != nil, nil, tc.answer })
			pods := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods()
			require.NoError(t, pods.Informer().GetStore().Add(consumer))
			reservations, credits := NewReservations(func(string) {}), NewCredits(testingclock.NewFakeClock(time.Unix(1, 0)))
			reservations.Reserve(consumer.UID, []*corev1.Pod{victim})
			evictor := &Evictor{
				Client: client, Pods: pods.Lister(), Reservations: reservations, Credits: credits, Wait: time.Minute, Parallelism: 1,
			}
			_, err := evictor.Evict(t.Context(), consumer, []*corev1.Pod{victim})
			require.Equal(t, tc.answer == nil || apierrors.IsNotFound(tc.answer), err == nil)
			require.Len(t, credits.Of("c", "n", func(*corev1.Pod) bool { return true }), tc.want)
		})
	}
}
