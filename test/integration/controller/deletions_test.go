package controller

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// deletions are the options of the deletions of pods that a controller asks for, by the name of the pod.
type deletions struct {
	next http.RoundTripper

	mu      sync.Mutex
	options map[string]metav1.DeleteOptions
	failure error
}

func (d *deletions) wrap(next http.RoundTripper) http.RoundTripper {
	d.next, d.options = next, map[string]metav1.DeleteOptions{}
	return d
}

// RoundTrip passes a request on, and reads what it says.
func (d *deletions) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodDelete && resourceOf(request) == "pods" {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		d.note(path.Base(request.URL.Path), body)
	}
	return d.next.RoundTrip(request)
}

func (d *deletions) note(pod string, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	options := &metav1.DeleteOptions{}
	if _, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(body, nil, options); err != nil {
		d.failure = fmt.Errorf("what was sent to delete %s: %w", pod, err)
	}
	d.options[pod] = *options
}

// requireOf fails the test unless the deletions were of exactly these pods, by their UIDs and at once.
func (d *deletions) requireOf(e *environment, pods map[string]types.UID) {
	e.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	require.NoError(e, d.failure)
	require.Len(e, d.options, len(pods))
	for name, uid := range pods {
		got := d.options[name]
		require.NotNil(e, got.Preconditions, name)
		require.Equal(e, ptr.To(uid), got.Preconditions.UID, "another pod may have the name %s by now", name)
		require.Equal(e, ptr.To[int64](0), got.GracePeriodSeconds)
	}
}

func TestEachDeletionNamesTheUIDOfItsPod(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, nil)
	e.bindTo(e.nodes("a")...)
	requests := &deletions{}
	e.startController(through(requests.wrap))
	e.headroom("web", replicas(3))
	e.waitFilled("web", 3)
	want := map[string]types.UID{}
	failed := e.pods()[0]
	want[failed.Name] = failed.UID
	e.fail(&failed, "", "")
	e.waitReplaced(failed.UID)
	e.waitUnits("web", 3)
	e.waitFilled("web", 3)
	requests.requireOf(e, want)

	before := e.pods()
	e.change("web", func(spec *v1alpha1.HeadroomSpec) { spec.Replicas = ptr.To[int32](0) })
	e.waitFilled("web", 0)
	for _, pod := range before {
		want[pod.Name] = pod.UID
	}
	requests.requireOf(e, want)
}
