package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
)

// world is a Headroom of two units, one bound and one waiting, with a true status.
func world() (*scene, *v1alpha1.Headroom) {
	h := builders.Headroom("spare", builders.Resources{"cpu": "1"}).Namespace("shop").UID("spare").Replicas(2).Obj()
	h.Generation, h.Spec.PriorityClassName = 3, "units"
	h.Status = v1alpha1.HeadroomStatus{ObservedGeneration: 3, Replicas: 2, DesiredReplicas: 2, ScaleReplicas: 2, ReadyReplicas: 1, PendingReplicas: 1,
		Spread: v1alpha1.SpreadStatus{Domains: []v1alpha1.DomainStatus{{Name: "a", ReadyReplicas: 1}}}, Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonValid},
			{Type: v1alpha1.ConditionFilled, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonWaitingForRoom},
		}}
	s := &scene{
		headrooms: []*v1alpha1.Headroom{h},
		classes:   map[string]*schedulingv1.PriorityClass{"units": class("units", -7, false)},
		pods:      []*corev1.Pod{builders.Placeholder(h, 0).UID("0").Node("n").Obj(), builders.Placeholder(h, 1).UID("1").Obj()},
	}
	for _, pod := range s.pods {
		pod.Spec.PriorityClassName = "units"
	}
	return s, h
}

// filled makes the world one in which all units are bound and the status says so.
func filled(s *scene, h *v1alpha1.Headroom) {
	s.pods[1].Spec.NodeName = "n"
	h.Status.ReadyReplicas, h.Status.PendingReplicas, h.Status.Spread.Domains[0].ReadyReplicas = 2, 0, 2
	h.Status.Conditions[1].Status, h.Status.Conditions[1].Reason = metav1.ConditionTrue, v1alpha1.ReasonFilled
}

// onLadder has the units on the two highest steps.
func onLadder(s *scene, h *v1alpha1.Headroom) {
	h.Spec.Ladder = v1alpha1.LadderEnabled
	steps := v1alpha1.LadderPriorityClasses()
	for i, pod := range s.pods {
		step := steps[len(steps)-1-i]
		value := int32(-1 - i) //nolint:gosec // two
		s.classes[step] = class(step, value, false)
		pod.Spec.PriorityClassName, pod.Spec.Priority = step, &value
	}
}

func notReady(h *v1alpha1.Headroom, reason string) {
	h.Status.Conditions[0].Status, h.Status.Conditions[0].Reason = metav1.ConditionFalse, reason
}

