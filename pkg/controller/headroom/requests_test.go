package headroom

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/allotment"
)

var podResource = schema.GroupResource{Resource: "pods"}

func notFound(name string) error { return apierrors.NewNotFound(podResource, name) }

func quotaExceeded() error {
	return apierrors.NewForbidden(podResource, "p", errors.New("exceeded quota: two, requested: pods=1"))
}

func TestEachDeletionIsOfThatObjectAlone(t *testing.T) {
	olderSpec := func(pod *corev1.Pod) { pod.Annotations[v1alpha1.AnnotationTemplateHash] = "older" }
	atOnce := client.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}
	for name, tc := range map[string]struct {
		units  int32
		object client.Object
		want   client.DeleteOptions
	}{
		"a unit too many":         {object: placeholderOf(webOf(0), 3, nil), want: atOnce},
		"a unit that failed":      {units: 1, object: placeholderOf(webOf(0), 0, fail), want: atOnce},
		"a unit of an older spec": {units: 1, object: placeholderOf(webOf(0), 0, olderSpec), want: atOnce},
		"a DaemonSet that is no longer wanted": {
			object: daemonSetOf(perNode(), func(*appsv1.DaemonSet) {}), want: client.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, webOf(tc.units), tc.object)
			s.reconcile()
			tc.want.Preconditions = &metav1.Preconditions{UID: ptr.To(tc.object.GetUID())}
			require.Equal(t, map[string]client.DeleteOptions{tc.object.GetName(): tc.want}, s.deletions)
		})
	}
}

func TestADeletionOfAUnitThatIsGoneIsNoFailure(t *testing.T) {
	for name, answer := range map[string]error{
		"and another pod has its name": apierrors.NewConflict(podResource, "web-headroom-0", errors.New("the UID in the precondition does not match")),
		"and no pod has its name":      notFound("web-headroom-0"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, webOf(0), placeholderOf(webOf(0), 0, nil))
			s.answers["delete Pod"] = answer
			s.reconcile()
			require.Len(t, s.deletions, 1)
			deleted, _ := s.counted("headroom_placeholders_deleted_total")
			require.Zero(t, deleted, "somebody else did it")
			require.False(t, s.expectations.isDeleting("uid-web-headroom-0"))
		})
	}
}

func TestADeletionThatFailsIsTriedAgain(t *testing.T) {
	s := newScene(t, webOf(0), placeholderOf(webOf(0), 0, nil))
	s.answers["delete Pod"] = apierrors.NewInternalError(errors.New("etcd"))
	_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	require.ErrorContains(t, err, "deleting placeholder web-headroom-0")

	clear(s.answers)
	s.reconcile()
	require.Empty(t, s.pods())
}

// TestOnlyUnitsWhoseDeletionsAreAnsweredAreGone: the others may be there still, and count.
func TestOnlyUnitsWhoseDeletionsAreAnsweredAreGone(t *testing.T) {
	h := webOf(0)
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil), placeholderOf(h, 2, nil))
	s.idle = true // the cache shows none of it yet
	s.answers["delete Pod web-headroom-1"] = errBroken
	_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	require.ErrorIs(t, err, errBroken)
	require.Len(t, s.deletions, 3, "one, and then two at once")
	require.EqualValues(t, 2, s.headroom().Status.Replicas)
	require.False(t, s.expectations.isDeleting("uid-web-headroom-1"))
}

func TestAStatusIsWrittenOverTheOneThatWasReadAndNoOther(t *testing.T) {
	s := newScene(t, webOf(0))
	s.stale = s.headroom()
	touched := s.headroom()
	metav1.SetMetaDataAnnotation(&touched.ObjectMeta, "example.com/touched", "true")
	require.NoError(t, s.api.Update(t.Context(), touched))

	_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})

	require.True(t, apierrors.IsConflict(err), "%v", err)
}

func TestAFirstStatusHasItsZerosWrittenOut(t *testing.T) {
	s := newScene(t, webOf(0))
	s.reconcile()
	require.Len(t, s.patches, 1)
	for _, field := range []string{"desiredReplicas", "replicas", "readyReplicas", "pendingReplicas"} {
		require.Contains(t, s.patches[0], fmt.Sprintf("%q:0", field))
	}
	s.reconcile()
	require.Len(t, s.patches, 1, "nothing changed")
}

func TestACacheThatDoesNotShowTheLastStatusYetCausesNoConflict(t *testing.T) {
	s := newScene(t, webOf(0))
	before := s.headroom()
	s.reconcile()
	s.stale = before
	s.reconcile()
	require.Len(t, s.patches, 1)
}

func TestUnitsThatTheCacheDoesNotShowYetAreNotMadeTwice(t *testing.T) {
	s := newScene(t, webOf(2))
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0", "create Pod web-headroom-1"}, s.writes())
	s.hide()
	s.reconcile()
	require.Empty(t, s.writes())
	require.Equal(t, int32(2), s.headroom().Status.PendingReplicas)
}

// hide makes the cache show no pod yet.
func (s *scene) hide() {
	for _, pod := range s.pods() {
		s.unseen[pod.UID] = true
	}
}

