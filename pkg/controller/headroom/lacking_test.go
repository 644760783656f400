package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// TestADaemonSetLacksPodsThatAreNeitherThereNorWait: a pod that waits for room was not refused.
func TestADaemonSetLacksPodsThatAreNeitherThereNorWait(t *testing.T) {
	of := func(desired int32, states ...topup.State) *observation {
		set := daemonSetOf(perNode(), func(set *appsv1.DaemonSet) {
			set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled = set.Generation, desired
		})
		seen := &observation{daemonSet: set}
		for _, state := range states {
			seen.perNode = append(seen.perNode, unit{Unit: topup.Unit{State: state}})
		}
		return seen
	}
	stale := of(2, topup.Bound)
	stale.daemonSet.Generation++
	for name, tc := range map[string]struct {
		seen *observation
		want bool
	}{
		"none, where there is no DaemonSet":          {seen: &observation{}},
		"none, where none are to be":                 {seen: of(0)},
		"none, where all hold room or wait":          {seen: of(2, topup.Bound, topup.Pending)},
		"none, where there are more than should be":  {seen: of(1, topup.Pending, topup.Pending)},
		"none, as far as its controller has counted": {seen: stale},
		"one that is not there":                      {seen: of(2, topup.Bound), want: true},
		"one that is leaving":                        {seen: of(2, topup.Bound, topup.Terminating), want: true},
		"one that failed":                            {seen: of(2, topup.Pending, topup.Lost), want: true},
		"one in whose place a stranger stands":       {seen: of(2, topup.Bound, topup.Foreign), want: true},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, lacksPods(tc.seen)) })
	}
}

// TestPodsOfADaemonSetOfSomebodyElseMayFail: that they carry the label makes no units of them.
func TestPodsOfADaemonSetOfSomebodyElseMayFail(t *testing.T) {
	theirs := daemonSetOf(perNode(), func(set *appsv1.DaemonSet) { set.Name, set.UID, set.OwnerReferences = "theirs", "uid-theirs", nil })
	pod := placeholderOf(perNode(), 0, func(pod *corev1.Pod) {
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(theirs, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	})
	s := newScene(t, webOf(0), theirs, pod)
	failed := pod.DeepCopy()
	failed.Status.Phase = corev1.PodFailed
	for range repeatedly {
		podHandler{s.Reconciler}.Update(t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: pod, ObjectNew: failed}, newQueue(t))
		s.clock.Step(lastRetry)
	}
	s.reconcile()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
}

// TestAUnitIsPromisedWhateverElseKeepsItFromBeingTaken, which is told first.
func TestAUnitIsPromisedWhateverElseKeepsItFromBeingTaken(t *testing.T) {
	h := webOf(1)
	pod := placeholderOf(h, 0, nil)
	s := newScene(t, h, pod)
	away := readyNode("n1")
	cordoned(true)(away)
	for name, tc := range map[string]struct {
		node *corev1.Node
		want string
	}{
		"on a node like any other": {readyNode("n1"), "one on node n1 is promised to a pod that waits"},
		"on one that is cordoned":  {away, "node n1 is unschedulable"},
	} {
		t.Run(name, func(t *testing.T) {
			classes, err := s.classesOf(t.Context(), h)
			require.NoError(t, err)
			seen := &observation{classes: classes, domains: map[string]string{}, promised: sets.New[types.UID]()}
			nodes := map[string]*corev1.Node{"n1": tc.node}
			require.False(t, s.look(h, seen, pod, nodes, true).Promised, "not to anybody yet")
			seen.promised.Insert(pod.UID)
			u := s.look(h, seen, pod, nodes, true)
			require.True(t, u.Promised)
			require.True(t, u.Unavailable)
			require.Contains(t, u.unavailable, tc.want)
			require.False(t, s.look(h, seen, pod, nodes, false).Promised, "a pod that is no unit never is")
		})
	}
}