func TestWhatAHeadroomSaysIsComparedWithTheCluster(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(s *scene, h *v1alpha1.Headroom)
		want   []string
	}{
		"one unit waits, and it says so": {func(*scene, *v1alpha1.Headroom) {}, nil},
		"all is there, and it says so":   {filled, nil},
		"the status is of an older spec": {func(_ *scene, h *v1alpha1.Headroom) { h.Generation = 4 }, []string{Status}},
		"the status counts a unit twice": {func(_ *scene, h *v1alpha1.Headroom) { h.Status.ReadyReplicas = 2 }, []string{Status}},
		"a domain counts a unit twice":   {func(_ *scene, h *v1alpha1.Headroom) { h.Status.Spread.Domains[0].ReadyReplicas = 2 }, []string{Status}},
		"autoscalers are told of more":   {func(_ *scene, h *v1alpha1.Headroom) { h.Status.ScaleReplicas = 3 }, []string{Status}},
		"the refill holds units back, and it says so": {func(_ *scene, h *v1alpha1.Headroom) {
			h.Spec.Replicas, h.Spec.Refill = new(int32(3)), &v1alpha1.Refill{MaxPending: new(int32(1))}
			h.Status.DesiredReplicas, h.Status.ScaleReplicas = 3, 3
		}, nil},
		"it counts what was taken": {func(_ *scene, h *v1alpha1.Headroom) {
			h.Spec.Replicas, h.Spec.Refill = new(int32(5)), &v1alpha1.Refill{Policy: v1alpha1.RefillOnce}
			h.Status.Refill = &v1alpha1.RefillStatus{TakenReplicas: 3}
		}, nil},
		"it wants what was taken": {func(_ *scene, h *v1alpha1.Headroom) {
			h.Spec.Refill = &v1alpha1.Refill{Policy: v1alpha1.RefillOnce}
			h.Status.Refill = &v1alpha1.RefillStatus{TakenReplicas: 1}
		}, []string{Status}},
		"units are on a ladder": {func(s *scene, h *v1alpha1.Headroom) { filled(s, h); onLadder(s, h) }, nil},
		"a unit is on no step": {func(s *scene, h *v1alpha1.Headroom) {
			filled(s, h)
			onLadder(s, h)
			s.pods[1].Spec.PriorityClassName = v1alpha1.DefaultPriorityClassName
		}, []string{Size}},
		"a unit is not reserved": {func(s *scene, h *v1alpha1.Headroom) {
			filled(s, h)
			h.Spec.Reserved = true
			s.classes[v1alpha1.ReservedPriorityClassName] = class(v1alpha1.ReservedPriorityClassName, builders.ReservedPriority, false)
		}, []string{Size}},
		"it gives no reason":             {func(_ *scene, h *v1alpha1.Headroom) { h.Status.Conditions[1].Reason = v1alpha1.ReasonToppingUp }, []string{Size}},
		"it says that it is filled":      {func(_ *scene, h *v1alpha1.Headroom) { h.Status.Conditions[1].Status = metav1.ConditionTrue }, []string{Size}},
		"units are still to be replaced": {func(_ *scene, h *v1alpha1.Headroom) { h.Status.OutdatedReplicas = 1 }, []string{Size}},
		"units of a DaemonSet stay as they are while others lack room": {func(_ *scene, h *v1alpha1.Headroom) {
			h.Spec.Placement, h.Status.OutdatedReplicas = v1alpha1.PlacementPerNode, 1
		}, nil},
		"units of a DaemonSet are still to be replaced": {func(s *scene, h *v1alpha1.Headroom) {
			filled(s, h)
			h.Spec.Placement, h.Status.OutdatedReplicas = v1alpha1.PlacementPerNode, 1
		}, []string{Size}},
		"it has no conditions":            {func(_ *scene, h *v1alpha1.Headroom) { h.Status.Conditions = nil }, []string{Size}},
		"a unit has ended and counts":     {func(s *scene, _ *v1alpha1.Headroom) { s.pods[0].Status.Phase = corev1.PodFailed }, []string{Status, Status, Status}},
		"a unit is that of another":       {func(s *scene, _ *v1alpha1.Headroom) { s.pods[0].OwnerReferences[0].UID = "old" }, []string{Status, Status, Status}},
		"a unit is being deleted, counts": {func(s *scene, _ *v1alpha1.Headroom) { now := metav1.Now(); s.pods[0].DeletionTimestamp = &now }, []string{Status, Status, Status}},
		"a unit is of an older spec": {func(s *scene, h *v1alpha1.Headroom) {
			filled(s, h)
			h.Spec.Requests = requests(2000, 0)
		}, []string{Size}},
		"its class is not there, and it says so": {func(s *scene, h *v1alpha1.Headroom) {
			delete(s.classes, "units")
			notReady(h, v1alpha1.ReasonUnknownPriorityClass)
		}, nil},
		"its class is there again": {func(_ *scene, h *v1alpha1.Headroom) { notReady(h, v1alpha1.ReasonUnknownPriorityClass) }, []string{Size}},
		"its class is too high": {func(s *scene, h *v1alpha1.Headroom) {
			s.classes["units"] = class("units", 5, false)
			notReady(h, v1alpha1.ReasonPriorityTooHigh)
		}, nil},
		"units are still to be replaced, once its class lets it": {func(s *scene, h *v1alpha1.Headroom) {
			h.Status.OutdatedReplicas = 1
			s.classes["units"] = class("units", 5, false)
			notReady(h, v1alpha1.ReasonPriorityTooHigh)
		}, nil},
		"its class preempts, and it says that it is too high": {func(s *scene, h *v1alpha1.Headroom) {
			s.classes["units"] = class("units", -7, true)
			notReady(h, v1alpha1.ReasonPriorityTooHigh)
		}, []string{Size}},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := world()
			tc.change(s, h)
			var got []string
			for _, d := range (&run{observer: &observer.Observer{}}).sized(s, h) {
				got = append(got, d.property)
			}
			require.Equal(t, tc.want, got)
		})
	}
}
