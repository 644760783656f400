package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// runAsCommand has the binary of these tests be the command itself.
const runAsCommand = "HEADROOM_TEST_RUNS_THE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(runAsCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestTheCommandEndsWithWhatIsWrongAndItsCode runs it as people do. Its streams are those of the process.
func TestTheCommandEndsWithWhatIsWrongAndItsCode(t *testing.T) {
	cluster, err := os.ReadFile(input)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		args        string
		code        int
		out, errOut string
	}{
		"what is asked for":     {args: "explain -f -", out: "node node-1: its placeholders, in the order in which they go\n"},
		"a pod that is not":     {args: "explain pod none -n shop --cluster-file -", code: exitNotFound, errOut: "error: pod shop/none is not in the files: "},
		"a flag that is none":   {args: "status --none", code: exitFailed, errOut: "error: unknown flag: --none\n"},
		"a cluster that is not": {args: "status --server https://127.0.0.1:1", code: exitUnreachable, errOut: "error: "},
	} {
		t.Run(name, func(t *testing.T) {
			self, err := os.Executable()
			require.NoError(t, err)
			command := exec.CommandContext(t.Context(), self, strings.Fields(tc.args)...)
			command.Env = append(os.Environ(), runAsCommand+"=1", "KUBECONFIG="+filepath.Join(t.TempDir(), "none"))
			var stdout, stderr strings.Builder
			command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(cluster), &stdout, &stderr
			if err := command.Run(); err != nil {
				require.ErrorAs(t, err, new(*exec.ExitError))
			}
			require.Equal(t, tc.code, command.ProcessState.ExitCode())
			require.Contains(t, stdout.String(), tc.out)
			require.Equal(t, tc.out == "", stdout.Len() == 0, stdout.String())
			require.Contains(t, stderr.String(), tc.errOut)
			require.Equal(t, tc.errOut == "", stderr.Len() == 0, stderr.String())
		})
	}
}

// served is the address of an API server that answers these paths, each with an object or with a status, and refuses to answer all others.
func served(t *testing.T, answers map[string]any) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusForbidden)
			answer = metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
				Status:   metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: r.URL.Path + " is forbidden",
			}
		}
		if status, is := answer.(metav1.Status); is && ok {
			w.WriteHeader(int(status.Code))
		}
		data, err := json.Marshal(answer)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// atCluster runs a command at a served cluster.
func atCluster(t *testing.T, answers map[string]any, command string) (out, notes string, err error) {
	t.Helper()
	var stdout, stderr strings.Builder
	err = runAt(t, served(t, answers), command, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr})
	return stdout.String(), stderr.String(), err
}

// runAt runs a command at the API server of this address, in the namespace shop unless the command says otherwise.
func runAt(t *testing.T, server, command string, streams genericiooptions.IOStreams) error {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	root := newCommand(streams)
	args := append(strings.Fields(command), "--server", server)
	if !slices.Contains(args, "--namespace") {
		args = append(args, "--namespace", "shop")
	}
	root.SetArgs(args)
	return root.ExecuteContext(t.Context())
}

// Paths of an API server.
const (
	headroomAPI    = "/apis/headroom.dev/v1alpha1"
	allAccounts    = headroomAPI + "/headroomaccounts"
	accountsOfShop = headroomAPI + "/namespaces/shop/headroomaccounts"
)

// listed is what an API server says of a resource that may be listed.
func listed(name, kind string, namespaced bool) metav1.APIResource {
	return metav1.APIResource{Name: name, Kind: kind, Namespaced: namespaced, Verbs: metav1.Verbs{"list"}}
}

// discovered is what an API server answers that is asked which resources it has: those of its core, ours, and of one version of others.
func discovered(core, ours []metav1.APIResource, others map[schema.GroupVersion][]metav1.APIResource) map[string]any {
	resources := func(version string, resources []metav1.APIResource) metav1.APIResourceList {
		return metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: version, APIResources: resources,
		}
	}
	answers := map[string]any{
		"/api":    metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}},
		"/api/v1": resources("v1", core),
	}
	groups := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	add := func(group schema.GroupVersion, list []metav1.APIResource) {
		version := metav1.GroupVersionForDiscovery{GroupVersion: group.String(), Version: group.Version}
		groups.Groups = append(groups.Groups, metav1.APIGroup{
			Name: group.Group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version,
		})
		answers["/apis/"+group.String()] = resources(group.String(), list)
	}
	add(v1alpha1.GroupVersion, ours)
	for group, list := range others {
		add(group, list)
	}
	answers["/apis"] = groups
	return answers
}

