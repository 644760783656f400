package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/consumption"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// leaves has somebody delete the first unit, which holds room: it is marked, and not gone yet.
func (s *scene) leaves(t *testing.T) *corev1.Pod {
	t.Helper()
	s.settle()
	pod := s.pods()["web-headroom-0"]
	pod.Spec.NodeName, pod.Finalizers = "n1", []string{"example.com/last-word"}
	require.NoError(t, s.api.Update(t.Context(), pod))
	s.settle()
	require.NoError(t, s.api.Delete(t.Context(), pod))
	s.settle()
	require.Equal(t, 2, len(s.pods()), "with the one that is leaving") //nolint:testifylint // of pods more than their number would fill pages
	return pod
}

// removed has the unit be gone that was leaving.
func (s *scene) removed(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	require.NoError(t, s.api.Get(t.Context(), client.ObjectKeyFromObject(pod), pod))
	pod.Finalizers = nil
	require.NoError(t, s.api.Update(t.Context(), pod))
	s.gone(pod)
}

// TestAUnitThatIsLeavingIsNotMadeAnewBeforeItsDelayBegins has the cache show that a unit was deleted, a moment before it is gone.
func TestAUnitThatIsLeavingIsNotMadeAnewBeforeItsDelayBegins(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{Delay: &metav1.Duration{Duration: 30 * time.Second}})
	s.removed(t, s.leaves(t))
	s.makesTheSecondAfter(t, 30*time.Second)
}

// TestAUnitThatIsLeavingIsNotMadeAnewBeforeTheLedgerKnows is the same of the policy Once.
func TestAUnitThatIsLeavingIsNotMadeAnewBeforeTheLedgerKnows(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{Policy: v1alpha1.RefillOnce})
	pod := s.leaves(t)
	s.removed(t, pod)
	s.ledger.Looked("n1", s.clock.Now(), []consumption.Bound{consumer("api", pod.UID)}, false)
	s.settle()
	require.Equal(t, 1, len(s.pods())) //nolint:testifylint // as above
}

// TestAUnitThatTheControllerDeletedHoldsNothingBack has one linger that scaling down deleted, and the Headroom grow again.
func TestAUnitThatTheControllerDeletedHoldsNothingBack(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{Delay: &metav1.Duration{Duration: 30 * time.Second}})
	s.settle()
	s.all(func(pod *corev1.Pod) { pod.Spec.NodeName, pod.Finalizers = "n1", []string{"example.com/last-word"} })
	for _, step := range []struct {
		replicas int32
		pods     int
	}{{1, 2}, {2, 3}} {
		s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = &step.replicas })
		s.settle()
		require.Equal(t, step.pods, len(s.pods()), "with the one that is leaving") //nolint:testifylint // as above
	}
}

// TestEachUnitThatHeldRoomAndIsLeavingOrWentUnseenWaitsForItsDelay, and none that held none, or that the controller deletes.
func TestEachUnitThatHeldRoomAndIsLeavingOrWentUnseenWaitsForItsDelay(t *testing.T) {
	of := func(uid types.UID, state topup.State, node string) unit {
		return unit{Unit: topup.Unit{UID: uid, State: state}, pod: &corev1.Pod{Spec: corev1.PodSpec{NodeName: node}}}
	}
	for name, tc := range map[string]struct {
		units []unit
		known []types.UID
		want  int
	}{
		"all are there":  {units: []unit{of("a", topup.Bound, "n1"), of("b", topup.Pending, "")}},
		"one is leaving": {units: []unit{of("a", topup.Terminating, "n1"), of("b", topup.Bound, "n1")}, want: 1},
		"three are leaving": {
			units: []unit{of("a", topup.Terminating, "n1"), of("b", topup.Terminating, "n1"), of("c", topup.Terminating, "n2")}, want: 3,
		},
		"one that held no room":           {units: []unit{of("a", topup.Terminating, "")}},
		"one that the controller deletes": {units: []unit{of("own", topup.Terminating, "n1")}},
		"two that the cache has lost":     {known: []types.UID{"a", "b"}, want: 2},
		"one of each": {
			units: []unit{of("a", topup.Terminating, "n1"), of("own", topup.Terminating, "n1")}, known: []types.UID{"b"}, want: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := refilled(t, 4, v1alpha1.Refill{Delay: &metav1.Duration{Duration: 30 * time.Second}})
			s.expectations.expectDeleted("own", topup.ReasonSurplus)
			for _, uid := range tc.known {
				s.departures.came(web, uid)
			}
			got := s.refill(s.headroom(), &observation{at: s.clock.Now(), units: tc.units})
			require.Equal(t, tc.want, got.Hold)
		})
	}
}
