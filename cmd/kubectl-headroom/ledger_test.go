package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
)

// taken is the account of a Headroom of which a pod of shop took a unit so long ago each time.
func taken(t *testing.T, name string, ago ...time.Duration) *v1alpha1.HeadroomAccount {
	t.Helper()
	return takenFrom(t, "shop", name, ago...)
}

// takenFrom is the account of a Headroom of shop of which a pod of this namespace took a unit so long ago each time.
func takenFrom(t *testing.T, namespace, name string, ago ...time.Duration) *v1alpha1.HeadroomAccount {
	t.Helper()
	a := account.New(time.Now().Add(-48 * time.Hour))
	for _, d := range ago {
		a.Take(account.Take{
			Time: time.Now().Add(-d), Placeholder: name + "-headroom-0", UID: types.UID(name + d.String()), Node: "n", How: account.BySwap,
			Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: namespace, Name: "api"}, UID: "uid-api"},
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
	for _, names := range [][]string{{"db"}, {"db", "web"}, {"web", "db"}} {
		_, err := r.ledger(t.Context(), "shop", names, 0)
		require.ErrorContains(t, err, "there is no account of a Headroom db among those of namespace shop")
		require.Equal(t, exitNotFound, exitCode(err))
	}
}

func TestTheLedgerTellsRulesAndWhatItDoesNotList(t *testing.T) {
	answers := twoShops(t)
	ago := make([]time.Duration, account.Takes+7)
	for i := range ago {
		ago[i] = time.Duration(i+1) * time.Second
	}
	accounts, _ := answers[accountsOfShop].(v1alpha1.HeadroomAccountList)
	accounts.Items[0] = *taken(t, "web", ago...)
	events := eventOf(swapevent.Reason, swapevent.Swap{
		Placeholders: []types.NamespacedName{{Namespace: "shop", Name: "web-headroom-0"}}, Node: "n", Why: "a rule",
	})
	events.Items[0].InvolvedObject.UID = "uid-api"
	answers[eventsOfShop] = events
	for command, want := range map[string]string{
		"ledger -o json": `"rule": "a rule"`, "ledger -o csv": ",Swap,a rule,", "ledger --by headroom": "100",
	} {
		out, notes, err := atCluster(t, answers, command)
		require.NoError(t, err)
		require.Contains(t, out, want)
		require.Regexp(t, "^note: shop/web: of 107 units taken since .* the last 100 are listed\n$", notes)
	}
}

func TestEventsThatCannotBeReadAreAnErrorUnlessARightIsLacking(t *testing.T) {
	_, err := refusing(&corev1.EventList{}, errors.New("broken"), taken(t, "web", time.Minute)).ledger(t.Context(), "shop", nil, 0)
	require.ErrorContains(t, err, "listing events: broken")
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", nil)
	report, err := refusing(&corev1.EventList{}, forbidden, taken(t, "web", time.Minute)).ledger(t.Context(), "shop", nil, 0)
	require.NoError(t, err)
	require.Len(t, report.Takes, 1)
	require.Len(t, report.NotSeen, 1)

	consumers := []client.Object{taken(t, "web", time.Minute), takenFrom(t, "search", "batch", time.Minute)}
	report, err = refusing(&corev1.EventList{}, forbidden, consumers...).ledger(t.Context(), "shop", nil, 0)
	require.NoError(t, err)
	require.Len(t, report.Takes, 2)
	require.Len(t, report.NotSeen, 2)
	for _, namespace := range []string{"shop", "search"} {
		require.Contains(t, strings.Join(report.NotSeen, "\n"), "by which rule is not shown for pods of namespace "+namespace+": ")
	}
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