func TestNodesSaysWhatItCouldNotLookAt(t *testing.T) {
	pods := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for _, format := range []string{"", " -o json"} {
		out, notes, err := atCluster(t, map[string]any{"/api/v1/namespaces/shop/pods": pods}, "nodes"+format)
		require.NoError(t, err)
		require.NotContains(t, out, "note: ", "it disturbs no pipe")
		for _, want := range []string{
			"note: what pods of namespaces other than shop use is not counted: ", "note: zones, sizes and nodes without pods are not shown: ",
			"note: units of Headrooms with placement PerNode count as used: ",
		} {
			require.Contains(t, notes, want)
		}
	}
}

func TestTheLedgerPrintsTakesOrTheirSumsInEachFormat(t *testing.T) {
	answers := discovered([]metav1.APIResource{listed("events", "Event", true)}, []metav1.APIResource{listed("headroomaccounts", "HeadroomAccount", true)}, nil)
	answers[accountsOfShop] = v1alpha1.HeadroomAccountList{
		TypeMeta: metav1.TypeMeta{Kind: "HeadroomAccountList", APIVersion: v1alpha1.GroupVersion.String()},
		Items:    []v1alpha1.HeadroomAccount{*taken(t, "web", time.Minute, 3*time.Hour), *taken(t, "batch", time.Minute)},
	}
	const how = "Swap" // which is of a single take
	for format, single := range map[string]bool{
		"": true, "-o wide": true, "-o csv": true, "-o json": true, "-o yaml": true,
		"--by headroom": false, "--by headroom -o wide": false, "--by headroom -o csv": false, "--by headroom -o json": false,
		"--by headroom -o yaml": false,
	} {
		t.Run("ledger "+format, func(t *testing.T) {
			out, notes, err := atCluster(t, answers, "ledger "+format)
			require.NoError(t, err)
			require.Contains(t, notes, "note: by which rule is not shown for pods of namespace shop: ")
			require.Contains(t, out, "batch")
			require.Equal(t, single, strings.Contains(out, how), out)
			require.Equal(t, strings.Contains(format, "json"), json.Valid([]byte(out)))
		})
	}
}

func TestAConsumerWithoutNamespaceIsInThatOfTheContextOrOfTheFiles(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(kubeconfig, []byte(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], contexts: [{name: c, context: {cluster: c, namespace: shop}}]}`), 0o600))
	gathered := &objects{}
	for _, namespace := range []string{"default", "search", "shop"} {
		gathered.Pods = append(gathered.Pods, podOf(namespace, "web"))
	}
	for name, tc := range map[string]struct {
		files          []string
		consumer, flag string
		want           string
	}{
		"in the cluster":                             {consumer: "web", want: "shop"},
		"in the cluster, with --namespace":           {consumer: "web", flag: "search", want: "search"},
		"in the cluster, with a namespace":           {consumer: "default/web", flag: "search", want: "default"},
		"in files, which have no context":            {files: []string{"f"}, consumer: "web", want: "default"},
		"in files, with --namespace":                 {files: []string{"f"}, consumer: "web", flag: "search", want: "search"},
		"in files, with a namespace and with a flag": {files: []string{"f"}, consumer: "shop/web", flag: "search", want: "shop"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &explainOptions{access: newAccess(), consumer: tc.consumer, files: tc.files}
			*o.access.flags.KubeConfig, *o.access.flags.Namespace = kubeconfig, tc.flag
			pod, err := o.findConsumer(gathered)
			require.NoError(t, err)
			require.Equal(t, tc.want, pod.Namespace)
			if !strings.Contains(tc.consumer, "/") {
				namespace, err := (&explainPodOptions{access: o.access, cluster: tc.files}).namespace()
				require.NoError(t, err)
				require.Equal(t, tc.want, namespace, "explain pod")
			}
		})
	}
	pod, err := (&explainOptions{}).findConsumer(gathered)
	require.NoError(t, err)
	require.Nil(t, pod, "no consumer was asked for")
}
