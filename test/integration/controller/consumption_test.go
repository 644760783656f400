package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// consumed is what tells of a consumption.
func (e *environment) consumed(c *controller, want float64, consumer string) {
	e.Helper()
	e.eventually("the consumption is counted", func() error {
		if c.value(e.T, "headroom_consumed_total") != want {
			return errNotYet
		}
		return nil
	})
	require.NotNil(e, e.get("web").Status.LastConsumedTime)
	require.WithinDuration(e, time.Now(), e.get("web").Status.LastConsumedTime.Time, time.Minute)
	e.waitEvent("web", "Consumed", consumer)
}

// disrupt writes the condition that precedes a disruption.
func (e *environment) disrupt(pod *corev1.Pod, reason string) {
	e.Helper()
	e.update(pod, func(status *corev1.PodStatus) {
		status.Conditions = append(status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.Now(),
		})
	})
}

// event writes an event as a scheduler would.
func (e *environment) event(reason, action, note string, regarding, related *corev1.Pod) {
	e.Helper()
	ref := func(pod *corev1.Pod) corev1.ObjectReference {
		return corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
	}
	about := ref(related)
	require.NoError(e, e.client.Create(e.Context(), &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: regarding.Namespace, GenerateName: "test-"}, EventTime: metav1.NowMicro(),
		Type: corev1.EventTypeNormal, Reason: reason, Action: action, Note: note, Regarding: ref(regarding), Related: &about,
		ReportingController: "test", ReportingInstance: "test",
	}))
}

func (e *environment) filledWeb(units int32) (*controller, []corev1.Pod) {
	e.Helper()
	e.bindTo(e.nodes("a", "b")...)
	c := e.startController()
	e.headroom("web", replicas(units))
	e.waitFilled("web", units)
	return c, e.pods()
}

func TestPreemptionByStockSchedulerIsConsumption(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	c, pods := e.filledWeb(3)
	consumer := e.foreignPod("api-1", nil)

	e.disrupt(&pods[0], corev1.PodReasonPreemptionByScheduler)
	e.delete(&pods[0])
	e.event(swapevent.ReasonPreempted, "Preempting", "Preempted by pod x on node y", &pods[0], consumer)
	e.consumed(c, 1, e.namespace+"/api-1 took web-headroom-0 on node "+pods[0].Spec.NodeName)
	e.waitFilled("web", 3)
	e.eventually("the refill is measured", func() error {
		// KWOK deletes pods by name alone, at times the successor of the one it means, which is then refilled as well. A kubelet
		// names the UID.
		if c.value(t, "headroom_refill_duration_seconds") < 1 {
			return errNotYet
		}
		return nil
	})
}

func TestPreemptionWithoutItsEventIsConsumptionByAnUnknownPod(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	c, pods := e.filledWeb(2)
	e.disrupt(&pods[0], corev1.PodReasonPreemptionByScheduler)
	e.delete(&pods[0])
	e.consumed(c, 1, "an unknown pod took web-headroom-0")
}

func TestSwapByHeadroomSchedulerIsConsumption(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	c, pods := e.filledWeb(4)
	consumer := e.foreignPod("api-1", nil)
	note := swapevent.Note(swapevent.Swap{
		Placeholders: []types.NamespacedName{client.ObjectKeyFromObject(&pods[1]), client.ObjectKeyFromObject(&pods[2])},
		Node:         pods[1].Spec.NodeName, Why: "nearest",
	})
	e.delete(&pods[1])
	e.delete(&pods[2])
	e.event(swapevent.Reason, swapevent.Action, note, consumer, &pods[1])
	e.consumed(c, 2, e.namespace+"/api-1 took ")
	e.waitFilled("web", 4)
}

func TestOtherDeletionsAreNoConsumption(t *testing.T) {
	t.Parallel()
	tests := map[string]func(e *environment, pod *corev1.Pod){ // each makes some placeholder go
		"a user deletes it": func(e *environment, pod *corev1.Pod) { e.delete(pod) },
		"a drain evicts it": func(e *environment, pod *corev1.Pod) {
			eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
			require.NoError(e, e.client.SubResource("eviction").Create(e.Context(), pod, eviction))
		},
		"a taint evicts it": func(e *environment, pod *corev1.Pod) {
			e.disrupt(pod, "DeletionByTaintManager")
			e.delete(pod)
		},
		"the controller scales down": func(e *environment, _ *corev1.Pod) {
			e.change("web", replicas(2))
			e.waitFilled("web", 2)
			e.change("web", replicas(3))
		},
		"it fails and is replaced": func(e *environment, pod *corev1.Pod) {
			e.update(pod, func(status *corev1.PodStatus) { status.Phase = corev1.PodFailed })
		},
	}
	for name, remove := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(t, nil)
			c, pods := e.filledWeb(3)
			remove(e, &pods[2])
			e.eventually("a placeholder was replaced", func() error {
				before := sets.New[types.UID]()
				for _, pod := range pods {
					before.Insert(pod.UID)
				}
				now := e.pods()
				if len(now) != 3 || before.HasAll(now[0].UID, now[1].UID, now[2].UID) {
					return errNotYet
				}
				return nil
			})
			e.waitFilled("web", 3)
			require.Zero(t, c.value(t, "headroom_consumed_total"))
			require.Nil(t, e.get("web").Status.LastConsumedTime)
		})
	}
}