func TestWhoseATakenNameIsIsFoundOut(t *testing.T) {
	for name, tc := range map[string]struct {
		pod *corev1.Pod
		// want is what is made in the next reconcile.
		want []string
	}{
		"one of an earlier attempt counts":    {pod: placeholderOf(webOf(1), 0, nil)},
		"a stranger's name is left to it":     {pod: stranger(), want: []string{"create Pod web-headroom-1"}},
		"one that went meanwhile can be made": {want: []string{"create Pod web-headroom-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, webOf(1))
			if tc.pod != nil {
				require.NoError(t, s.api.Create(t.Context(), tc.pod))
			}
			s.hide()
			s.answers["create Pod web-headroom-0"] = apierrors.NewAlreadyExists(podResource, "web-headroom-0")
			require.Equal(t, again, s.reconcile(), "the next look is soon")
			require.Equal(t, []string{"create Pod web-headroom-0"}, s.writes())
			clear(s.answers)
			s.reconcile()
			require.Equal(t, tc.want, s.writes())
		})
	}
}

// TestAUnitOfAnEarlierAttemptIsMadeAnewWhenItGoes: it is known from the API server's answer until the cache shows it, and no longer.
func TestAUnitOfAnEarlierAttemptIsMadeAnewWhenItGoes(t *testing.T) {
	s := newScene(t, webOf(1), placeholderOf(webOf(1), 0, nil))
	s.hide()
	s.reconcile()
	unit := s.pods()["web-headroom-0"]
	podHandler{s.Reconciler}.Create(t.Context(), event.TypedCreateEvent[*corev1.Pod]{Object: unit}, newQueue(t))
	clear(s.unseen)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0"}, s.writes(), "it is there")
	require.Equal(t, int32(1), s.headroom().Status.ReadyReplicas)

	require.NoError(t, s.api.Delete(t.Context(), unit))
	s.gone(unit)
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-1"}, s.writes())
}

func TestAStrangersNameIsLeftToItForAWhile(t *testing.T) {
	for name, labels := range map[string]map[string]string{
		"a pod without the label": nil, "a pod that carries the label of another Headroom": {v1alpha1.LabelHeadroom: "db"},
	} {
		t.Run(name, func(t *testing.T) {
			there := stranger()
			there.Labels = labels
			s := newScene(t, webOf(1), there)
			s.unseen["stranger"] = true
			s.reconcile()
			s.reconcile()
			require.Equal(t, []string{"create Pod web-headroom-0", "create Pod web-headroom-1"}, s.writes())
			// What the cache shows of other pods says nothing about one that it never has.
			newer := placeholderOf(webOf(1), 1, func(pod *corev1.Pod) { pod.ResourceVersion = "1000000" })
			podHandler{s.Reconciler}.Create(t.Context(), event.TypedCreateEvent[*corev1.Pod]{Object: newer}, newQueue(t))
			s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](2) })
			s.reconcile()
			require.Equal(t, []string{"create Pod web-headroom-2"}, s.writes())

			require.NoError(t, s.api.Delete(t.Context(), stranger()))
			s.clock.Step(takenMemory + time.Second)
			s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](3) })
			s.reconcile()
			require.Equal(t, []string{"create Pod web-headroom-0"}, s.writes())
		})
	}
}

// stranger has the name of a placeholder and nothing else of one.
func stranger() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-headroom-0", UID: "stranger"}}
}

func TestANodeThatOnlyTheAPIServerKnowsIsThere(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, func(pod *corev1.Pod) { pod.Spec.NodeName = "new" }))
	require.NoError(t, s.api.Create(t.Context(), readyNode("new")))
	s.unseen["new"] = true
	s.reconcile()
	require.Empty(t, s.writes())
	require.Equal(t, int32(1), s.headroom().Status.ReadyReplicas)
}

func TestAUnitOnANodeThatIsGoneIsReplaced(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, func(pod *corev1.Pod) { pod.Spec.NodeName = "gone" }))
	s.reconcile()
	require.Equal(t, []string{"delete Pod web-headroom-0", "create Pod web-headroom-1"}, s.writes())
}

func TestAHeadroomThatIsBeingDeletedIsLeftAlone(t *testing.T) {
	h := webOf(2)
	h.Finalizers, h.DeletionTimestamp = []string{"example.com/hold"}, ptr.To(metav1.NewTime(epoch))
	s := newScene(t, h)
	s.wantsMore()
	s.reconcile()
	require.Empty(t, s.requests)
	require.Zero(t, s.allotments.all[web].missing, "it keeps no place from others")
}

// wantsMore has the Headroom web have one unit, and want more than the window has places.
func (s *scene) wantsMore() {
	s.allotments = newAllotments(allotment.Limits{Pending: 1}, s.clock, func(types.NamespacedName) {})
	s.allotments.ask(web, request{units: map[types.UID]bool{}, missing: 3})
	s.allotments.made(web, []types.UID{"a"}, nil)
	require.Equal(s.t, 2, s.allotments.all[web].missing)
}

