package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/headroom-dev/headroom/pkg/account"
)

// urgent gives a pod the priority of pods that are no placeholders.
func urgent(pod *corev1.Pod) {
	pod.Spec.Priority, pod.Spec.PriorityClassName = ptr.To[int32](1000), "urgent"
}

// TestOnlyUnitsOfTheHeadroomThatLivesAreInItsAccount: others of its label are those of an earlier Headroom of the name, and real pods.
func TestOnlyUnitsOfTheHeadroomThatLivesAreInItsAccount(t *testing.T) {
	unchanged := func(*corev1.Pod) {}
	earlierSet := onOneNode()
	earlierSet.UID = "uid-of-an-earlier-set"
	earlier := perNode()
	earlier.UID = namedAlike().UID
	setOfEarlier := daemonSetOf(earlier, func(*appsv1.DaemonSet) {})
	for name, tc := range map[string]struct {
		there []client.Object
		pod   *corev1.Pod
		want  int
	}{
		"a unit":                                     {[]client.Object{webOf(1)}, placeholderOf(webOf(1), 0, nil), 1},
		"a unit of its DaemonSet":                    {[]client.Object{perNode(), onOneNode()}, unitOfSet(onOneNode(), unchanged), 1},
		"one of an earlier Headroom of the name":     {[]client.Object{webOf(1)}, placeholderOf(namedAlike(), 0, nil), 0},
		"one of an earlier DaemonSet of the name":    {[]client.Object{perNode(), onOneNode()}, unitOfSet(earlierSet, unchanged), 0},
		"one of an earlier Headroom's DaemonSet":     {[]client.Object{perNode(), setOfEarlier}, unitOfSet(setOfEarlier, unchanged), 0},
		"one of a DaemonSet that is gone":            {[]client.Object{perNode()}, unitOfSet(onOneNode(), unchanged), 0},
		"one of a Headroom that is gone":             {nil, placeholderOf(webOf(1), 0, nil), 0},
		"a real pod that is dressed up":              {[]client.Object{webOf(1)}, placeholderOf(webOf(1), 0, urgent), 0},
		"a real pod that is dressed up, of that set": {[]client.Object{perNode(), onOneNode()}, unitOfSet(onOneNode(), urgent), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("when it goes", func(t *testing.T) {
				s := newScene(t, tc.there...)
				s.gone(tc.pod)
				require.Equal(t, tc.want, s.opened())
				require.Len(t, s.departures.since(web), tc.want)
			})
			t.Run("when it went while no controller ran", func(t *testing.T) {
				s := newScene(t, tc.there...)
				s.Departed(t.Context(), tc.pod, account.LossAbandoned)
				require.Equal(t, tc.want, s.opened())
				require.Len(t, s.departures.since(web), tc.want)
			})
			t.Run("when it is bound", func(t *testing.T) {
				s := newScene(t, tc.there...)
				s.Accounts.Went(web, s.clock.Now())
				s.clock.Step(5 * time.Second)
				s.bound(tc.pod)
				_, refills := s.counted("headroom_refill_duration_seconds")
				require.Equal(t, tc.want, refills)
				require.Equal(t, tc.want, s.parkings.take(web).bound)
			})
		})
	}
}

// TestOnlyAUnitOfADaemonSetOfTheHeadroomThatLivesFails: whatever else fails is no reason to make units more rarely.
func TestOnlyAUnitOfADaemonSetOfTheHeadroomThatLivesFails(t *testing.T) {
	earlier := perNode()
	earlier.UID = namedAlike().UID
	setOfEarlier := daemonSetOf(earlier, func(*appsv1.DaemonSet) {})
	for name, tc := range map[string]struct {
		set    *appsv1.DaemonSet
		change func(*corev1.Pod)
		want   bool
	}{
		"a unit":                                 {set: onOneNode(), change: func(*corev1.Pod) {}, want: true},
		"one of an earlier Headroom's DaemonSet": {set: setOfEarlier, change: func(*corev1.Pod) {}},
		"a real pod that is dressed up":          {set: onOneNode(), change: urgent},
	} {
		t.Run(name, func(t *testing.T) {
			running := unitOfSet(tc.set, tc.change)
			s := newScene(t, perNode(), tc.set, running)
			failed := running.DeepCopy()
			fail(failed)
			podHandler{s.Reconciler}.Update(t.Context(), event.TypedUpdateEvent[*corev1.Pod]{ObjectOld: running, ObjectNew: failed}, newQueue(t))
			_, failing := s.losses.entries[web]
			require.Equal(t, tc.want, failing)
		})
	}
}
