package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/topup"
)

func TestObstacleOf(t *testing.T) {
	pod := func(age time.Duration, gates []string, conditions ...corev1.PodCondition) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(epoch.Add(-age))}}
		p.Spec.SchedulerName, p.Status.Conditions = "headroom-sheduler", conditions
		for _, gate := range gates {
			p.Spec.SchedulingGates = append(p.Spec.SchedulingGates, corev1.PodSchedulingGate{Name: gate})
		}
		return p
	}
	says := func(reason, message string) corev1.PodCondition {
		return corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message}
	}
	gated := pod(time.Hour, []string{"b", "a"}, says(corev1.PodReasonSchedulingGated, "Scheduling is blocked"))
	noRoom := pod(time.Hour, nil, says(corev1.PodReasonUnschedulable, "0/3 nodes are available"))
	tests := map[string]struct {
		pending []*corev1.Pod
		want    obstacle
		again   time.Duration
	}{
		"none is pending": {},
		"gates are named once, in order": {
			pending: []*corev1.Pod{noRoom, gated, gated},
			want: obstacle{v1alpha1.ReasonGated, "Scheduling gates hold 2 placeholders back: a, b. Admission put them there; who did has to " +
				"take them away, or to leave out pods with the label headroom.dev/headroom."},
		},
		"no room, in the scheduler's words": {
			pending: []*corev1.Pod{pod(time.Hour, nil), noRoom},
			want:    obstacle{v1alpha1.ReasonWaitingForRoom, "The scheduler says: 0/3 nodes are available"},
		},
		"a scheduler that may still look": {pending: []*corev1.Pod{pod(59*time.Second, nil), pod(0, nil)}, again: time.Second},
		"no scheduler looks": {
			pending: []*corev1.Pod{pod(time.Minute, nil), pod(2*time.Minute, nil), pod(0, nil)},
			want: obstacle{v1alpha1.ReasonNoScheduler,
				`No scheduler has looked at 2 placeholders for a minute. Is there a scheduler named "headroom-sheduler"?`},
			again: time.Minute,
		},
		"a pod that is not created yet": {pending: []*corev1.Pod{{}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, again := obstacleOf(tc.pending, epoch)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.again, again)
		})
	}
}

func TestFailureOf(t *testing.T) {
	failed := unitIn(topup.Lost, "n1")
	failed.pod.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
	seen := &observation{units: []unit{unitIn(topup.Lost, "n2"), failed}}
	require.Equal(t, &problem{v1alpha1.ReasonUnitsFail, "The kubelet of node n1 says: Evicted: The node was low on resource: memory."},
		seen.failureOf("n1"))
	require.Nil(t, seen.failureOf("n2"), "its node is gone")
	require.Nil(t, seen.failureOf("n3"))
}

// TestWhatFailsAgainAndAgain: one failure is told of nowhere, three in a row are told of until it has not happened for two minutes.
func TestWhatFailsAgainAndAgain(t *testing.T) {
	clock := testclock.NewFakeClock(epoch)
	r, key, what := newRetries(clock), types.NamespacedName{Namespace: "shop", Name: "web"}, &problem{reason: v1alpha1.ReasonUnitsFail}
	for range 2 {
		clock.Step(r.failed(key, 1, what))
		got, _ := r.repeated(key, 1)
		require.Nil(t, got)
	}
	require.Equal(t, 4*time.Second, r.failed(key, 1, what))
	got, remaining := r.repeated(key, 1)
	require.Equal(t, what, got)
	require.Equal(t, 4*time.Second+retryMemory, remaining)
	got, _ = r.repeated(key, 2)
	require.Nil(t, got, "the spec is another one")
	clock.Step(remaining)
	got, remaining = r.repeated(key, 1)
	require.Nil(t, got)
	require.Zero(t, remaining)
}

// TestUnitsOfADaemonSetThatFailAgainAndAgainAreToldOf: its controller replaces them, most often before a reconcile sees them.
func TestUnitsOfADaemonSetThatFailAgainAndAgainAreToldOf(t *testing.T) {
	set := daemonSetOf(perNode(), func(set *appsv1.DaemonSet) {
		set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled, set.Status.UpdatedNumberScheduled = 1, 1, 1
	})
	unit := placeholderOf(perNode(), 0, func(pod *corev1.Pod) {
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
		pod.Annotations[v1alpha1.AnnotationTemplateHash] = set.Spec.Template.Annotations[v1alpha1.AnnotationTemplateHash]
	})
	s := newScene(t, perNode(), set, unit)
	failed := unit.DeepCopy()
	failed.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
	fails := func(before *corev1.Pod) {
		podHandler{s.Reconciler}.Update(t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: before, ObjectNew: failed}, newQueue(t))
	}
	for range repeatedly {
		s.reconcile()
		require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
		fails(unit)
		fails(unit) // at once, on another node
		s.clock.Step(lastRetry)
		fails(failed) // it is failed still
	}
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonUnitsFail, s.reason(v1alpha1.ConditionFilled))
	require.Contains(t, s.message(v1alpha1.ConditionFilled), "The kubelet of node n1 says: Evicted: The node was low on resource: memory.")
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
	s.clock.Step(retryMemory)
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled), "it has not happened for two minutes")
}

func TestAUnitIsLookedAtAgainWhenItsSchedulerShouldHaveLooked(t *testing.T) {
	s := newScene(t, webOf(1))
	require.Equal(t, unseenAfter, s.reconcile())
	s.clock.Step(unseenAfter)
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonNoScheduler, s.reason(v1alpha1.ConditionFilled))
}

func TestThatUnitsFailIsToldUntilItIsOver(t *testing.T) {
	s := newScene(t, webOf(1), placeholderOf(webOf(1), 0, nil))
	for range repeatedly {
		s.losses.failed(web, 1, &problem{reason: v1alpha1.ReasonUnitsFail, message: "why"})
	}
	require.Equal(t, 4*time.Second+retryMemory, s.reconcile())
	require.Equal(t, v1alpha1.ReasonUnitsFail, s.reason(v1alpha1.ConditionFilled))
}
