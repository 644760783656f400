package podwire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// newClient asks a server that answers like this.
func newClient(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	access := &rest.Config{Host: server.URL}
	connections, err := Connections(access)
	require.NoError(t, err)
	client, err := New(access, connections)
	require.NoError(t, err)
	return client
}

// write sends an answer; that the other side hangs up is the other side's to see.
func write(w http.ResponseWriter, mediaType string, code int, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

func TestAProxyMayAnswerInJSON(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", ResourceVersion: "7", Labels: map[string]string{"app": "web"}}}
	pod.Spec.NodeName = "n1"
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/vnd.kubernetes.protobuf,application/json" || r.URL.Path != "/api/v1/namespaces/shop/pods" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if r.URL.Query().Get("watch") == "" {
			list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}, Items: []corev1.Pod{*pod}}
			write(w, runtime.ContentTypeJSON, http.StatusOK, encoded(t, runtime.ContentTypeJSON, list))
			return
		}
		event := append([]byte(`{"type":"MODIFIED","object":`), encoded(t, runtime.ContentTypeJSON, pod)...)
		write(w, runtime.ContentTypeJSON, http.StatusOK, append(event, '}'))
	})
	object, err := client.List(t.Context(), "shop", metav1.ListOptions{})
	require.NoError(t, err)
	list, ok := object.(*Pods)
	require.True(t, ok, "got a %T", object)
	require.Equal(t, "9", list.ResourceVersion)
	require.Len(t, list.Items, 1)
	requireSame(t, pod, list.Items[0])

	events, err := client.Watch(t.Context(), "shop", metav1.ListOptions{})
	require.NoError(t, err)
	defer events.Stop()
	event := <-events.ResultChan()
	require.Equal(t, watch.Modified, event.Type)
	changes, ok := event.Object.(*Changes)
	require.True(t, ok, "got a %T", event.Object)
	require.Equal(t, "7", changes.ResourceVersion)
	require.Len(t, changes.Pods, 1)
	requireSame(t, pod, changes.Pods[0])
}

func TestWhatTheAPIServerRefusesIsItsError(t *testing.T) {
	client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		gone := &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired}
		write(w, runtime.ContentTypeProtobuf, http.StatusGone, encoded(t, runtime.ContentTypeProtobuf, gone))
	})
	_, err := client.List(t.Context(), "shop", metav1.ListOptions{})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	_, err = client.Watch(t.Context(), "shop", metav1.ListOptions{})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
}

func TestAListThatBreaksOffIsAnError(t *testing.T) {
	list := encoded(t, runtime.ContentTypeProtobuf, &corev1.PodList{Items: make([]corev1.Pod, 3)})
	client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		write(w, runtime.ContentTypeProtobuf, http.StatusOK, list[:len(list)/2])
	})
	_, err := client.List(t.Context(), "shop", metav1.ListOptions{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestAWatchThatTheServerClosesAtOnceCanBeTriedAgain(t *testing.T) {
	client := newClient(t, func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http cuts a connection
	})
	events, err := client.Watch(t.Context(), "shop", metav1.ListOptions{})
	require.NoError(t, err)
	_, ok := <-events.ResultChan()
	require.False(t, ok)
}
