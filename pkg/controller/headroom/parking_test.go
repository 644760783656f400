package headroom

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

const limitsReached = `Failed to schedule pod, all available instance types exceed limits for nodepool: "default"`

// findsNoRoom has the scheduler say so of a pod that waits.
func findsNoRoom(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" {
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available",
		}}
	}
}

// parkable is a scene with the Headroom web of 20 units that are parked after ten minutes, none of which finds room.
func parkable(t *testing.T, changes ...func(*v1alpha1.HeadroomSpec)) *scene {
	t.Helper()
	s, _ := refilled(t, 20, v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: 10 * time.Minute}})
	if len(changes) > 0 {
		s.change(changes[0])
	}
	s.settle()
	s.all(findsNoRoom)
	s.settle()
	require.Len(t, s.pods(), 20)
	return s
}

// passes has time pass, with reconciles when the controller asks for them.
func (s *scene) passes(d time.Duration) {
	s.t.Helper()
	for end := s.clock.Now().Add(d); s.clock.Now().Before(end); {
		left := end.Sub(s.clock.Now())
		if next := s.settle(); next > 0 {
			left = min(left, next)
		}
		s.clock.Step(left)
	}
	s.settle()
	s.all(findsNoRoom)
}

// waiting returns the units that wait for room.
func (s *scene) waiting() (waiting []*corev1.Pod) {
	s.t.Helper()
	for _, pod := range s.pods() {
		if pod.Spec.NodeName == "" {
			waiting = append(waiting, pod)
		}
	}
	return waiting
}

// roomComes has every unit that waits be bound.
func (s *scene) roomComes() {
	s.t.Helper()
	for _, pod := range s.waiting() {
		bind(pod)
		require.NoError(s.t, s.api.Update(s.t.Context(), pod))
		s.bound(pod)
	}
}

// says writes an event on a unit, as its component does.
func (s *scene) says(component, reason, note string) {
	s.t.Helper()
	pod := s.waiting()[0]
	require.NoError(s.t, s.api.Create(s.t.Context(), &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: reason + string(pod.UID)}, Reason: reason, Note: note,
		EventTime: metav1.NewMicroTime(s.clock.Now()), ReportingController: component,
		Regarding: corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}))
}

func TestUnitsThatWaitWhileNothingComesAreParked(t *testing.T) {
	s := parkable(t)
	s.passes(10*time.Minute - time.Second)
	require.Len(t, s.waiting(), 20)
	require.Equal(t, v1alpha1.ReasonWaitingForRoom, s.reason(v1alpha1.ConditionFilled))
	s.told("")
	s.passes(time.Second)
	require.Len(t, s.waiting(), 1)
	status := s.headroom().Status
	require.Equal(t, int32(19), status.ParkedReplicas)
	require.Equal(t, int32(1), status.PendingReplicas)
	require.Equal(t, int32(20), status.DesiredReplicas)
	require.Equal(t, int32(20), status.ScaleReplicas, "an autoscaler sees no loss")
	require.Equal(t, v1alpha1.ReasonAtCeiling, s.reason(v1alpha1.ConditionFilled))
	require.Equal(t, "0 of 20 units are bound, 19 more are parked: no room came for those that wait within spec.refill.parkAfter. "+
		"The scheduler says: 0/3 nodes are available", s.message(v1alpha1.ConditionFilled))
	require.Equal(t, v1alpha1.ReasonValid, s.reason(v1alpha1.ConditionReady))
	require.Len(t, s.told(EventParked), 1)
	for _, asked := range s.allotments.all {
		require.Zero(t, asked.missing, "it keeps no place of the window from others")
	}

	s.says("karpenter", "FailedScheduling", limitsReached)
	s.passes(time.Minute)
	require.Contains(t, s.message(v1alpha1.ConditionFilled), ". Karpenter says: "+limitsReached)

	s.writes()
	s.Reconciler = New(s.Options)
	s.passes(time.Hour)
	require.Empty(t, s.writes(), "a controller that starts leaves it parked")
	require.Equal(t, int32(19), s.headroom().Status.ParkedReplicas)

	for _, want := range []int{2, 4, 8, 5} {
		s.roomComes()
		s.settle()
		require.Len(t, s.waiting(), want)
	}
	require.Zero(t, s.headroom().Status.ParkedReplicas)
	require.NotEqual(t, v1alpha1.ReasonAtCeiling, s.reason(v1alpha1.ConditionFilled))
	require.Len(t, s.told(EventUnparked), 1)
	s.roomComes()
	s.settle()
	require.Equal(t, v1alpha1.ReasonFilled, s.reason(v1alpha1.ConditionFilled))
}