func TestAHeadroomThatIsGoneBeforeItsStatusIsWrittenIsNoError(t *testing.T) {
	s := newScene(t, webOf(0))
	s.answers["report Headroom"] = notFound("web")
	s.reconcile()
	require.Len(t, s.patches, 1)
}

func TestWhileASpecIsRefusedOnlyWhatIsTooManyGoes(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, nil), placeholderOf(h, 1, nil))
	require.NoError(t, s.api.Delete(t.Context(), &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "headroom"}}))
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" })
	s.reconcile()
	require.Equal(t, []string{"delete Pod web-headroom-1"}, s.writes())
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](2) })
	s.reconcile()
	require.Empty(t, s.writes())
}

func TestARolloutAsksTheAPIServerBeforeItGivesAUnitUp(t *testing.T) {
	for name, tc := range map[string]struct {
		answer error
		goes   bool
	}{
		"that would accept the new one": {goes: true},
		"that refuses it":               {answer: apierrors.NewForbidden(podResource, "p", errors.New("violates PodSecurity"))},
		"that has it within a quota which the old one gives its share back to": {answer: quotaExceeded(), goes: true},
		"that has a pod of the name which it is asked about": {
			answer: apierrors.NewAlreadyExists(podResource, "web-headroom-1048576"), goes: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := webOf(1)
			s := newScene(t, h, placeholderOf(h, 0, nil))
			s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Requests[corev1.ResourceCPU] = resource.MustParse("2") })
			if tc.answer != nil {
				s.answers["try Pod"] = tc.answer
			}
			s.reconcile()
			want := []string{"try Pod web-headroom-1048576"}
			if tc.goes {
				want = append(want, "delete Pod web-headroom-0", "create Pod web-headroom-1")
			}
			require.Equal(t, want, s.writes())
		})
	}
}

func TestAReplacementKnowsThatARolloutMadeIt(t *testing.T) {
	h := webOf(1)
	s := newScene(t, h, placeholderOf(h, 0, nil))
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Image = "example.com/other" })
	s.answers["create Pod"] = quotaExceeded()
	wait := s.reconcile()
	require.Empty(t, s.pods())

	clear(s.answers)
	s.clock.Step(wait)
	s.reconcile()
	require.Equal(t, "true", s.pods()["web-headroom-1"].Annotations[v1alpha1.AnnotationFromRollout],
		"also if it could not be made in the same reconcile that gave the old one up")
	require.Zero(t, s.rollouts.pendingReplacements(web))
}

func TestNoReconcileWritesWithoutEnd(t *testing.T) {
	const units = maxWrites + 20
	older := make([]client.Object, units)
	for i := range older {
		older[i] = placeholderOf(webOf(units), i, func(pod *corev1.Pod) {
			pod.Spec.NodeName = ""
			pod.Annotations[v1alpha1.AnnotationTemplateHash] = "older"
		})
	}
	for name, tc := range map[string]struct {
		wanted      int32
		there       []client.Object
		first, then int
	}{
		"units that are made":     {wanted: units, first: maxWrites, then: units - maxWrites},
		"units that are replaced": {wanted: units, there: older, first: 1 + 2*maxWrites, then: 1 + 2*(units-maxWrites)}, // the API server is asked once
		"units that go":           {there: older, first: maxWrites, then: units - maxWrites},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, append([]client.Object{webOf(tc.wanted)}, tc.there...)...)
			s.idle = true
			require.Equal(t, again, s.reconcile())
			require.Len(t, s.writes(), tc.first)
			s.reconcile()
			require.Len(t, s.writes(), tc.then)
		})
	}
}

func TestOfTwoProblemsTheLaterIsTold(t *testing.T) {
	first, second := &problem{reason: "first"}, &problem{reason: "second"}
	require.Equal(t, second, outcome{problem: first}.and(outcome{problem: second}).problem)
	require.Equal(t, first, outcome{problem: first}.and(outcome{}).problem)
	require.Equal(t, time.Second, outcome{retry: time.Minute}.and(outcome{retry: time.Second}).retry)
	require.Equal(t, time.Minute, outcome{retry: time.Minute}.and(outcome{}).retry)
	require.Equal(t, []types.UID{"a", "b"}, outcome{deleted: []types.UID{"a"}}.and(outcome{deleted: []types.UID{"b"}}).deleted)
}

// What the cache shows of web says nothing about a pod of db, which it shows under another Headroom.
func TestANameThatAPodOfAnotherHeadroomHadIsTriedAgain(t *testing.T) {
	there := stranger()
	there.Labels = map[string]string{v1alpha1.LabelHeadroom: "db"}
	s := newScene(t, webOf(1), there)
	s.unseen["stranger"] = true
	s.reconcile()
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0", "create Pod web-headroom-1"}, s.writes())
	require.NoError(t, s.api.Delete(t.Context(), there))
	s.clock.Step(takenMemory + time.Second)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](2) })
	s.reconcile()
	require.Equal(t, []string{"create Pod web-headroom-0"}, s.writes())
}
