package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/placeholder"
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

func TestASlimPodTellsWhatTheWholePodTells(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web-headroom-0", UID: "u", Labels: map[string]string{v1alpha1.LabelHeadroom: "web", "app": "web"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindHeadroom, Name: "web", UID: "h", Controller: ptr.To(true),
			}},
		},
		Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{
			Name: "c", Image: "i", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("2")}},
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	small := slim(pod)
	of, ok := placeholder.HeadroomOf(small, nil)
	require.True(t, ok)
	require.Equal(t, types.NamespacedName{Namespace: "shop", Name: "web"}, of)
	require.Equal(t, "n", small.Spec.NodeName)
	require.Equal(t, corev1.PodRunning, small.Status.Phase)
	require.Equal(t, pod.Spec.Containers[0].Resources, small.Spec.Containers[0].Resources)
	require.NotContains(t, small.Labels, "app")
}
