package headroom

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/allotment"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// onOneNode is the DaemonSet of the Headroom web, which has all that it should have: one unit.
func onOneNode() *appsv1.DaemonSet {
	return daemonSetOf(perNode(), func(set *appsv1.DaemonSet) {
		set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled, set.Status.UpdatedNumberScheduled = 1, 1, 1
	})
}

// unitOfSet is a unit that the DaemonSet made, changed.
func unitOfSet(set *appsv1.DaemonSet, change func(*corev1.Pod)) *corev1.Pod {
	return placeholderOf(perNode(), 0, func(pod *corev1.Pod) {
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
		pod.Annotations[v1alpha1.AnnotationTemplateHash] = set.Spec.Template.Annotations[v1alpha1.AnnotationTemplateHash]
		change(pod)
	})
}

// injected plays a webhook that adds a container.
func injected(pod *corev1.Pod) { pod.Spec.InitContainers = []corev1.Container{{Name: "mesh-proxy"}} }

func TestADaemonSetThatHasAsManyUnitsAsItMayWantsNoMore(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set, unitOfSet(set, func(*corev1.Pod) {}))
	s.allotments = newAllotments(allotment.Limits{PerHeadroom: 1}, s.clock, s.allotments.wake)
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
}

func TestADaemonSetThatWasRightIsComparedAgainWhenSomebodyChangedIt(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set, unitOfSet(set, func(*corev1.Pod) {}))
	s.reconcile()
	require.Empty(t, s.writes())

	require.NoError(t, s.api.Get(t.Context(), client.ObjectKeyFromObject(set), set))
	set.Spec.Template.Spec.Containers[0].Image = "example.com/other"
	set.Generation++
	require.NoError(t, s.api.Update(t.Context(), set))
	s.reconcile()
	require.Equal(t, []string{"update DaemonSet web-headroom"}, s.writes())
}

// TestAUsedUpQuotaKeepsNoUnitThatAdmissionChanged: the unit gives its share back.
func TestAUsedUpQuotaKeepsNoUnitThatAdmissionChanged(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set, unitOfSet(set, injected))
	s.answers["try Pod"] = quotaExceeded()
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576", "delete Pod web-headroom-0"}, s.writes())
}

func TestAHeadroomIsNotFilledWhileAUnitOfItsDaemonSetIsNotAsItShouldBe(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set, unitOfSet(set, injected))
	s.deviations.failed(web, 1, nil) // it was tried a moment ago
	s.reconcile()
	require.Empty(t, s.writes())
	require.Equal(t, v1alpha1.ReasonRollingOut, s.reason(v1alpha1.ConditionFilled))
}

func TestAUnitThatItsDaemonSetReplacesIsNotAbandoned(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		want   account.Loss
	}{
		"one of an older template": {
			change: func(pod *corev1.Pod) { pod.Annotations[v1alpha1.AnnotationTemplateHash] = "older" }, want: account.LossReplaced,
		},
		"one of its own template": {change: func(*corev1.Pod) {}, want: account.LossAbandoned},
	} {
		t.Run(name, func(t *testing.T) {
			set := onOneNode()
			s := newScene(t, perNode(), set)
			s.gone(unitOfSet(set, tc.change))
			s.clock.Step(account.Patience)
			s.ledger.Looked("n1", s.clock.Now(), nil, false)
			require.Equal(t, map[string]float64{string(tc.want): 1}, s.label("headroom_lost_total", "reason"))
		})
	}
}

func TestADaemonSetThatSomebodyMadeAnewIsComparedAnew(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set)
	s.reconcile()
	require.NoError(t, s.api.Delete(t.Context(), set))
	anew := onOneNode()
	anew.UID = "uid-anew" // of the same generation
	anew.Spec.Template.Spec.Containers[0].Image = "example.com/other"
	require.NoError(t, s.api.Create(t.Context(), anew))
	s.reconcile()
	require.Contains(t, s.writes(), "update DaemonSet web-headroom")
}

