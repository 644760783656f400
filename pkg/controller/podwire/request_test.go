package podwire

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/watchlist"
)

// answerer answers in place of an API server.
type answerer func(*http.Request) (*http.Response, error)

func (a answerer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// body is an answer of which is known whether it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

// answered is a client that is answered so.
func answered(t *testing.T, by answerer) *Client {
	t.Helper()
	client, err := New(&rest.Config{Host: "http://api.example"}, &http.Client{Transport: by})
	require.NoError(t, err)
	return client
}

func TestWhatIsAskedForIsWhatTheReflectorAsksFor(t *testing.T) {
	var asked []url.Values
	var paths []string
	client := answered(t, func(r *http.Request) (*http.Response, error) {
		asked, paths = append(asked, r.URL.Query()), append(paths, r.URL.Path)
		list := encoded(t, runtime.ContentTypeProtobuf, &corev1.PodList{})
		return &http.Response{StatusCode: http.StatusOK, Body: &body{Reader: bytes.NewReader(list)}, Header: http.Header{}}, nil
	})
	timeout := int64(300)
	options := metav1.ListOptions{
		ResourceVersion: "7", FieldSelector: "spec.nodeName!=", LabelSelector: "app=web", AllowWatchBookmarks: true, TimeoutSeconds: &timeout,
	}
	_, err := client.List(t.Context(), "", options)
	require.NoError(t, err)
	events, err := client.Watch(t.Context(), "shop", options)
	require.NoError(t, err)
	events.Stop()

	require.Equal(t, []string{"/api/v1/pods", "/api/v1/namespaces/shop/pods"}, paths)
	for i, watches := range []string{"", "true"} {
		for key, want := range map[string]string{
			"resourceVersion": "7", "fieldSelector": "spec.nodeName!=", "labelSelector": "app=web", "allowWatchBookmarks": "true",
			"timeoutSeconds": "300", "watch": watches,
		} {
			require.Equal(t, want, asked[i].Get(key), "%s of %s", key, paths[i])
		}
	}
	require.False(t, options.Watch, "the options are the reflector's")
}

func TestAListIsClosedWhateverIsInIt(t *testing.T) {
	list := encoded(t, runtime.ContentTypeProtobuf, &corev1.PodList{Items: make([]corev1.Pod, 3)})
	for name, data := range map[string][]byte{"a list": list, "half of one": list[:len(list)/2], "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			answer := &body{Reader: bytes.NewReader(data)}
			client := answered(t, func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: answer, Header: http.Header{}}, nil
			})
			_, _ = client.List(t.Context(), "shop", metav1.ListOptions{})
			require.True(t, answer.closed, "or its connection would never be used again")
		})
	}
}

func TestARequestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := answered(t, func(r *http.Request) (*http.Response, error) {
		cancel()
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return nil, late{}
	})
	_, err := client.List(ctx, "shop", metav1.ListOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestEveryPodOfAListInJSONIsKept(t *testing.T) {
	pods := []corev1.Pod{*bound("a", "7", map[string]string{"app": "web"}), *bound("b", "8", nil), {ObjectMeta: metav1.ObjectMeta{Name: "c"}}}
	list, err := readList(bytes.NewReader(encoded(t, runtime.ContentTypeJSON, &corev1.PodList{Items: pods})))
	require.NoError(t, err)
	require.Len(t, list.Items, len(pods))
	for i := range pods {
		requireSame(t, &pods[i], list.Items[i])
	}
}

// late is the error of a request that took too long.
type late struct{}

func (late) Error() string   { return "too late" }
func (late) Timeout() bool   { return true }
func (late) Temporary() bool { return true }

func TestAWatchThatIsNotAnsweredInTimeCanBeTriedAgain(t *testing.T) {
	client := answered(t, func(*http.Request) (*http.Response, error) { return nil, late{} })
	events, err := client.Watch(t.Context(), "shop", metav1.ListOptions{})
	require.NoError(t, err)
	_, ok := <-events.ResultChan()
	require.False(t, ok)
	_, err = client.List(t.Context(), "shop", metav1.ListOptions{})
	require.ErrorIs(t, err, late{}, "a list is there or not")
}

func TestWhoHasAClientMadeKeepsItsConfiguration(t *testing.T) {
	access := &rest.Config{Host: "http://api.example"}
	_, err := New(access, &http.Client{})
	require.NoError(t, err)
	_, err = Connections(access)
	require.NoError(t, err)
	require.Equal(t, &rest.Config{Host: "http://api.example"}, access)
}

func TestReflectorsListBeforeTheyWatch(t *testing.T) {
	client := answered(t, func(*http.Request) (*http.Response, error) { return nil, late{} })
	require.True(t, watchlist.DoesClientNotSupportWatchListSemantics(client))
}

// TestASilentWatchWhoseOtherSideIsGoneIsFoundOutWithinAMinute, which is what the probes of its connection take together.
func TestASilentWatchWhoseOtherSideIsGoneIsFoundOutWithinAMinute(t *testing.T) {
	alive := dialer.KeepAliveConfig
	require.True(t, alive.Enable)
	require.LessOrEqual(t, alive.Idle.Seconds()+float64(alive.Count)*alive.Interval.Seconds(), 60.0)
	require.Positive(t, alive.Idle)
	require.Positive(t, alive.Interval)
	require.Positive(t, alive.Count)
}
