package headroom

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/config"
	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
)

// newResizing has the pod web wait on its node for the room of the one unit there.
func newResizing(t *testing.T, server *rest.Config) (f *fixture, held *corev1.Pod) {
	t.Helper()
	return resizing(t, cluster{config: server}, "default")
}

// resizing is newResizing in a cluster with more to it, for a pod of any namespace.
func resizing(t *testing.T, c cluster, namespace string) (f *fixture, held *corev1.Pod) {
	t.Helper()
	grows := deferred(on("a", "web", "4"), "2")
	grows.Namespace = namespace
	grows.Generation, grows.Spec.SchedulerName = 2, corev1.DefaultSchedulerName
	grows.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred, ObservedGeneration: 2,
	}}
	held = unit(hr("open", "2"), 0, "a").Obj()
	node := builders.Node("a", "z-1", res("4")).Obj()
	c.nodes, c.pods = []*corev1.Node{node}, []*corev1.Pod{grows, held}
	f = newFixture(t, c)
	require.NoError(t, f.factory.Core().V1().Nodes().Informer().GetStore().Add(node))
	for _, pod := range []*corev1.Pod{grows, held} {
		require.NoError(t, f.client.Tracker().Add(pod))
	}
	f.shared.leadership.Schedules()
	return f, held
}

// TestAResizeIsLookedAtOnceAUnitOfItsNodeIsReservedForNobody has the swap of another pod give a unit back, of which no object tells.
func TestAResizeIsLookedAtOnceAUnitOfItsNodeIsReservedForNobody(t *testing.T) {
	f, held := newResizing(t, nil)
	f.shared.reservations.Reserve("another", []*corev1.Pod{held})
	f.shared.reservations.Release("another", []*corev1.Pod{held})
	require.Eventually(t, func() bool { return slices.Contains(f.deleted(), held.Name) }, patience, glance)
}

func TestUnitsGoForResizesOnlyWhereTheArgumentsSaySo(t *testing.T) {
	for name, grow := range map[string]bool{"they do": true, "they do not": false} {
		t.Run(name, func(t *testing.T) {
			f, held := resizing(t, cluster{change: func(args *config.HeadroomArgs) { args.GrowInPlace = grow }}, "default")
			for _, info := range f.nodes[0].GetPods() {
				if pod := info.GetPod(); pod.Name == "web" {
					require.Equal(t, grow, f.shared.growth.Request(pod))
				}
			}
			if grow {
				require.Eventually(t, func() bool { return slices.Contains(f.deleted(), held.Name) }, patience, glance)
				return
			}
			f.shared.growth.Look("a")
			require.Never(t, func() bool { return len(f.deleted()) > 0 }, 10*glance, glance)
		})
	}
}

// TestTheEventOfAResizeLeavesOutNamesOfOtherNamespacesIfWanted, as that of a swap does.
func TestTheEventOfAResizeLeavesOutNamesOfOtherNamespacesIfWanted(t *testing.T) {
	for name, tc := range map[string]struct {
		hide      bool
		namespace string
		named     bool
	}{
		"all are named by default":   {namespace: "shop", named: true},
		"those of other namespaces":  {hide: true, namespace: "shop"},
		"not those of the pod's own": {hide: true, namespace: "default", named: true},
	} {
		t.Run(name, func(t *testing.T) {
			f, held := resizing(t, cluster{change: func(args *config.HeadroomArgs) { args.HideNamesOfOtherNamespaces = tc.hide }}, tc.namespace)
			f.shared.growth.Look("a")
			require.Eventually(t, func() bool { return len(f.events.Events) > 0 }, patience, glance)
			require.Equal(t, tc.named, strings.Contains(<-f.events.Events, held.Name))
		})
	}
}

// listing is an API server that has one Headroom and no other kind, and answers once it is open.
type listing struct{ open chan struct{} }

func (l listing) RoundTrip(request *http.Request) (*http.Response, error) {
	<-l.open
	query := request.URL.Query()
	switch {
	case !strings.Contains(request.URL.Path, "headrooms"):
		return undefined{}.RoundTrip(request)
	case query.Get("watch") != "" && query.Get("sendInitialEvents") == "":
		nothing, _ := io.Pipe()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: nothing}, nil
	case query.Get("watch") != "":
		return &http.Response{StatusCode: http.StatusUnprocessableEntity, Body: io.NopCloser(strings.NewReader(""))}, nil
	}
	body, err := json.Marshal(v1alpha1.HeadroomList{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "HeadroomList"},
		ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: []v1alpha1.Headroom{*hr("open", "2")},
	})
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, err
}

func TestResizesAreLookedAtOnceAHeadroomIsKnown(t *testing.T) {
	server := listing{open: make(chan struct{})}
	f, held := newResizing(t, &rest.Config{Host: "http://server", Transport: server})
	close(server.open)
	require.Eventually(t, func() bool { return slices.Contains(f.deleted(), held.Name) }, patience, glance)
}
