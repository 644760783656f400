package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/promised"
	"github.com/headroom-dev/headroom/pkg/metrics"
)

// TestWhatCannotBeReadIsAnErrorAndNoReasonToMakeUnits: what is not known is not taken for what is not there.
func TestWhatCannotBeReadIsAnErrorAndNoReasonToMakeUnits(t *testing.T) {
	for name, tc := range map[string]struct {
		unreadable string
		before     func(s *scene)
		want       string
		stage      string // gather, if nothing is said
		tried      []string
	}{
		"the Headroom":       {unreadable: "Headroom", want: "reading the Headroom"},
		"quotas":             {unreadable: "ResourceQuotaList", want: "listing ResourceQuotas"},
		"its PriorityClass":  {unreadable: "PriorityClass", want: `reading PriorityClass "headroom"`},
		"its DaemonSet":      {unreadable: "DaemonSet", want: "reading DaemonSet web-headroom"},
		"its units":          {unreadable: "PodList", want: "listing placeholders"},
		"the node of a unit": {unreadable: "Node", want: "reading node n1"},
		"the node of a unit that the cache does not have": {unreadable: "live Node", want: "reading node gone", before: func(s *scene) {
			s.all(func(pod *corev1.Pod) { pod.Spec.NodeName = "gone" })
		}},
		"the node that a pod waits for": {unreadable: "live Node", want: "reading node n1", before: func(s *scene) {
			s.nominations.Saw(waits("n1"))
			s.clock.Step(promised.Settle)
		}},
		"the pods of a node that a pod waits for": {unreadable: "live PodList", want: "listing the pods of node n1", before: func(s *scene) {
			s.nominations.Saw(waits("n1"))
			s.clock.Step(promised.Settle)
		}},
		"the pod that has the name of a unit": {
			unreadable: "live Pod", want: "reading the pod that has the name web-headroom-1", stage: metrics.StageApply,
			before: func(s *scene) { s.answers["create Pod"] = apierrors.NewAlreadyExists(podResource, "web-headroom-1") },
			tried:  []string{"create Pod web-headroom-1"},
		},
		"the LimitRanges of the namespace": {
			unreadable: "live LimitRangeList", want: "listing the LimitRanges", stage: metrics.StageApply,
			before: func(s *scene) { s.answers["create Pod"] = invalidPod() }, tried: []string{"create Pod web-headroom-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, webOf(2), placeholderOf(webOf(2), 0, nil))
			if tc.before != nil {
				tc.before(s)
			}
			s.unreadable[tc.unreadable] = errBroken
			_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
			require.ErrorIs(t, err, errBroken)
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, tc.tried, s.writes())
			if tc.stage == "" {
				tc.stage = metrics.StageGather
			}
			require.Equal(t, map[string]float64{tc.stage: 1}, s.label("headroom_reconcile_errors_total", "stage"))
		})
	}
}

func TestNodesThatCannotBeListedAreAnError(t *testing.T) {
	s := onLadder(t, 3)
	s.unreadable["NodeList"] = errBroken
	_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	require.ErrorIs(t, err, errBroken)
	require.Empty(t, s.writes())

	s, _ = refilled(t, 2, v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: time.Minute}})
	s.change(overZones)
	s.settle()
	s.all(findsNoRoom)
	s.clock.Step(time.Hour)
	s.unreadable["NodeList"] = errBroken
	_, err = s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	require.ErrorIs(t, err, errBroken)
}

// TestWhatTheAPIServerFailsToWriteIsAnErrorAndTriedAgain: the user can do nothing about it, and the status goes on to be written.
func TestWhatTheAPIServerFailsToWriteIsAnErrorAndTriedAgain(t *testing.T) {
	unmarked := func(pod *corev1.Pod) { delete(pod.Labels, v1alpha1.LabelHeadroom) }
	older := daemonSetOf(perNode(), func(set *appsv1.DaemonSet) {
		set.Spec.Template.Annotations[v1alpha1.AnnotationTemplateHash] = "older"
		set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled = 1, 3 // that it lacks pods hides no error
	})
	for name, tc := range map[string]struct {
		headroom *v1alpha1.Headroom
		there    client.Object
		admit    func(*corev1.Pod)
		fails    string
		want     string
	}{
		"a unit": {headroom: webOf(1), fails: "create Pod", want: "creating placeholder web-headroom-0"},
		"the deletion of a pod that admission made of a unit": {
			headroom: webOf(1), admit: unmarked, fails: "delete Pod", want: "deleting pod web-headroom-0, which admission made of a placeholder",
		},
		"a DaemonSet":                 {headroom: perNode(), fails: "create DaemonSet", want: "creating DaemonSet web-headroom"},
		"a change of a DaemonSet":     {headroom: perNode(), there: older, fails: "update DaemonSet", want: "updating DaemonSet web-headroom"},
		"the deletion of a DaemonSet": {headroom: webOf(0), there: older, fails: "delete DaemonSet", want: "deleting DaemonSet web-headroom"},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{tc.headroom.DeepCopy()}
			if tc.there != nil {
				objects = append(objects, tc.there.DeepCopyObject().(client.Object)) //nolint:forcetypeassert // it was one
			}
			s := newScene(t, objects...)
			s.admit = tc.admit
			s.answers[tc.fails] = errBroken
			_, err := s.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
			require.ErrorIs(t, err, errBroken)
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, map[string]float64{metrics.StageApply: 1}, s.label("headroom_reconcile_errors_total", "stage"))
			require.EqualValues(t, 1, s.headroom().Status.ObservedGeneration)

			s.admit = nil
			clear(s.answers)
			s.reconcile()
			require.NotEmpty(t, s.writes())
		})
	}
}

// TestWhatSomebodyElseDeletedFirstIsNoError: a conflict says that the object of that name is another one.
func TestWhatSomebodyElseDeletedFirstIsNoError(t *testing.T) {
	for name, answer := range map[string]error{
		"it is gone": notFound("x"), "another one has its name": apierrors.NewConflict(podResource, "x", errBroken),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, webOf(0), daemonSetOf(perNode(), func(*appsv1.DaemonSet) {}))
			s.answers["delete DaemonSet"] = answer
			s.reconcile()
			require.Contains(t, s.deletions, "web-headroom")

			s = newScene(t, webOf(1))
			s.admit = func(pod *corev1.Pod) { delete(pod.Labels, v1alpha1.LabelHeadroom) }
			s.answers["delete Pod"] = answer
			s.reconcile()
			require.Contains(t, s.deletions, "web-headroom-0")
			require.Equal(t, v1alpha1.ReasonAdmissionChanged, s.reason(v1alpha1.ConditionReady))
		})
	}
}

func TestANodeThatGoesWhileItIsLookedAtPromisesNothing(t *testing.T) {
	s := onNodes(t, 1)
	s.nominations.Saw(waits("node-0"))
	s.clock.Step(promised.Settle)
	s.unreadable["live Node"] = notFound("node-0")
	s.reconcile()
	require.EqualValues(t, 1, s.headroom().Status.ReadyReplicas)
}

// TestAnAutoscalerThatMayNotBeAskedKeepsNothingFromBeingParked: a controller may lack the right to read events and NodePools.
func TestAnAutoscalerThatMayNotBeAskedKeepsNothingFromBeingParked(t *testing.T) {
	s := parkable(t)
	s.unreadable["live EventList"], s.unreadable["live UnstructuredList"] = errBroken, errBroken
	s.passes(11 * time.Minute)
	require.Equal(t, v1alpha1.ReasonAtCeiling, s.reason(v1alpha1.ConditionFilled))
}
