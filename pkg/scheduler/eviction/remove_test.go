package eviction

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

// credited is how many placeholders are credited to the consumer c, where the API server has none of them any more.
func (s *scene) credited() int {
	return len(s.Credits.Of("c", "n", func(*corev1.Pod) bool { return true }))
}

func TestAPlaceholderThatGoesForItsNodeIsMarkedFirst(t *testing.T) {
	victim := victims("v")[0]
	s := newScene(t, victim)
	marks := 0
	removed, err := s.Remove(t.Context(), victim, func(context.Context) {
		marks++
		require.Empty(t, s.deletions(), "what is gone cannot be marked")
	})
	require.NoError(t, err)
	require.True(t, removed)
	require.Equal(t, 1, marks)
	require.Equal(t, map[string]metav1.DeleteOptions{
		"v": {GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &victim.UID}},
	}, s.deletions(), "a later pod of the name is none of its business")
}

func TestAPlaceholderGoesForItsNodeOrForAPodAndNotForBoth(t *testing.T) {
	unmarked := func(context.Context) { t.Error("a pod took it, and its last state says something else") }
	t.Run("the swap was first", func(t *testing.T) {
		s := newScene(t, victims("v")...)
		deleted, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
		require.NoError(t, err)
		require.Len(t, deleted, 1)
		removed, err := s.Remove(t.Context(), victims("v")[0], unmarked)
		require.NoError(t, err)
		require.False(t, removed)
		require.Equal(t, 1, s.credited())
	})
	t.Run("the node was first", func(t *testing.T) {
		s := newScene(t, victims("v")...)
		removed, err := s.Remove(t.Context(), victims("v")[0], func(context.Context) {})
		require.NoError(t, err)
		require.True(t, removed)
		deleted, err := s.Evict(t.Context(), victims("c")[0], victims("v"))
		require.NoError(t, err, "the room is there all the same")
		require.Empty(t, deleted)
		require.Zero(t, s.credited())
	})
	t.Run("the swap comes between the mark and the deletion", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, victims("v")...)
			evicted := make(chan int, 1)
			removed, err := s.Remove(t.Context(), victims("v")[0], func(ctx context.Context) {
				go func() {
					deleted, err := s.Evict(ctx, victims("c")[0], victims("v"))
					if err != nil {
						t.Error(err)
					}
					evicted <- len(deleted)
				}()
				synctest.Wait() // until it can do no more
			})
			require.NoError(t, err)
			require.True(t, removed)
			require.Zero(t, <-evicted)
			require.Zero(t, s.credited())
		})
	})
}

func TestAPlaceholderThatCouldNotGoForItsNodeIsThereForPods(t *testing.T) {
	s := newScene(t, victims("v")...)
	s.Reservations.Release("c", victims("v"))
	s.answer("delete", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "v", errors.New("no")), "v")
	removed, err := s.Remove(t.Context(), victims("v")[0], func(context.Context) {})
	require.ErrorIs(t, err, ErrRefused)
	require.False(t, removed)
	require.False(t, s.Reservations.Reserved("v"))
}

func TestAPlaceholderThatWentForItsNodeCountsAsGoneUntilTheSchedulersCacheHasLostIt(t *testing.T) {
	s := newScene(t, victims("v")...)
	s.Reservations.Release("c", victims("v"))
	_, err := s.Remove(t.Context(), victims("v")[0], func(context.Context) {})
	require.NoError(t, err)
	require.True(t, s.Reservations.Reserved("v"), "the informer has not told yet, and the next pod would take it")
}
