package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestUnitsThatFailAsFastAsTheyAreMadeAreMadeEverMoreRarely(t *testing.T) {
	s := newScene(t, webOf(2))
	s.reconcile()
	s.writes()
	for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		s.all(fail)
		s.reconcile()
		require.Len(t, s.writes(), 4, "two go and two come")

		s.all(fail)
		want := seconds * time.Second
		require.Equal(t, want, s.reconcile())
		s.clock.Step(want - time.Millisecond)
		require.Equal(t, time.Millisecond, s.reconcile(), "whatever happens until then")
		require.Empty(t, s.writes())
		s.clock.Step(time.Millisecond)
	}
}

func TestWhatWasRefusedIsTriedAgainEverMoreRarely(t *testing.T) {
	s := newScene(t, webOf(1))
	s.answers["create Pod"] = quotaExceeded()
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		require.Equal(t, want, s.reconcile())
		require.Len(t, s.writes(), 1)
		require.Equal(t, v1alpha1.ReasonQuotaExceeded, s.reason(v1alpha1.ConditionReady))
		s.clock.Step(want / 2)
		require.Equal(t, want/2, s.reconcile(), "not before the time is up, whoever asks")
		require.Empty(t, s.writes())
		require.Equal(t, v1alpha1.ReasonQuotaExceeded, s.reason(v1alpha1.ConditionReady), "and until then it is still so")
		s.clock.Step(want / 2)
	}
	clear(s.answers)
	require.Greater(t, s.reconcile(), 4*time.Second, "only to see whether a scheduler looks at the unit")
	require.Len(t, s.pods(), 1)

	s.answers["create Pod"] = quotaExceeded()
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](2) })
	require.Equal(t, time.Second, s.reconcile(), "what was refused before it was accepted no longer counts")
}

func TestASuccessEndsTheWaitForTheSameSpec(t *testing.T) {
	s := newScene(t, webOf(1))
	s.answers["create Pod"] = quotaExceeded()
	s.clock.Step(s.reconcile())
	clear(s.answers)
	s.reconcile()
	for _, pod := range s.pods() {
		require.NoError(t, s.api.Delete(t.Context(), pod))
		s.gone(pod)
	}
	s.answers["create Pod"] = quotaExceeded()
	require.Equal(t, time.Second, s.reconcile())
}

func TestAHeadroomThatIsMadeAnewHasNothingToWaitFor(t *testing.T) {
	s := newScene(t, webOf(1))
	s.answers["create Pod"] = quotaExceeded()
	s.reconcile()
	require.NoError(t, s.api.Delete(t.Context(), s.headroom()))
	s.reconcile()
	clear(s.answers)
	s.writes()
	anew := webOf(1)
	anew.UID = "uid-anew"
	require.NoError(t, s.api.Create(t.Context(), anew))
	s.reconcile()
	require.Len(t, s.writes(), 1)
}

func TestOnlyWhatTheNamespaceRefusesCountsAsRefused(t *testing.T) {
	s := newScene(t, webOf(1))
	s.answers["create Pod"] = quotaExceeded()
	s.reconcile()
	refused, _ := s.counted("headroom_placeholders_refused_total")
	require.InDelta(t, 1, refused, 0)
	require.NoError(t, s.api.Delete(t.Context(), &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "headroom"}}))
	s.reconcile()
	refused, _ = s.counted("headroom_placeholders_refused_total")
	require.InDelta(t, 1, refused, 0, "a spec that is refused is no refusal by the namespace")
}

// queue notes which Headrooms are to be looked at, at once or soon.
type queue struct {
	podQueue
	now, soon []types.NamespacedName
}

func newQueue(t *testing.T) *queue {
	t.Helper()
	inner := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(inner.ShutDown)
	return &queue{podQueue: inner}
}

func (q *queue) Add(request reconcile.Request) { q.now = append(q.now, request.NamespacedName) }

func (q *queue) AddAfter(request reconcile.Request, _ time.Duration) {
	q.soon = append(q.soon, request.NamespacedName)
}

// gone tells the Reconciler that the cache has shown that a pod is gone, and bound that one was bound.
func (s *scene) gone(pod *corev1.Pod) {
	podHandler{s.Reconciler}.Delete(s.t.Context(), event.TypedDeleteEvent[*corev1.Pod]{Object: pod}, newQueue(s.t))
}

func (s *scene) bound(pod *corev1.Pod) {
	waiting := pod.DeepCopy()
	waiting.Spec.NodeName = ""
	podHandler{s.Reconciler}.Update(s.t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: waiting, ObjectNew: pod}, newQueue(s.t))
}

