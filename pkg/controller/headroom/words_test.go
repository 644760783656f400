package headroom

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestSentencesOfASizeAloneAreWrittenWhenTheyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, sizedWeb(0))
		pods := s.follow(t)
		close(pods.listed)
		s.reconcile()
		require.Equal(t, web, <-s.wake)
		s.reconcile()
		says := func(text string, writes int) {
			t.Helper()
			sized := s.headroom().Status.Sizing
			require.Contains(t, sized.Message, text)
			require.Contains(t, sized.Rules[0].Message, text)
			require.Len(t, s.patches, writes)
		}
		says("3 bound pods", 1)

		pods.come(3, 4)
		require.Equal(t, web, <-s.wake)
		require.Equal(t, wordsAfter, s.reconcile())
		s.clock.Step(wordsAfter / 2)
		require.Equal(t, wordsAfter/2, s.reconcile())
		says("3 bound pods", 1)
		s.clock.Step(wordsAfter / 2)
		s.reconcile()
		says("4 bound pods", 2)

		pods.leave(3)
		require.Equal(t, web, <-s.wake)
		require.Equal(t, wordsAfter, s.reconcile())
		pods.come(3, 4)
		require.Equal(t, web, <-s.wake)
		s.clock.Step(wordsAfter)
		s.reconcile()
		says("4 bound pods", 2)
		pods.leave(3)
		require.Equal(t, web, <-s.wake)
		require.Equal(t, wordsAfter, s.reconcile(), "in between it was as it was told")
		pods.come(3, 4)
		require.Equal(t, web, <-s.wake)
		s.reconcile()
		says("4 bound pods", 2)

		pods.come(4, 5)
		require.Equal(t, web, <-s.wake)
		s.all(bind)
		s.reconcile()
		says("5 bound pods", 3)
		require.EqualValues(t, 1, s.headroom().Status.ReadyReplicas, "with what else changed")

		pods.come(5, 11)
		require.Equal(t, web, <-s.wake)
		s.reconcile()
		says("11 bound pods", 4)
		require.EqualValues(t, 2, s.headroom().Status.Sizing.Replicas)
	})
}
