package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/allotment"
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
