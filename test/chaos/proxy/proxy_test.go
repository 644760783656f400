package proxy

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"pgregory.net/rapid"
)

// apiServer answers every request by a function, over TLS.
func apiServer(t *testing.T, answer http.HandlerFunc) *Proxy {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	p, err := Start(&rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// clientOf is a client that speaks Protocol Buffers, as kube-scheduler does.
func clientOf(t *testing.T, p *Proxy) *kubernetes.Clientset {
	t.Helper()
	config := p.Server()
	config.QPS, config.ContentConfig = -1, rest.ContentConfig{ContentType: protobufType, AcceptContentTypes: protobufType + "," + jsonType}
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

// echo answers with what it was sent, as JSON.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

func TestShiftedTimesComeBackAsTheyWereAndNothingElseChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		second := time.Duration(rapid.IntRange(-3600, 3600).Draw(t, "ahead")) * time.Second
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), rapid.Int64Range(0, 999999).Draw(t, "micros")*1000).UTC()
		text := fmt.Sprintf(`{"a":%q,"b":%q,"c":"since %s","d":"2026-99-99T00:00:00Z","e":7}`,
			at.Format(time.RFC3339), at.Format(metav1.RFC3339Micro), at.Format(time.RFC3339))
		shifted := shift([]byte(text), second)
		require.Equal(t, text, string(shift(shifted, -second)))
		var fields map[string]any
		require.NoError(t, json.Unmarshal(shifted, &fields))
		require.Equal(t, at.Add(second).Format(time.RFC3339), fields["a"])
		require.Equal(t, at.Add(second).Format(metav1.RFC3339Micro), fields["b"])
		require.Equal(t, "since "+at.Format(time.RFC3339), fields["c"], "text is no time")
	})
}

func TestAClockThatIsAheadWritesTimesThatAreAheadAndReadsThemBackAsItWroteThem(t *testing.T) {
	var stored eventsv1.Event
	p := apiServer(t, func(w http.ResponseWriter, r *http.Request) {
		require.Contains(t, r.Header.Get("Content-Type"), jsonType, "Protocol Buffers are translated")
		require.NotContains(t, r.Header.Get("Accept"), protobufType)
		body, _ := io.ReadAll(r.Body)
		require.NoError(t, json.Unmarshal(body, &stored))
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write(body)
	})
	p.SetSkew(30 * time.Second)
	now := metav1.NewMicroTime(time.Date(2026, 1, 1, 0, 0, 0, 123456000, time.UTC))
	event := &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "n"}, EventTime: now, Note: "as it is"}
	returned, err := clientOf(t, p).EventsV1().Events("n").Create(t.Context(), event, metav1.CreateOptions{})
	require.NoError(t, err)
	require.True(t, returned.EventTime.Time.Equal(now.Time), "%s", returned.EventTime)
	require.True(t, stored.EventTime.Time.Equal(now.Add(30*time.Second)), "%s", stored.EventTime)
	require.Equal(t, "as it is", stored.Note)
}

func TestARightClockChangesNothing(t *testing.T) {
	p := apiServer(t, echo)
	event := &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "n"}, EventTime: metav1.NowMicro()}
	returned, err := clientOf(t, p).EventsV1().Events("n").Create(t.Context(), event, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, event.EventTime.UTC().Format(metav1.RFC3339Micro), returned.EventTime.UTC().Format(metav1.RFC3339Micro))
}

func TestWritesAreRecordedWithTheUIDTheyInsistOn(t *testing.T) {
	p := apiServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Success"}`))
	})
	client := clientOf(t, p)
	begun := time.Now()
	require.NoError(t, client.CoreV1().Pods("n").Delete(t.Context(), "web", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("u")}))
	_, err := client.CoreV1().Pods("n").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(p.Writes(begun)) == 1 }, time.Minute, time.Millisecond)
	write := p.Writes(begun)[0]
	require.Equal(t, types.UID("u"), write.UID)
	require.Equal(t, http.StatusOK, write.Code)
	pod, ok := write.DeletedPod()
	require.True(t, ok)
	require.Equal(t, types.NamespacedName{Namespace: "n", Name: "web"}, pod)
}

