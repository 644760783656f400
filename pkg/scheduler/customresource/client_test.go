package customresource_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/customresource"
)

// server answers every request with one Headroom, in the process itself, and keeps the last request.
type server struct{ asked *http.Request }

func (s *server) RoundTrip(request *http.Request) (*http.Response, error) {
	s.asked = request
	body := `{"apiVersion":"headroom.dev/v1alpha1","kind":"Headroom","metadata":{"namespace":"shop","name":"web"},"spec":{"replicas":3}}`
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// TestCustomResourcesAreAskedForInJSON, although the scheduler asks for protobuf elsewhere, by the same configuration.
func TestCustomResourcesAreAskedForInJSON(t *testing.T) {
	s := &server{}
	config := &rest.Config{Host: "http://server", Transport: s, ContentConfig: rest.ContentConfig{
		ContentType: runtime.ContentTypeProtobuf, AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
	}}
	before := *config
	client, err := customresource.NewClient(config, v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	require.NoError(t, err)
	require.Equal(t, before, *config, "the scheduler's own configuration stays as it is")

	found := &v1alpha1.Headroom{}
	require.NoError(t, client.Get().Namespace("shop").Resource("headrooms").Name("web").Do(t.Context()).Into(found))
	require.Equal(t, int32(3), *found.Spec.Replicas)
	require.Equal(t, "/apis/headroom.dev/v1alpha1/namespaces/shop/headrooms/web", s.asked.URL.Path)
	require.Equal(t, runtime.ContentTypeJSON, s.asked.Header.Get("Accept"))

	require.NoError(t, client.Post().Namespace("shop").Resource("headrooms").Body(found).Do(t.Context()).Error())
	require.Equal(t, runtime.ContentTypeJSON, s.asked.Header.Get("Content-Type"))
}

func TestAClientThatCannotBeMadeIsAnError(t *testing.T) {
	unknown := errors.New("these kinds are not known")
	_, err := customresource.NewClient(&rest.Config{Host: "http://server"}, v1alpha1.GroupVersion, func(*runtime.Scheme) error { return unknown })
	require.ErrorIs(t, err, unknown)
	_, err = customresource.NewClient(&rest.Config{Host: "http://a b"}, v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	require.Error(t, err)
}
