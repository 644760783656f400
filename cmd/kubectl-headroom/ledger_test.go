package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
)

// taken is the account of a Headroom of which a unit was taken so long ago each time.
func taken(t *testing.T, name string, ago ...time.Duration) *v1alpha1.HeadroomAccount {
	t.Helper()
	a := account.New(time.Now().Add(-48 * time.Hour))
	for _, d := range ago {
		a.Take(account.Take{
			Time: time.Now().Add(-d), Placeholder: name + "-headroom-0", UID: types.UID(name + d.String()), Node: "n", How: account.BySwap,
			Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "api"}, UID: "uid-api"},
		})
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	return &v1alpha1.HeadroomAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Record: record}
}

func TestTheLedgerIsOfTheHeadroomsAndTheTimeThatAreAskedFor(t *testing.T) {
	objects := fake.NewClientBuilder().WithScheme(newScheme()).
		WithObjects(taken(t, "web", time.Minute, 3*time.Hour), taken(t, "batch", time.Minute)).
		WithIndex(&corev1.Event{}, "reason", func(o client.Object) []string {
			event, _ := o.(*corev1.Event)
			return []string{event.Reason}
		}).Build()
	r := &reader{objects: objects}
	for name, tc := range map[string]struct {
		names []string
		since time.Duration
		want  int
	}{
		"all":                     {want: 3},
		"one of them":             {names: []string{"web"}, want: 2},
		"the last hour":           {since: time.Hour, want: 2},
		"one, and the last hour":  {names: []string{"web"}, since: time.Hour, want: 1},
		"one that took long ago":  {names: []string{"web"}, since: time.Second},
		"both, each by its name ": {names: []string{"batch", "web"}, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := r.ledger(t.Context(), "shop", tc.names, tc.since)
			require.NoError(t, err)
			require.Len(t, report.Takes, tc.want)
		})
	}
	_, err := r.ledger(t.Context(), "shop", []string{"db"}, 0)
	require.ErrorContains(t, err, "there is no account of a Headroom db")
}

func TestTheTimeThatWasAskedForIsToldIfThereWasOne(t *testing.T) {
	require.Equal(t, " within 1h30m0s", within(90*time.Minute))
	require.Empty(t, within(0))
}

func TestEventsAreReadToTheLastPage(t *testing.T) {
	pages := map[string][]string{"": {"a", "b"}, "2": {"c"}, "3": {"d", "e"}}
	next := map[string]string{"": "2", "2": "3"}
	var selectors []string
	objects := interceptor.NewClient(fake.NewClientBuilder().WithScheme(newScheme()).Build(), interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, into client.ObjectList, options ...client.ListOption) error {
			asked := (&client.ListOptions{}).ApplyOptions(options)
			require.EqualValues(t, pageSize, asked.Limit)
			require.Equal(t, "shop", asked.Namespace)
			selectors = append(selectors, asked.FieldSelector.String())
			events, _ := into.(*corev1.EventList)
			for _, name := range pages[asked.Continue] {
				events.Items = append(events.Items, corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: name}})
			}
			events.Continue = next[asked.Continue]
			return nil
		},
	})
	var visited []string
	err := (&reader{objects: objects}).swapEvents(t.Context(), "shop", func(event *corev1.Event) { visited = append(visited, event.Name) })
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, visited)
	require.Equal(t, slices.Repeat([]string{"reason=TookHeadroom"}, len(pages)), selectors, "and no others are sent")
}
