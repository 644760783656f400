package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// refilledBy sets spec.refill.
func refilledBy(refill v1alpha1.Refill) func(*v1alpha1.HeadroomSpec) {
	return func(spec *v1alpha1.HeadroomSpec) { spec.Refill = &refill }
}

// TestOneHeadroomMayLetFewUnitsWait has a scheduler bind whatever it sees.
func TestOneHeadroomMayLetFewUnitsWait(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	most := e.mostPending()
	e.startController()
	e.headroom("web", replicas(20), refilledBy(v1alpha1.Refill{MaxPending: ptr.To[int32](3)}))
	e.waitFilled("web", 20)
	require.LessOrEqual(t, most(), 3)
}

// waitTaken waits until the status says that so many units were taken, and that so many are left.
func (e *environment) waitTaken(name string, taken, left int32) {
	e.Helper()
	e.eventually("what was taken is in the status", func() error {
		status := e.get(name).Status
		if status.Refill == nil || status.Refill.TakenReplicas != taken || status.DesiredReplicas != left || status.ReadyReplicas != left {
			return errNotYet
		}
		return nil
	})
}

// TestABatchThatComesOnceGetsItsUnitsOnce kills the controller between takes, and has one unit be drained.
func TestABatchThatComesOnceGetsItsUnitsOnce(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a", "b")...)
	c := e.startController()
	e.headroom("web", replicas(4), refilledBy(v1alpha1.Refill{Policy: v1alpha1.RefillOnce}))
	e.waitFilled("web", 4)
	pods := e.pods()
	e.take(e.unboundPod("first"), &pods[0])
	e.waitTaken("web", 1, 3)

	c.stop()
	e.take(e.unboundPod("second"), &pods[1])
	e.startController()
	e.waitTaken("web", 2, 2)

	e.disrupt(&pods[2], "EvictionByEvictionAPI")
	e.delete(&pods[2])
	e.eventually("the one that was drained is made anew", func() error {
		for _, pod := range e.pods() {
			if pod.Labels[v1alpha1.LabelHeadroom] == "web" && pod.UID != pods[3].UID && pod.Spec.NodeName != "" && pod.UID != pods[2].UID {
				return nil
			}
		}
		return errNotYet
	})
	e.waitTaken("web", 2, 2)
	require.Equal(t, v1alpha1.ReasonFilled, reasonOf(e.get("web"), v1alpha1.ConditionFilled))
}

func TestAUnitThatWasTakenIsMadeAnewAfterTheDelay(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	const delay = 15 * time.Second // long enough that the test sees the status in it on a busy machine
	e.headroom("web", replicas(2), refilledBy(v1alpha1.Refill{Delay: &metav1.Duration{Duration: delay}}))
	e.waitFilled("web", 2)
	pods, taken := e.pods(), time.Now()
	e.take(e.unboundPod("consumer"), &pods[0])
	e.waitStatus("web", v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp, 1, 0)
	e.waitFilled("web", 2)
	require.GreaterOrEqual(t, time.Since(taken), delay)
}

func TestAHeadroomWhoseTimeIsOverHoldsNothing(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	e.startController()
	e.headroom("web", replicas(2))
	e.waitFilled("web", 2)
	e.change("web", refilledBy(v1alpha1.Refill{TTL: &metav1.Duration{Duration: time.Second}}))
	e.waitFilled("web", 0)
	require.Empty(t, e.pods())
	e.waitEvent("web", "Expired", "spec.refill.ttl ended at")
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Refill.TTL.Duration = time.Hour })
	e.waitFilled("web", 2)
}

// waitParked waits until the status says that so many units wait, and that so many are parked.
func (e *environment) waitParked(name string, pending, parked int32) *v1alpha1.Headroom {
	e.Helper()
	var h *v1alpha1.Headroom
	e.eventually("units are parked", func() error {
		h = e.get(name)
		if h.Status.PendingReplicas != pending || h.Status.ParkedReplicas != parked {
			return errNotYet
		}
		return nil
	})
	return h
}

// TestAtTheCeilingOnlyAProbeWaits has no room at first, kills the controller while the Headroom is parked, and then has room come.
func TestAtTheCeilingOnlyAProbeWaits(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	nodes := e.nodes("a")
	c := e.startController()
	e.headroom("web", replicas(12), refilledBy(v1alpha1.Refill{ParkAfter: &metav1.Duration{Duration: 30 * time.Second}}))
	e.eventually("all are made", func() error {
		if e.get("web").Status.PendingReplicas != 12 {
			return errNotYet
		}
		return nil
	})
	for _, pod := range e.pods() {
		e.update(&pod, func(status *corev1.PodStatus) {
			status.Conditions = []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "no room at all",
			}}
		})
	}
	h := e.waitParked("web", 1, 11)
	require.Equal(t, v1alpha1.ReasonAtCeiling, reasonOf(h, v1alpha1.ConditionFilled))
	require.Equal(t, v1alpha1.ReasonValid, reasonOf(h, v1alpha1.ConditionReady))
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "The scheduler says: no room at all")
	require.Equal(t, int32(12), h.Status.ScaleReplicas)
	e.waitEvent("web", "Parked", "11 more are parked")
	probe := e.names()

	c.stop()
	e.startController()
	e.change("web", replicas(13))
	e.waitParked("web", 1, 12)
	require.Equal(t, probe, slices.Clone(e.names()), "the probe stays, and nothing is made")

	e.bindTo(nodes...)
	e.waitFilled("web", 13)
}