func TestAnAutoscalerThatAddsRoomIsWaitedFor(t *testing.T) {
	s := parkable(t)
	s.passes(8 * time.Minute)
	s.says("karpenter", "Nominated", "Pod should schedule on: nodeclaim/default-x")
	s.passes(9 * time.Minute)
	require.Len(t, s.waiting(), 20)
	s.passes(time.Minute)
	require.Len(t, s.waiting(), 1)
}

func TestTheSchedulersOwnEventIsNoWordOfKarpenter(t *testing.T) {
	s := parkable(t)
	s.says("default-scheduler", "FailedScheduling", "0/3 nodes, at length")
	s.says("cluster-autoscaler", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")
	s.passes(10 * time.Minute)
	require.Contains(t, s.message(v1alpha1.ConditionFilled), ". Cluster Autoscaler says: pod didn't trigger scale-up")
}

func TestAnotherTemplateIsTriedAnew(t *testing.T) {
	s := parkable(t)
	s.passes(10 * time.Minute)
	require.Len(t, s.waiting(), 1)
	s.change(func(spec *v1alpha1.HeadroomSpec) {
		spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}
	})
	s.settle()
	require.Len(t, s.waiting(), 20, "smaller units may find room")
	s.passes(11 * time.Minute)
	require.Len(t, s.waiting(), 1)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](30) })
	s.settle()
	require.Len(t, s.waiting(), 1, "more of the same do not")
	require.Equal(t, int32(29), s.headroom().Status.ParkedReplicas)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.Refill = nil })
	s.settle()
	require.Len(t, s.waiting(), 30)
	require.Zero(t, s.headroom().Status.ParkedReplicas)
	s.all(bind)
	s.change(func(spec *v1alpha1.HeadroomSpec) {
		spec.Replicas, spec.Refill = ptr.To[int32](35), &v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: 10 * time.Minute}}
	})
	s.settle()
	require.Len(t, s.waiting(), 5, "that it was parked before is over")
}

// TestABindingInTheFutureIsNoSignThatRoomComes: the clock that wrote it is ahead.
func TestABindingInTheFutureIsNoSignThatRoomComes(t *testing.T) {
	s := parkable(t)
	s.all(func(pod *corev1.Pod) {
		if pod.Name == "web-headroom-0" {
			bind(pod)
			pod.Status.Conditions = []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(epoch.Add(24 * time.Hour)),
			}}
		}
	})
	s.passes(10 * time.Minute)
	require.Len(t, s.waiting(), 1)
	require.Equal(t, int32(18), s.headroom().Status.ParkedReplicas)
}

func TestAProbeWaitsForEachDomain(t *testing.T) {
	s := parkable(t, func(spec *v1alpha1.HeadroomSpec) {
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
		}}
	})
	for _, zone := range []string{"b", "c"} {
		node := readyNode("node-" + zone)
		node.Labels[corev1.LabelTopologyZone] = zone
		require.NoError(t, s.api.Create(t.Context(), node))
	}
	s.passes(10 * time.Minute)
	require.Len(t, s.waiting(), 3)
	for i := range mostProbes {
		node := readyNode(fmt.Sprint("node-", i))
		node.Labels[corev1.LabelTopologyZone] = fmt.Sprint("zone-", i)
		require.NoError(t, s.api.Create(t.Context(), node))
	}
	s.passes(time.Minute)
	require.Len(t, s.waiting(), mostProbes, "however many domains there are")
}

