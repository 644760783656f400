package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// TestAUnitWhoseWholeLifeTheCacheSkippedIsNotMadeAnewAtOnce: a watch that broke off shows neither that it came nor that it went.
func TestAUnitWhoseWholeLifeTheCacheSkippedIsNotMadeAnewAtOnce(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{Policy: v1alpha1.RefillOnce})
	s.settle()
	s.all(bind)
	require.NoError(t, s.api.Delete(t.Context(), s.pods()["web-headroom-0"]))
	podHandler{s.Reconciler}.Create(t.Context(), event.TypedCreateEvent[*corev1.Pod]{Object: s.pods()["web-headroom-1"]}, newQueue(t))
	s.settle()
	require.Len(t, s.pods(), 1, "a pod may have taken it")
	s.clock.Step(absentMemory + time.Second)
	s.settle()
	require.Len(t, s.pods(), 2)
}

// TestOnlyAUnitOfARolloutEndsAStepOfIt: one that was missing besides takes the place of none.
func TestOnlyAUnitOfARolloutEndsAStepOfIt(t *testing.T) {
	h := webOf(3)
	s := newScene(t, h)
	s.rollouts.rolloutStep(web, 1)
	for _, step := range []struct {
		creation topup.Creation
		pending  int
	}{{topup.Creation{Ordinal: 0}, 1}, {topup.Creation{Ordinal: 1, FromRollout: true}, 0}} {
		pod, err := s.Reconciler.create(t.Context(), h, step.creation, placeholder.Place{})
		require.NoError(t, err)
		require.Equal(t, step.creation.FromRollout, placeholder.IsFromRollout(pod))
		require.Equal(t, step.pending, s.rollouts.pendingReplacements(web))
	}
}
