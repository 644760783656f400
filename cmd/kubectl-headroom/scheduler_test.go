package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/scheduler/eviction"
	"github.com/headroom-dev/headroom/pkg/scheduler/running"
)

const schedulerAnswer = `{"componentconfig": {"kind": "KubeSchedulerConfiguration"},
"headroom": {"headrooms": ["shop/web"], "reserved": [{"placeholder": "u1", "node": "n"}]}}`

// serve answers as a scheduler that knows one token.
func serve(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	return serveTo(t, "Bearer secret", status, body)
}

// serveTo answers as a scheduler that knows one kind of credentials.
func serveTo(t *testing.T, credentials string, status int, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != credentials || r.URL.Path != running.Path {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server
}

func TestASchedulerIsAskedWithTheCredentialsOfTheCluster(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		code   int
		want   string
	}{
		"an answer":             {http.StatusOK, schedulerAnswer, 0, ""},
		"a long answer":         {http.StatusOK, strings.Repeat(" ", 1<<20) + schedulerAnswer, 0, ""},
		"no right":              {http.StatusForbidden, "", exitForbidden, "no right to get the path /configz"},
		"unknown credentials":   {http.StatusUnauthorized, "", exitUnreachable, "does not accept the credentials"},
		"another server":        {http.StatusNotFound, "", exitFailed, "answers 404 Not Found"},
		"a server in trouble":   {http.StatusServiceUnavailable, schedulerAnswer, exitFailed, "answers 503 Service Unavailable"},
		"a server of something": {http.StatusOK, "<html>", exitFailed, "not that of a scheduler"},
		"a stock scheduler":     {http.StatusOK, `{"componentconfig": {}}`, exitFailed, "does not have the plugin Headroom"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, tt.status, tt.body)
			for _, address := range []string{server.URL, server.URL + "/"} {
				s := scheduler{address: address}
				answer, err := s.ask(t.Context(), &rest.Config{Host: "https://cluster", BearerToken: "secret"})
				require.Equal(t, tt.code, exitCode(err))
				if tt.want != "" {
					require.ErrorContains(t, err, tt.want)
					continue
				}
				require.Equal(t, []eviction.Reserved{{Placeholder: "u1", Node: "n"}}, answer.State.Reserved)
			}
		})
	}
	server := serve(t, http.StatusOK, schedulerAnswer)
	server.Close()
	_, err := (&scheduler{address: server.URL}).ask(t.Context(), &rest.Config{BearerToken: "secret"})
	require.Equal(t, exitUnreachable, exitCode(err))
	require.ErrorContains(t, err, "the scheduler at "+server.URL+" does not answer, look whether the port is forwarded: ")
}

func TestCredentialsGoToACheckedServerOrStayOnThisMachine(t *testing.T) {
	cluster := &rest.Config{
		Host: "https://cluster", BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("ca"), ServerName: "cluster"},
	}
	before := rest.CopyConfig(cluster)
	for _, address := range []string{"https://127.0.0.1:10259", "https://localhost:1", "https://[::1]:1"} {
		for authority, insecure := range map[string]bool{"": true, "ca.crt": false} {
			config, err := (&scheduler{address: address, authority: authority}).config(cluster)
			require.NoError(t, err)
			require.Equal(t, insecure, config.Insecure, "who names an authority has the server checked, wherever it is")
			require.Equal(t, authority, config.CAFile)
			require.Equal(t, address, config.Host)
			require.Equal(t, schedulerTimeout, config.Timeout, "a port that is forwarded to nobody may be silent for ever")
			require.Empty(t, config.CAData)
			require.Empty(t, config.ServerName)
			trusting := rest.CopyConfig(cluster)
			trusting.CAData, trusting.Insecure = nil, true
			config, err = (&scheduler{address: address, authority: authority}).config(trusting)
			require.NoError(t, err)
			require.Equal(t, insecure, config.Insecure, "whether the cluster is checked or not")
		}
	}
	require.Equal(t, before, cluster, "the cluster is asked on as before")
	for _, address := range []string{
		"https://10.0.0.1:10259", "https://0.0.0.0:1", "https://[::]:1", "https://169.254.0.1:1", "https://127.0.0.1.example.org",
		"https://localhost.example.org",
	} {
		_, err := (&scheduler{address: address}).config(cluster)
		require.ErrorContains(t, err, "is another machine", address)
		config, err := (&scheduler{address: address, authority: "ca.crt"}).config(cluster)
		require.NoError(t, err)
		require.False(t, config.Insecure)
		require.Equal(t, "ca.crt", config.CAFile)
	}
	for _, address := range []string{"http://127.0.0.1:10259", "127.0.0.1:10259", "https://", "://"} {
		_, err := (&scheduler{address: address}).config(cluster)
		require.ErrorContains(t, err, "needs an address such as", address)
	}
	_, err := (&scheduler{address: "https://127.0.0.1:1"}).config(&rest.Config{Impersonate: rest.ImpersonationConfig{UserName: "eve"}})
	require.ErrorContains(t, err, "leave out --as")
}

func TestOnlyWhatTheSchedulerKnowsCounts(t *testing.T) {
	gathered := &objects{}
	for _, name := range []string{"shop/web", "shop/new", "search/web"} {
		h := &v1alpha1.Headroom{}
		h.Namespace, h.Name, _ = strings.Cut(name, "/")
		gathered.Headrooms = append(gathered.Headrooms, h)
	}
	var pods []*corev1.Pod
	for _, uid := range []types.UID{"asked", "decided", "waits", "runs", "elsewhere"} {
		pod := &corev1.Pod{}
		pod.UID = uid
		pods = append(pods, pod)
	}
	pods[3].Spec.NodeName = "node-2"
	gathered.Pods = pods
	gathered.asKnownTo(&running.State{Headrooms: []string{"shop/web"}, Undeletable: []string{"shop/web"}, Reserved: []eviction.Reserved{
		{Placeholder: "a", Node: "node-1", Consumers: []types.UID{"asked", "decided"}}, {Placeholder: "b", Stays: true},
		{Placeholder: "c", Node: "node-3", Consumers: []types.UID{"elsewhere"}},
	}}, pods[0])
	require.Len(t, gathered.Headrooms, 1)
	require.Equal(t, "shop/web", gathered.Headrooms[0].Namespace+"/"+gathered.Headrooms[0].Name)
	require.Equal(t, map[types.UID]bool{"a": false, "b": true, "c": false}, gathered.Reserved)
	require.Equal(t, map[types.NamespacedName]bool{{Namespace: "shop", Name: "web"}: true}, gathered.Undeletable)
	var on []string
	for _, pod := range pods {
		on = append(on, pod.Spec.NodeName)
	}
	require.Equal(t, []string{"", "node-1", "", "node-2", "node-3"}, on)
}