func TestARefillTimeIsThatOfAUnitThatIsMissed(t *testing.T) {
	h := webOf(1)
	for name, tc := range map[string]struct {
		before func(s *scene)
		want   int
	}{
		"one that a pod took": {before: func(*scene) {}, want: 1},
		"one that failed":     {before: func(s *scene) { s.all(fail); s.reconcile() }, want: 1},
		"not one that was too many": {before: func(s *scene) {
			s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](0) })
			s.reconcile()
		}},
		"not one of an older spec": {before: func(s *scene) { s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "other" }); s.reconcile() }},
		"not one that had no room": {before: func(s *scene) { s.unbind() }},
		"not one of another's":     {before: func(s *scene) { s.disown() }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, h.DeepCopy(), placeholderOf(h, 0, nil))
			s.reconcile()
			tc.before(s)
			unit := placeholderOf(h, 0, nil)
			if pod := s.pods()[unit.Name]; pod != nil && pod.UID == unit.UID {
				unit = pod
			}
			s.gone(unit)
			s.clock.Step(5 * time.Second)
			s.bound(placeholderOf(h, 1, nil))
			seconds, times := s.counted("headroom_refill_duration_seconds")
			require.Equal(t, tc.want, times)
			require.InDelta(t, 5*tc.want, seconds, 0)
		})
	}
}

// unbind takes the node from every pod, disown the controller.
func (s *scene) unbind() { s.all(func(pod *corev1.Pod) { pod.Spec.NodeName = "" }) }

func (s *scene) disown() { s.all(func(pod *corev1.Pod) { pod.OwnerReferences = nil }) }

func TestALossThatNobodyMissesAnyMoreIsNoRefill(t *testing.T) {
	h := webOf(2)
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil))
	s.reconcile()
	lost := s.pods()["web-headroom-1"]
	require.NoError(t, s.api.Delete(t.Context(), lost))
	s.gone(lost)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](1) })
	s.reconcile()
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](2) })
	s.bound(placeholderOf(h, 2, nil))
	_, times := s.counted("headroom_refill_duration_seconds")
	require.Zero(t, times)
}

func TestAPodThatIsRelabeledHasBothHeadroomsLookedAt(t *testing.T) {
	s := newScene(t, webOf(1))
	before := placeholderOf(webOf(1), 0, nil)
	after := before.DeepCopy()
	after.Labels[v1alpha1.LabelHeadroom] = "db"
	s.departures.came(web, before.UID)
	s.allotments.observed(web, before.UID, false)
	q := newQueue(t)
	podHandler{s.Reconciler}.Update(t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: before, ObjectNew: after}, q)
	require.ElementsMatch(t, []types.NamespacedName{web, {Namespace: "shop", Name: "db"}}, q.soon)
	require.Zero(t, s.departures.unsettled(web, nil), "it is none of those of which an end is still to be told")
	require.NotContains(t, s.allotments.all, web, "nor does it count toward the limits of the one that lost it")
}

func TestAChangeOfABoundUnitIsNoRefill(t *testing.T) {
	h := webOf(2)
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil))
	s.reconcile()
	s.gone(s.pods()["web-headroom-1"])
	unit := s.pods()["web-headroom-0"]
	podHandler{s.Reconciler}.Update(t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: unit, ObjectNew: unit}, newQueue(t))
	_, times := s.counted("headroom_refill_duration_seconds")
	require.Zero(t, times)
	require.Zero(t, s.parkings.all[web].bound, "nor a sign that room comes")
}

func TestEachChangeOfAQuotaHasTheHeadroomsOfItsNamespaceLookedAt(t *testing.T) {
	elsewhere := webOf(1)
	elsewhere.Namespace, elsewhere.UID = "bank", "uid-of-the-bank"
	s := newScene(t, webOf(1), neighbor(), elsewhere)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "team"}}
	changed := s.quotaHandler()
	for name, tell := range map[string]func(podQueue){
		"a new one": func(q podQueue) { changed.Create(t.Context(), event.CreateEvent{Object: quota}, q) },
		"one that changed": func(q podQueue) {
			changed.Update(t.Context(), event.UpdateEvent{ObjectOld: quota, ObjectNew: quota}, q)
		},
		"one that was lifted": func(q podQueue) { changed.Delete(t.Context(), event.DeleteEvent{Object: quota}, q) },
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			tell(q)
			require.ElementsMatch(t, []types.NamespacedName{web, {Namespace: "shop", Name: "db"}}, q.soon)
			require.Empty(t, q.now, "each pod of the namespace changes its quotas")
		})
	}
}
