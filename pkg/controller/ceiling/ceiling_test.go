package ceiling

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// event is one on a pod, the n-th minute.
func event(component, reason string, unit types.UID, n int, change ...func(*eventsv1.Event)) *eventsv1.Event {
	e := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: component + reason + string(unit) + string(rune('a'+n))}, Reason: reason,
		Note: "note of " + component, ReportingController: component, EventTime: metav1.NewMicroTime(minute(n)),
		Regarding: corev1.ObjectReference{UID: unit},
	}
	for _, c := range change {
		c(e)
	}
	return e
}

func minute(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		events    []*eventsv1.Event
		announced time.Time
		refusal   string
	}{
		"nobody says anything": {},
		"Karpenter has a node": {events: []*eventsv1.Event{event("karpenter", "Nominated", "u", 3), event("karpenter", "Nominated", "v", 2)}, announced: minute(3)},
		"Cluster Autoscaler adds one, and says so by the older API": {
			events: []*eventsv1.Event{event("", "TriggeredScaleUp", "u", 0, func(e *eventsv1.Event) {
				e.EventTime, e.DeprecatedSource.Component, e.DeprecatedLastTimestamp = metav1.MicroTime{}, "cluster-autoscaler", metav1.NewTime(minute(4))
			})}, announced: minute(4),
		},
		"a series goes on": {
			events: []*eventsv1.Event{event("karpenter", "Nominated", "u", 3, func(e *eventsv1.Event) {
				e.Series = &eventsv1.EventSeries{Count: 2, LastObservedTime: metav1.NewMicroTime(minute(7))}
			})}, announced: minute(7),
		},
		"a series was last seen before the event": {
			events: []*eventsv1.Event{event("karpenter", "Nominated", "u", 3, func(e *eventsv1.Event) {
				e.Series = &eventsv1.EventSeries{Count: 2, LastObservedTime: metav1.NewMicroTime(minute(1))}
			})}, announced: minute(3),
		},
		"Karpenter has none, and says so by the older API": {
			events: []*eventsv1.Event{event("", "FailedScheduling", "u", 3, func(e *eventsv1.Event) {
				e.DeprecatedSource.Component, e.Note = "karpenter", "no pool"
			})}, refusal: "Karpenter says: no pool",
		},
		"it is about another pod":         {events: []*eventsv1.Event{event("karpenter", "Nominated", "other", 3)}},
		"Karpenter has none":              {events: []*eventsv1.Event{event("karpenter", "FailedScheduling", "u", 3)}, refusal: "Karpenter says: note of karpenter"},
		"the scheduler says what it sees": {events: []*eventsv1.Event{event("default-scheduler", "FailedScheduling", "u", 3)}},
		"both say no, one of them later": {
			events:  []*eventsv1.Event{event("cluster-autoscaler", "NotTriggerScaleUp", "u", 2), event("karpenter", "FailedScheduling", "u", 3)},
			refusal: "Karpenter says: note of karpenter",
		},
		"both say no, the other one later": {
			events:  []*eventsv1.Event{event("cluster-autoscaler", "NotTriggerScaleUp", "u", 4), event("karpenter", "FailedScheduling", "u", 3)},
			refusal: "Cluster Autoscaler says: note of cluster-autoscaler",
		},
	} {
		t.Run(name, func(t *testing.T) {
			builder := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithIndex(&eventsv1.Event{}, "reason", func(o client.Object) []string {
				return []string{o.(*eventsv1.Event).Reason}
			})
			for _, e := range tc.events {
				builder.WithObjects(e)
			}
			got, err := Read(t.Context(), builder.Build(), "shop", map[types.UID]bool{"u": true, "v": true})
			require.NoError(t, err)
			require.True(t, tc.announced.Equal(got.Announced), got.Announced)
			require.Equal(t, tc.refusal, got.Refusal)
		})
	}
}

func TestWhatMayNotBeReadIsAnError(t *testing.T) {
	api := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("forbidden")
		},
	}).Build()
	_, err := Read(t.Context(), api, "shop", nil)
	require.ErrorContains(t, err, "listing events with reason Nominated: forbidden")
}

func TestNoMoreThanAPageOfEachReasonIsRead(t *testing.T) {
	reasons := map[string]int64{}
	api := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, _ client.ObjectList, options ...client.ListOption) error {
			asked := (&client.ListOptions{}).ApplyOptions(options)
			require.Equal(t, "shop", asked.Namespace)
			reasons[asked.FieldSelector.String()] = asked.Limit
			return nil
		},
	}).Build()
	_, err := Read(t.Context(), api, "shop", nil)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{
		"reason=Nominated": most, "reason=TriggeredScaleUp": most, "reason=NotTriggerScaleUp": most, "reason=FailedScheduling": most,
	}, reasons)
}

func TestLimitsAndARefusalAreBothSaid(t *testing.T) {
	for want, said := range map[string]Saying{
		"":              {},
		"full":          {Limits: "full"},
		"refused":       {Refusal: "refused"},
		"full; refused": {Limits: "full", Refusal: "refused"},
	} {
		require.Equal(t, want, said.Words())
	}
}