func TestTheComponentsOwnCredentialsReachTheAPIServer(t *testing.T) {
	p := apiServer(t, func(_ http.ResponseWriter, r *http.Request) {
		require.Equal(t, "Bearer secret", r.Header.Get("Authorization"))
	})
	config := p.Server()
	// By a kubeconfig, which gives credentials to servers with TLS alone.
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["c"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kubeconfig.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "secret"}
	kubeconfig.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	kubeconfig.CurrentContext = "x"
	config, err := clientcmd.NewDefaultClientConfig(*kubeconfig, nil).ClientConfig()
	require.NoError(t, err)
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	response, err := client.Get(config.Host + "/api")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

func TestARefusedRequestNeverReachesTheAPIServer(t *testing.T) {
	reached := 0
	p := apiServer(t, func(w http.ResponseWriter, r *http.Request) {
		reached++
		echo(w, r)
	})
	client := clientOf(t, p)
	for code, is := range map[int]func(error) bool{
		http.StatusConflict: apierrors.IsConflict, http.StatusInternalServerError: apierrors.IsInternalError,
	} {
		p.SetFaults(Faults{Refuse: map[int]int{code: 100}})
		_, err := client.CoreV1().Pods("n").Update(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, metav1.UpdateOptions{})
		require.True(t, is(err), "%v", err)
	}
	require.Zero(t, reached)
	p.SetFaults(Faults{Refuse: map[int]int{http.StatusConflict: 100}})
	_, err := client.CoreV1().Pods("n").Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, metav1.CreateOptions{})
	require.NoError(t, err, "what is created cannot be in conflict")
	p.SetFaults(Faults{Away: true})
	_, err = client.CoreV1().Pods("n").Create(t.Context(), &corev1.Pod{}, metav1.CreateOptions{})
	require.Error(t, err)
	require.Equal(t, 1, reached)
}

// stream answers a watch with what comes from a channel.
func stream(lines <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case line := <-lines:
				_, _ = io.WriteString(w, line+"\n")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
}

func openWatch(t *testing.T, p *Proxy) *bufio.Reader {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Server().Host+"/api/v1/pods?watch=true", nil)
	require.NoError(t, err)
	client, err := rest.HTTPClientFor(p.Server())
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return bufio.NewReader(response.Body)
}

func TestAWatchCanBeCut(t *testing.T) {
	lines := make(chan string, 1)
	p := apiServer(t, stream(lines))
	reader := openWatch(t, p)
	lines <- "first"
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "first\n", line)
	p.CutWatches()
	_, err = reader.ReadString('\n')
	require.Error(t, err)
}

func TestAWatchThatLagsSaysLaterWhatItHadToSay(t *testing.T) {
	for name, skew := range map[string]time.Duration{"right clock": 0, "wrong clock": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			lines := make(chan string, 1)
			p := apiServer(t, stream(lines))
			p.SetSkew(skew)
			reader := openWatch(t, p)
			p.SetFaults(Faults{Lag: true})
			lines <- `{"at":"2026-01-01T00:00:10Z"}`
			got := make(chan string, 1)
			go func() {
				line, _ := reader.ReadString('\n')
				got <- line
			}()
			select {
			case line := <-got:
				require.Empty(t, line, "the watch does not lag")
			case <-time.After(100 * time.Millisecond): // that nothing comes takes time to see
			}
			p.SetFaults(Faults{})
			want := time.Date(2026, 1, 1, 0, 0, 10, 0, time.UTC).Add(-skew).Format(time.RFC3339)
			require.JSONEq(t, fmt.Sprintf(`{"at":%q}`, want), <-got)
		})
	}
}