func TestUnitsOfAnEarlierDaemonSetOfTheNameAreNotCounted(t *testing.T) {
	earlier := onOneNode()
	earlier.UID = "uid-of-an-earlier-set"
	s := newScene(t, perNode(), onOneNode(), unitOfSet(earlier, func(*corev1.Pod) {}))
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes(), "one is missing, and nothing is done to a stranger")
	require.Zero(t, s.headroom().Status.Replicas)
}

func TestADaemonSetIsNotMadeWhereTheNamespaceHasAsManyUnitsAsItMay(t *testing.T) {
	s := newScene(t, perNode())
	s.allotments = newAllotments(allotment.Limits{PerNamespace: 1}, s.clock, s.allotments.wake)
	s.allotments.observed(named("db"), "uid-db", false)
	s.reconcile()
	require.Empty(t, s.writes())
	require.Equal(t, v1alpha1.ReasonLimitReached, s.reason(v1alpha1.ConditionReady))
	s.allotments.gone(named("db"), "uid-db")
	s.reconcile()
	require.Contains(t, s.writes(), "create DaemonSet web-headroom")
}

// TestAUnitOfTheHeadroomItselfThatFailsCountsWhenItIsReplaced: not when it is seen to fail, too.
func TestAUnitOfTheHeadroomItselfThatFailsCountsWhenItIsReplaced(t *testing.T) {
	unit := placeholderOf(webOf(1), 0, nil)
	s := newScene(t, webOf(1), unit)
	failed := unit.DeepCopy()
	fail(failed)
	podHandler{s.Reconciler}.Update(t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: unit, ObjectNew: failed}, newQueue(t))
	require.Empty(t, s.losses.entries)
}

// TestADaemonSetThatNobodyTouchedIsComparedOnce: each comparison is a request.
func TestADaemonSetThatNobodyTouchedIsComparedOnce(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set, unitOfSet(set, func(*corev1.Pod) {}))
	for range 3 {
		s.reconcile()
		require.Equal(t, 1, s.compared)
	}
}

// TestAUnitOfADaemonSetStaysIfTheNextWouldBeNoBetter: whether it still would is asked ever more rarely.
func TestAUnitOfADaemonSetStaysIfTheNextWouldBeNoBetter(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set, unitOfSet(set, injected))
	s.admit = injected
	for _, want := range []time.Duration{1, 2, 4} {
		require.Equal(t, want*time.Second, s.reconcile())
		require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
		s.reconcile()
		require.Empty(t, s.writes(), "not before the time is up")
		s.clock.Step(want * time.Second)
	}
	s.admit = nil
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576", "delete Pod web-headroom-0"}, s.writes())
	require.Equal(t, map[string]float64{string(topup.ReasonNonconforming): 1}, s.label("headroom_placeholders_deleted_total", "reason"))
}

// TestAUnitOfADaemonSetStaysWhereTheNextOneWouldBeRefused, which is told; what fails otherwise is an error.
func TestAUnitOfADaemonSetStaysWhereTheNextOneWouldBeRefused(t *testing.T) {
	set := onOneNode()
	s := newScene(t, perNode(), set, unitOfSet(set, injected))
	s.answers["try Pod"] = apierrors.NewForbidden(podResource, "p", errors.New("violates PodSecurity"))
	s.reconcile()
	require.Equal(t, []string{"try Pod web-headroom-1048576"}, s.writes())
	require.Equal(t, v1alpha1.ReasonAdmissionRefused, s.reason(v1alpha1.ConditionReady))

	for _, fails := range []string{"try Pod", "delete Pod"} {
		s = newScene(t, perNode(), onOneNode(), unitOfSet(onOneNode(), injected))
		s.answers[fails] = errBroken
		_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
		require.ErrorIs(t, err, errBroken, fails)
		require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady), "the user can do nothing about it")
		clear(s.answers)
		s.clock.Step(firstRetry)
		s.reconcile()
		require.Empty(t, s.pods())
	}
}