// TestARolloutGoesOnAtTheCeiling: what it takes the place of is there, so that its units find room.
func TestARolloutGoesOnAtTheCeiling(t *testing.T) {
	s := parkable(t)
	for _, name := range []string{"web-headroom-0", "web-headroom-1", "web-headroom-2"} {
		pod := s.pods()[name]
		bind(pod)
		require.NoError(t, s.api.Update(t.Context(), pod))
		s.bound(pod)
	}
	s.passes(10 * time.Minute)
	require.Len(t, s.pods(), 4)
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.PodLabels = map[string]string{"a": "b"} })
	s.passes(11 * time.Minute) // it is parked once more
	require.Len(t, s.waiting(), 2, "a probe, and the one that takes the place of another")
	for range 3 {
		for _, pod := range s.waiting() {
			if pod.Annotations[v1alpha1.AnnotationFromRollout] != "" {
				bind(pod)
				require.NoError(t, s.api.Update(t.Context(), pod))
			}
		}
		s.passes(11 * time.Minute)
	}
	require.Zero(t, s.headroom().Status.OutdatedReplicas)
	require.Equal(t, int32(3), s.headroom().Status.ReadyReplicas)
}

func TestNewUnitsOfAParkedHeadroomLetPodsHaveRoomFirst(t *testing.T) {
	s := parkable(t)
	s.passes(10 * time.Minute)
	short := true
	s.Short = func(time.Time, map[string]string) bool { return short }
	s.roomComes()
	require.Equal(t, 5*time.Second, s.settle())
	require.Empty(t, s.waiting())
	require.Equal(t, int32(19), s.headroom().Status.ParkedReplicas)
	short = false
	s.clock.Step(5 * time.Second)
	s.settle()
	require.Len(t, s.waiting(), 2)
	short = true
	s.roomComes()
	s.passes(10*time.Minute - time.Second)
	require.Empty(t, s.waiting())
	s.passes(time.Second)
	require.NotEmpty(t, s.waiting(), "and never for longer")
}

// TestAProbeThatIsBoundWhileNoControllerRunsIsFollowedByAnother has a probe be bound while no controller runs.
func TestAProbeThatIsBoundWhileNoControllerRunsIsFollowedByAnother(t *testing.T) {
	s := parkable(t)
	s.passes(10 * time.Minute)
	pod := s.waiting()[0]
	bind(pod)
	require.NoError(t, s.api.Update(t.Context(), pod))
	s.Reconciler = New(s.Options)
	require.Equal(t, recallFor, s.settle())
	s.clock.Step(recallFor)
	s.settle()
	require.Len(t, s.waiting(), 1)
	require.Equal(t, 1, s.parkings.all[web].memory.Open)
}

// TestAControllerThatStartsKnowsOfAHeadroomThatHasOnlyProbes: no unit is parked besides, and an autoscaler says that it adds nodes.
func TestAControllerThatStartsKnowsOfAHeadroomThatHasOnlyProbes(t *testing.T) {
	s, _ := refilled(t, 1, v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: 10 * time.Minute}})
	s.settle()
	s.all(findsNoRoom)
	s.passes(10 * time.Minute)
	require.Equal(t, v1alpha1.ReasonAtCeiling, s.reason(v1alpha1.ConditionFilled))
	require.Zero(t, s.headroom().Status.ParkedReplicas)
	s.says("karpenter", "Nominated", "Pod should schedule on: nodeclaim/default-x")
	s.Reconciler = New(s.Options)
	s.passes(time.Minute)
	require.Equal(t, v1alpha1.ReasonAtCeiling, s.reason(v1alpha1.ConditionFilled))
}

// TestAUnitOfARolloutThatWaitsParksNothing: the room of the one that it replaces is there for it.
func TestAUnitOfARolloutThatWaitsParksNothing(t *testing.T) {
	s, _ := refilled(t, 2, v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: 10 * time.Minute}})
	s.settle()
	s.roomComes()
	s.settle()
	s.change(func(spec *v1alpha1.HeadroomSpec) { spec.PodLabels = map[string]string{"a": "b"} })
	s.settle()
	s.all(findsNoRoom)
	s.passes(time.Hour)
	require.Len(t, s.waiting(), 1)
	require.Equal(t, v1alpha1.ReasonWaitingForRoom, s.reason(v1alpha1.ConditionFilled))
}
