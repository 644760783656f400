package growth

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/evictionorder"
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

func TestWhatIsLeftOfEachPodOfANodeIsWrittenDown(t *testing.T) {
	taking := func(pod *corev1.Pod, what string) *corev1.Pod {
		pod.Namespace, pod.Annotations = "default", map[string]string{v1alpha1.AnnotationTaking: what}
		return pod
	}
	stranger := taking(resized("stranger", "2"), "first")
	stranger.Spec.SchedulerName = "another"
	bubble(t, func(s *scenery) {
		s.web, s.others = taking(s.web, "first"), []*corev1.Pod{stranger, taking(resized("db", "2"), "second")}
		s.web.ResourceVersion = "7"
	}, func(t *testing.T, g *growing) {
		g.Look("n")
		passes(settleAfter)
		require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "first"}, g.annotations(t))
		require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "second"}, g.annotationsOf(t, g.others[1]))
		require.Equal(t, stranger.Annotations, g.annotationsOf(t, stranger), "somebody else serves it")
		for _, action := range g.client.Actions() {
			if patch, ok := action.(clienttesting.PatchActionImpl); ok && patch.Name == "web" {
				require.Contains(t, string(patch.Patch), `"resourceVersion":"7"`, "whoever was killed may still have written it down")
			}
		}
	})
}

func TestWhatIsLeftIsKeptUntilItIsWrittenDown(t *testing.T) {
	bubble(t, func(s *scenery) {
		s.web.Annotations = map[string]string{v1alpha1.AnnotationTaking: "gone"}
	}, func(t *testing.T, g *growing) {
		var works atomic.Bool
		g.answers("patch", func(string) error {
			if works.Load() {
				return nil
			}
			return refusal(http.StatusInternalServerError, metav1.StatusReasonInternalError)
		})
		g.Look("n")
		passes(settleAfter)
		require.Contains(t, g.left, g.web.UID)
		require.Positive(t, g.queue.NumRequeues("n"))
		works.Store(true)
		passes(lastRetry)
		require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "gone"}, g.annotations(t))
		require.Empty(t, g.left)
	})
}

// TestWhomAUnitWentForIsKnownToTheSchedulerThatEvictedIt: what pods say that they took need not be asked.
func TestWhomAUnitWentForIsKnownToTheSchedulerThatEvictedIt(t *testing.T) {
	for name, tc := range map[string]struct{ consumer, want string }{
		"for this pod":    {"web", "unit"},
		"for another one": {"db", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *scenery) {
				s.others = []*corev1.Pod{beginner("db", "0")}
				s.web.Annotations = map[string]string{v1alpha1.AnnotationTaking: "unit"}
			}, func(t *testing.T, g *growing) {
				consumer := map[string]*corev1.Pod{"web": g.web, "db": g.others[0]}[tc.consumer]
				g.Reservations.Reserve(consumer.UID, g.units)
				_, err := g.profiles["ours"].Evictor.Evict(t.Context(), consumer, g.units)
				require.NoError(t, err)
				present := []*corev1.Pod{g.web, g.others[0]}
				_, _, err = g.settleLeft(t.Context(), present)
				require.NoError(t, err)
				passes(settleAfter)
				_, _, err = g.settleLeft(t.Context(), present)
				require.NoError(t, err)
				require.Equal(t, tc.want, g.annotations(t)[v1alpha1.AnnotationTook])
				_, known := g.Credits.To("unit")
				require.Equal(t, tc.want == "", known, "who is settled has no credit")
			})
		})
	}
}

func TestNothingIsWrittenDownOfAPodThatIsGone(t *testing.T) {
	bubble(t, func(*scenery) {}, func(t *testing.T, g *growing) {
		gone := resized("gone", "4")
		gone.Namespace = "default"
		require.NoError(t, g.settle(t.Context(), gone, []types.UID{"unit"}, false))
		_, err := g.announce(t.Context(), gone, g.units)
		require.ErrorContains(t, err, "default/gone")
	})
}

func TestOfNothingThatWasTakenNothingIsWrittenDown(t *testing.T) {
	bubble(t, func(s *scenery) {
		s.web.Annotations = map[string]string{v1alpha1.AnnotationTaking: "unit", v1alpha1.AnnotationTook: "earlier"}
	}, func(t *testing.T, g *growing) {
		require.NoError(t, g.settle(t.Context(), g.web, nil, true))
		require.Equal(t, map[string]string{v1alpha1.AnnotationTook: "earlier"}, g.annotations(t))
		for _, action := range g.client.Actions() {
			if patch, ok := action.(clienttesting.PatchActionImpl); ok {
				require.NotContains(t, string(patch.Patch), v1alpha1.AnnotationTook, "what others write meanwhile stays")
			}
		}
	})
}

func TestWhatAPodLacksIsDescribedInTheUnitsOfRequests(t *testing.T) {
	for want, missing := range map[string]evictionorder.Resources{
		"":                           {},
		"1500m of cpu":               {0, 1500},
		"2 of cpu":                   {0, 2000, 0, 0},
		"3Gi of memory":              {0, 0, 3 << 30, 0},
		"500m of cpu, 1Mi of memory": {0, 500, 1 << 20},
		"512Ki of ephemeral-storage": {0, 0, 0, 512 << 10},
		"1 of memory, 1 of pods":     {1, 0, 1, 0},
	} {
		require.Equal(t, want, describe(missing))
	}
}
