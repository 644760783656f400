package catalog

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
)

func TestACatalogThatCannotFollowIsAnError(t *testing.T) {
	config := &rest.Config{Host: "https://server", TLSClientConfig: rest.TLSClientConfig{CAFile: "/there/is/none"}}
	c := New()
	require.ErrorContains(t, c.Follow(t.Context(), config, func(types.NamespacedName) {}), "making a client for Headrooms")
	select {
	case <-c.Ready():
		require.Fail(t, "nothing is known")
	default:
	}
}

func TestNothingButWhatTheSchedulerReadsOfAHeadroomIsKept(t *testing.T) {
	web := forApp("web")
	web.Labels = map[string]string{"team": "a"}
	want := web.DeepCopy()
	web.ManagedFields, web.Annotations = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, map[string]string{"a": "b"}
	web.Status.Conditions = []metav1.Condition{{Type: "Ready"}}
	trimmed, err := trim(web.DeepCopy())
	require.NoError(t, err)
	require.Equal(t, want, trimmed)

	spread := []corev1.TopologySpreadConstraint{{TopologyKey: "rack"}}
	web.Status.Shape = &v1alpha1.ShapeStatus{TopologySpreadConstraints: spread, NodeSelector: map[string]string{"a": "b"}}
	want.Status.Shape = &v1alpha1.ShapeStatus{TopologySpreadConstraints: spread}
	trimmed, err = trim(web)
	require.NoError(t, err)
	require.Equal(t, want, trimmed, "units of a workload's shape are spread as it is")

	trimmed, err = trim("something else")
	require.NoError(t, err)
	require.Equal(t, "something else", trimmed)
}

func TestAnErrorThatStaysIsLoggedOnce(t *testing.T) {
	answers := []int{http.StatusForbidden, http.StatusForbidden, http.StatusUnauthorized}
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := int(asked.Add(1)); n <= len(answers) {
			w.WriteHeader(answers[n-1])
			return
		}
		cancel()
	}))
	defer server.Close()
	client, err := customresource.NewClient(&rest.Config{Host: server.URL}, v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	require.NoError(t, err)
	var logged []string
	ctx = klog.NewContext(ctx, funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))

	New().awaitDefinition(ctx, client, func(types.NamespacedName) {})

	require.Len(t, logged, 2, "%v", logged)
	require.Contains(t, logged[0], "Headrooms cannot be read")
}
