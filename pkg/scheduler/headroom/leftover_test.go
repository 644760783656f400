package headroom

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// undefined is an API server that knows of no kind.
type undefined struct{}

func (undefined) RoundTrip(*http.Request) (*http.Response, error) {
	body := `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"NotFound","code":404}`
	return &http.Response{
		StatusCode: http.StatusNotFound, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func TestPlaceholdersThatOutliveTheDefinitionOfHeadroomsAreProtectedFromNobody(t *testing.T) {
	pod := wants("1").Label("app", "db").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj()}, pods: []*corev1.Pod{unit(forApp("web"), 0, "a").Obj()},
		headrooms: []*v1alpha1.Headroom{forApp("web")}, pending: []*corev1.Pod{pod},
	})
	_, state := f.decided(t, pod)
	_, status := f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
	require.True(t, status.IsRejected())
	// As in DefaultPreemption.
	without := f.nodes[0].Snapshot()
	require.NoError(t, without.RemovePod(klog.Background(), f.nodes[0].GetPods()[0].GetPod()))
	require.False(t, f.Filter(t.Context(), state, pod, without).IsSuccess(), "its Headroom is for others")

	config := &rest.Config{Host: "http://server", Transport: undefined{}}
	require.NoError(t, f.shared.catalog.Follow(t.Context(), config, func(types.NamespacedName) {}))
	require.Eventually(t, f.shared.catalog.CRDAbsent, patience, glance)
	require.True(t, f.Filter(t.Context(), state, pod, without).IsSuccess())
}
