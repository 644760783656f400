package controller

import (
	"fmt"
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

	"github.com/headroom-dev/headroom/api/v1alpha1"
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
	e.eventually("the status tells when", func() error {
		last := e.get("web").Status.LastConsumedTime
		if last == nil { // the status is written after the counter has moved
			return errNotYet
		}
		require.WithinDuration(e, time.Now(), last.Time, patience)
		return nil
	})
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

func TestPreemptionWithoutItsEventIsConsumptionByAnUnknownPod(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	c, pods := e.filledWeb(2)
	e.disrupt(&pods[0], corev1.PodReasonPreemptionByScheduler)
	e.delete(&pods[0])
	e.consumed(c, 1, "an unknown pod took web-headroom-0")
}

// take does what headroom-scheduler does: it evicts placeholders and binds a pod to their node by a binding that names them.
func (e *environment) take(consumer *corev1.Pod, placeholders ...*corev1.Pod) {
	e.Helper()
	var uids []types.UID
	for _, placeholder := range placeholders {
		e.delete(placeholder)
		uids = append(uids, placeholder.UID)
	}
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationTook: swapevent.Annotation(uids, nil)}},
		Target:     corev1.ObjectReference{Kind: "Node", Name: placeholders[0].Spec.NodeName},
	}
	require.NoError(e, e.client.SubResource("binding").Create(e.Context(), consumer, binding))
}

// unboundPod creates a pod that nobody binds but the test.
func (e *environment) unboundPod(name string) *corev1.Pod {
	e.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name},
		Spec:       corev1.PodSpec{SchedulerName: nobody, Containers: []corev1.Container{{Name: "c", Image: "c"}}},
	}
	require.NoError(e, e.client.Create(e.Context(), pod))
	return pod
}

func TestTheAnnotationOfABindingIsConsumption(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	c := e.startController()
	e.headroom("web", replicas(4))
	e.waitFilled("web", 4)
	pods := e.pods()
	e.take(e.unboundPod("api-1"), &pods[1], &pods[2])
	e.consumed(c, 2, e.namespace+"/api-1 took ")
	e.waitFilled("web", 4)
	e.eventually("the account is stored", func() error {
		a := &v1alpha1.HeadroomAccount{}
		if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: "web"}, a); err != nil {
			return err
		}
		if a.Record.Taken != 2 || len(a.Record.Takes) != 2 {
			return fmt.Errorf("it has %d takes", a.Record.Taken)
		}
		require.Equal(t, e.namespace+"/api-1", a.Record.Takes[0].Consumer)
		return nil
	})
}

func TestAnEventIsNoConsumption(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	c, pods := e.filledWeb(2)
	liar := e.foreignPod("liar", nil)
	note := swapevent.Note(swapevent.Swap{
		Placeholders: []types.NamespacedName{client.ObjectKeyFromObject(&pods[0])}, Node: pods[0].Spec.NodeName, Why: "nearest",
	})
	e.delete(&pods[0])
	e.event(swapevent.Reason, swapevent.Action, note, liar, &pods[0])
	e.event(swapevent.ReasonPreempted, "Preempting", "Preempted by pod "+string(liar.UID)+" on node n", &pods[0], liar)
	e.eventually("it is given up", func() error {
		if c.labeled(t, "headroom_lost_total", "reason", "abandoned") < 1 {
			return errNotYet
		}
		return nil
	})
	require.Zero(t, c.value(t, "headroom_consumed_total"))
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
			e.fail(pod, "", "")
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
