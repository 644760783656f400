package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

func TestUnitsAreMadeBoundAndReported(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a", "a", "b")...)
	e.startController()
	e.headroom("web", replicas(3))

	h := e.waitFilled("web", 3)
	require.Equal(t, []string{"web-headroom-0", "web-headroom-1", "web-headroom-2"}, e.names())
	require.Equal(t, int32(3), h.Status.Replicas)
	require.Equal(t, "3", h.Status.Capacity.Cpu().String())
	require.Equal(t, []v1alpha1.DomainStatus{{Name: "a", ReadyReplicas: 2}, {Name: "b", ReadyReplicas: 1}}, h.Status.Spread.Domains)
	require.Equal(t, "headroom.dev/headroom=web", h.Status.Selector)
	require.Nil(t, h.Status.LastConsumedTime)
	for _, pod := range e.pods() {
		require.True(t, metav1.IsControlledBy(&pod, h))
	}
	e.waitEvent("web", "Created", "Created ")
	e.waitEvent("web", "Refilled", "3 of 3 units are bound")
}

func TestScaleToZeroAndBack(t *testing.T) {
	t.Parallel()
	e, _ := filled(t, 3)

	e.change("web", replicas(0))
	e.waitFilled("web", 0)
	require.Empty(t, e.pods())

	e.change("web", replicas(2))
	e.waitFilled("web", 2)
}

func TestDeletedHeadroomTakesItsPlaceholdersAlong(t *testing.T) {
	t.Parallel()
	e, h := filled(t, 3)
	require.NoError(t, e.client.Delete(t.Context(), h))
	e.eventually("no pod is left", func() error {
		if names := e.names(); len(names) > 0 {
			return fmt.Errorf("left: %v", names)
		}
		return nil
	})
}

func TestFailedPlaceholderIsReplaced(t *testing.T) {
	t.Parallel()
	e, _ := filled(t, 2)
	failed := e.pods()[0]
	e.fail(&failed, "OutOfcpu", "")
	e.waitReplaced(failed.UID)
	e.waitFilled("web", 2)
}

func TestPlaceholdersThatFailAtOnceAreNotMadeInALoop(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.nodes("a")
	requests := &traffic{}
	e.startController(through(requests.wrap))
	e.headroom("web", replicas(2))
	const rounds = 3 // at 0, 1 and 3 seconds
	for range rounds {
		e.eventually("two placeholders are there", func() error {
			alive := 0
			for _, pod := range e.pods() {
				if pod.Status.Phase == corev1.PodPending {
					alive++
				}
			}
			if alive < 2 {
				return errNotYet
			}
			return nil
		})
		for _, pod := range e.pods() {
			if pod.Status.Phase == corev1.PodPending { // those of earlier rounds may go at any time
				e.update(&pod, func(status *corev1.PodStatus) { status.Phase = corev1.PodFailed })
			}
		}
	}
	e.eventually("they are replaced once more", func() error {
		if requests.count("POST pods") < 2*(rounds+1) {
			return errNotYet
		}
		return nil
	})
	require.LessOrEqual(t, requests.count("POST pods"), 2*(rounds+1)+2)
}

func TestPlaceholderOnADeletedNodeIsReplaced(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	nodes := e.nodes("a", "b")
	e.startController()
	e.headroom("web", replicas(1))
	e.waitStatus("web", v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp, 0, 1)
	lost := e.pods()[0]
	e.bind(&lost, nodes[0])
	e.waitFilled("web", 1)

	require.NoError(t, e.client.Delete(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodes[0]}}))
	e.waitReplaced(lost.UID)
	e.waitStatus("web", v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp, 0, 1)
}

func TestSpecChangeRollsThrough(t *testing.T) {
	t.Parallel()
	e, _ := filled(t, 8)
	watched := e.watchBound("web")
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.NodeSelector = map[string]string{"test": e.namespace} })
	e.waitFilled("web", 8)
	for _, pod := range e.pods() {
		require.Equal(t, e.namespace, pod.Spec.NodeSelector["test"])
	}
	require.GreaterOrEqual(t, watched(), 6, "at most a quarter of 8 is away at once")
}

func TestRestartedControllerMakesNoDuplicates(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	first := e.startController()
	e.headroom("web", replicas(5))
	e.waitFilled("web", 5)
	first.stop()
	gone := e.pods()[2]
	e.delete(&gone)
	e.change("web", replicas(7))

	e.startController()
	e.waitFilled("web", 7)
	require.Len(t, e.pods(), 7)
}

func TestPendingUnitsSayWhatTheSchedulerSays(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.startController()
	e.headroom("web", replicas(1))
	e.waitStatus("web", v1alpha1.ReasonValid, v1alpha1.ReasonToppingUp, 0, 1)
	pod := e.pods()[0]
	e.update(&pod, func(status *corev1.PodStatus) {
		status.Conditions = append(status.Conditions, corev1.PodCondition{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/5 nodes are available",
		})
	})
	h := e.waitStatus("web", v1alpha1.ReasonValid, v1alpha1.ReasonWaitingForRoom, 0, 1)
	require.Contains(t, messageOf(h, v1alpha1.ConditionFilled), "0/5 nodes are available")
	e.waitEvent("web", "CannotFill", "0/5 nodes are available")
}

// waitUnits waits until so many units of a Headroom exist, all of them bound and none failed. The status may tell so before: it is that of the
// last look, and a unit may have failed or gone since.
func (e *environment) waitUnits(headroom string, units int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d units are bound", units), func() error {
		pods := e.placeholdersOf(headroom)
		for _, pod := range pods {
			if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodFailed || pod.DeletionTimestamp != nil {
				return fmt.Errorf("%s is on node %q, %s", pod.Name, pod.Spec.NodeName, pod.Status.Phase)
			}
		}
		if len(pods) != units {
			return fmt.Errorf("there are %d", len(pods))
		}
		return nil
	})
}

// waitReplaced waits until the pod is gone.
func (e *environment) waitReplaced(uid types.UID) {
	e.Helper()
	e.eventually("the pod is replaced", func() error {
		for _, pod := range e.pods() {
			if pod.UID == uid {
				return fmt.Errorf("%s is there", pod.Name)
			}
		}
		return nil
	})
}
