package consumption

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/headroom-dev/headroom/pkg/swapevent"
)

var (
	epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	web   = types.NamespacedName{Namespace: "shop", Name: "web"}
	api   = corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "api-1", UID: "api-1"}
)

func placeholderPod(name string, change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: "node-1"},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if change != nil {
		change(pod)
	}
	return pod
}

func disrupted(reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason}}
	}
}

func TestCauseOf(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want Cause
	}{
		"nothing is known":         {placeholderPod("a", nil), Undecided},
		"preempted by a scheduler": {placeholderPod("a", disrupted(corev1.PodReasonPreemptionByScheduler)), Consumed},
		"drained":                  {placeholderPod("a", disrupted("EvictionByEvictionAPI")), Other},
		"on no node":               {placeholderPod("a", func(p *corev1.Pod) { p.Spec.NodeName = "" }), Other},
		"failed before":            {placeholderPod("a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }), Other},
		"a condition that does not hold": {placeholderPod("a", func(p *corev1.Pod) {
			disrupted(corev1.PodReasonPreemptionByScheduler)(p)
			p.Status.Conditions[0].Status = corev1.ConditionFalse
		}), Undecided},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, CauseOf(tc.pod)) })
	}
}

// story is a ledger with a clock, and the Headrooms it called for.
type story struct {
	*Ledger
	clock  *testingclock.FakeClock
	called []types.NamespacedName
}

func newStory() *story {
	s := &story{clock: testingclock.NewFakeClock(epoch)}
	s.Ledger = NewLedger(s.clock, func(headroom types.NamespacedName) { s.called = append(s.called, headroom) })
	return s
}

func statement(pod string) Statement {
	return Statement{Placeholder: types.NamespacedName{Namespace: "shop", Name: pod}, UID: types.UID("uid-" + pod), Consumer: api}
}

func TestEventAfterTheDeletion(t *testing.T) {
	s := newStory()
	s.Departed(web, placeholderPod("a", nil))
	ready, retry := s.Report(web)
	require.Empty(t, ready)
	require.Zero(t, retry, "nobody waits for what may be no consumption")
	s.clock.Step(Window - time.Second)
	s.Stated(statement("a"))
	require.Equal(t, []types.NamespacedName{web}, s.called)
	ready, retry = s.Report(web)
	require.Equal(t, []Consumption{{
		Placeholder: types.NamespacedName{Namespace: "shop", Name: "a"}, Node: "node-1", Consumer: api, Time: epoch,
	}}, ready)
	require.Zero(t, retry)
	ready, _ = s.Report(web)
	require.Empty(t, ready, "it is reported once")
}

func TestEventBeforeTheDeletion(t *testing.T) {
	s := newStory()
	s.Stated(statement("a"))
	require.Empty(t, s.called)
	s.Departed(web, placeholderPod("a", nil))
	require.Equal(t, []types.NamespacedName{web}, s.called)
	ready, _ := s.Report(web)
	require.Len(t, ready, 1)
	s.Departed(web, placeholderPod("a", nil))
	ready, _ = s.Report(web)
	require.Empty(t, ready, "an event explains one deletion")
}

func TestEventThatComesTooLate(t *testing.T) {
	s := newStory()
	s.Departed(web, placeholderPod("a", nil))
	s.clock.Step(Window + time.Second)
	s.Stated(statement("a"))
	ready, _ := s.Report(web)
	require.Empty(t, ready)
}

func TestEventWithoutUIDGoesByName(t *testing.T) {
	s := newStory()
	s.Departed(web, placeholderPod("a", nil))
	byName := statement("a")
	byName.UID = ""
	s.Stated(byName)
	ready, _ := s.Report(web)
	require.Len(t, ready, 1)
}

func TestEventAboutAnotherPodOfTheName(t *testing.T) {
	s := newStory()
	s.Departed(web, placeholderPod("a", nil))
	other := statement("a")
	other.UID = "another"
	s.Stated(other)
	ready, _ := s.Report(web)
	require.Empty(t, ready)
}

func TestPreemptionWaitsForTheNameAndNotForEver(t *testing.T) {
	s := newStory()
	s.Departed(web, placeholderPod("a", disrupted(corev1.PodReasonPreemptionByScheduler)))
	require.Len(t, s.called, 1)
	ready, retry := s.Report(web)
	require.Empty(t, ready)
	require.Equal(t, NameTimeout, retry)
	s.clock.Step(NameTimeout)
	ready, retry = s.Report(web)
	require.Len(t, ready, 1)
	require.Empty(t, ready[0].Consumer.Name)
	require.Zero(t, retry)
}

func TestConsumptionThatCouldNotBeReportedIsReportedLater(t *testing.T) {
	s := newStory()
	s.Departed(web, placeholderPod("a", nil))
	s.Stated(statement("a"))
	ready, _ := s.Report(web)
	s.Restore(web, ready)
	s.clock.Step(10 * Window)
	again, _ := s.Report(web)
	require.Equal(t, ready, again)
}

func TestLedgerForgets(t *testing.T) {
	s := newStory()
	for range 100 {
		s.Stated(statement("never"))
		s.Departed(web, placeholderPod("b", nil))
		s.clock.Step(time.Second)
	}
	require.LessOrEqual(t, len(s.arrivals), 11)
	require.LessOrEqual(t, len(s.departures), 11)
	s.Forget(web)
	require.Empty(t, s.departures)
}

func TestStatementsOf(t *testing.T) {
	placeholder := corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "a", UID: "uid-a"}
	swap := eventsv1.Event{
		Reason: swapevent.Reason, Action: swapevent.Action, Regarding: api, Related: &placeholder,
		Note: "Took shop/a, shop/b on node node-1: nearest",
	}
	second := Statement{Placeholder: types.NamespacedName{Namespace: "shop", Name: "b"}, Consumer: api}
	for name, tc := range map[string]struct {
		event func(e *eventsv1.Event)
		want  []Statement
	}{
		"a swap of two":             {func(*eventsv1.Event) {}, []Statement{statement("a"), second}},
		"a note that is none":       {func(e *eventsv1.Event) { e.Note = "hello" }, nil},
		"no related object":         {func(e *eventsv1.Event) { e.Related = nil }, nil},
		"an action that is no swap": {func(e *eventsv1.Event) { e.Action = "Other" }, nil},
		"another reason":            {func(e *eventsv1.Event) { e.Reason = "Scheduled" }, nil},
		"a preemption": {func(e *eventsv1.Event) {
			*e = eventsv1.Event{Reason: swapevent.ReasonPreempted, Regarding: placeholder, Related: &api}
		}, []Statement{statement("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			event := *swap.DeepCopy()
			tc.event(&event)
			require.Equal(t, tc.want, StatementsOf(&event))
		})
	}
}
