package growth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// TestOfSeveralUnitsThatAKilledSchedulerWasAboutToTakeThoseCountThatAreGone has the next one read what the first has written.
func TestOfSeveralUnitsThatAKilledSchedulerWasAboutToTakeThoseCountThatAreGone(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		gone, left, goneToo := &corev1.Pod{}, &corev1.Pod{}, &corev1.Pod{}
		gone.UID, left.UID, goneToo.UID = "gone", "left", "gone-too"
		announced, err := g.announce(t.Context(), g.web, []*corev1.Pod{gone, left, goneToo})
		require.NoError(t, err)
		present := []*corev1.Pod{announced, left}
		some, again, err := g.settleLeft(t.Context(), present)
		require.NoError(t, err)
		require.True(t, some)
		require.Equal(t, settleAfter, again)
		passes(settleAfter)
		_, again, err = g.settleLeft(t.Context(), present)
		require.NoError(t, err)
		require.Zero(t, again)
		took, err := swapevent.ParseAnnotation(g.annotations(t)[v1alpha1.AnnotationTook])
		require.NoError(t, err)
		require.Equal(t, []types.UID{"gone", "gone-too"}, took.Placeholders)
		require.NotContains(t, g.annotations(t), v1alpha1.AnnotationTaking)
	})
}

// TestAUnitThatAPodTookWhichIsBeingDeletedIsNotCreditedToAnother: a pod may take its time to go, and its account is written from what it took.
func TestAUnitThatAPodTookWhichIsBeingDeletedIsNotCreditedToAnother(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		contested, own := &corev1.Pod{}, &corev1.Pod{}
		contested.UID, own.UID = "contested", "own"
		announced, err := g.announce(t.Context(), g.web, []*corev1.Pod{contested, own})
		require.NoError(t, err)
		leaving := resized("leaving", "1")
		leaving.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		leaving.Annotations = map[string]string{v1alpha1.AnnotationTook: swapevent.Extend([]types.UID{"contested"}, nil)}
		present := []*corev1.Pod{announced, leaving}
		_, _, err = g.settleLeft(t.Context(), present)
		require.NoError(t, err)
		passes(settleAfter)
		_, _, err = g.settleLeft(t.Context(), present)
		require.NoError(t, err)
		took, err := swapevent.ParseAnnotation(g.annotations(t)[v1alpha1.AnnotationTook])
		require.NoError(t, err)
		require.Equal(t, []types.UID{"own"}, took.Placeholders)
	})
}
