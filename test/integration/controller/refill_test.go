package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
	const delay = 3 * time.Second
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
