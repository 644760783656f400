package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/explanation"
)

const (
	podsOfShop   = "/api/v1/namespaces/shop/pods"
	eventsOfShop = "/api/v1/namespaces/shop/events"
)

func values[T any](pointers []*T) []T {
	list := make([]T, len(pointers))
	for i := range pointers {
		list[i] = *pointers[i]
	}
	return list
}

// tookOne is the account of shop/web, of which shop/web-1 took a unit a minute ago, the pod of its name before an hour ago, and a pod that
// nothing is known of at another time.
func tookOne(t *testing.T) v1alpha1.HeadroomAccount {
	t.Helper()
	a := account.New(time.Now().Add(-2 * time.Hour))
	for uid, ago := range map[types.UID]time.Duration{"uid-web-1": time.Minute, "uid-before": time.Hour, "": time.Hour + time.Minute} {
		a.Take(account.Take{
			Time: time.Now().Add(-ago), Placeholder: "web-headroom-for-" + string(uid), UID: uid + "-unit", Node: "node-1", How: account.BySwap,
			Consumer: account.Consumer{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web-1"}, UID: uid},
		})
	}
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	return v1alpha1.HeadroomAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "HeadroomAccount"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Record: record,
	}
}

// fourNodes is an API server with the objects of testdata/cluster.yaml, an account, and an event that tells a rule. Whatever is of all
// namespaces it has under that path alone, and events of shop.
func fourNodes(t *testing.T) map[string]any {
	t.Helper()
	found, err := readFiles([]string{input}, nil)
	require.NoError(t, err)
	answers := discovered(
		[]metav1.APIResource{
			listed("events", "Event", true), listed("pods", "Pod", true), listed("nodes", "Node", false), listed("namespaces", "Namespace", false),
		},
		[]metav1.APIResource{listed("headrooms", "Headroom", true), listed("headroomaccounts", "HeadroomAccount", true)},
		map[schema.GroupVersion][]metav1.APIResource{
			appsv1.SchemeGroupVersion:       {listed("daemonsets", "DaemonSet", true)},
			schedulingv1.SchemeGroupVersion: {listed("priorityclasses", "PriorityClass", false)},
		},
	)
	kind := func(version schema.GroupVersion, kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: version.String(), Kind: kind}
	}
	maps.Copy(answers, map[string]any{
		"/api/v1/pods":             corev1.PodList{TypeMeta: kind(corev1.SchemeGroupVersion, "PodList"), Items: values(found.Pods)},
		"/api/v1/nodes":            corev1.NodeList{TypeMeta: kind(corev1.SchemeGroupVersion, "NodeList"), Items: values(found.Nodes)},
		"/api/v1/namespaces":       corev1.NamespaceList{TypeMeta: kind(corev1.SchemeGroupVersion, "NamespaceList")},
		"/apis/apps/v1/daemonsets": appsv1.DaemonSetList{TypeMeta: kind(appsv1.SchemeGroupVersion, "DaemonSetList")},
		headroomAPI + "/headrooms": v1alpha1.HeadroomList{TypeMeta: kind(v1alpha1.GroupVersion, "HeadroomList"), Items: values(found.Headrooms)},
		allAccounts: v1alpha1.HeadroomAccountList{
			TypeMeta: kind(v1alpha1.GroupVersion, "HeadroomAccountList"), Items: []v1alpha1.HeadroomAccount{tookOne(t)},
		},
		"/apis/scheduling.k8s.io/v1/priorityclasses": schedulingv1.PriorityClassList{
			TypeMeta: kind(schedulingv1.SchemeGroupVersion, "PriorityClassList"),
		},
		eventsOfShop: eventOf(swapevent.Reason, swapevent.Swap{
			Placeholders: []types.NamespacedName{{Namespace: "shop", Name: "u"}}, Node: "n", Why: "a rule",
		}),
	})
	return answers
}

// eventOf is the list of events of a pod that took, or shared, what others hold.
func eventOf(reason string, swap swapevent.Swap) corev1.EventList {
	return corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, Items: []corev1.Event{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "e"}, Reason: reason, Message: swapevent.Note(swap),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-1", UID: "uid-web-1"},
	}}}
}

// explainedLive runs "kubectl headroom explain pod" at an API server.
func explainedLive(t *testing.T, answers map[string]any, flags string) (told explanation.Explanation, notes string, err error) {
	t.Helper()
	out, notes, err := atCluster(t, answers, "explain pod -o json "+flags)
	if err == nil {
		require.True(t, strings.HasSuffix(out, "}\n"), "a prompt is on a line of its own")
		require.NoError(t, json.Unmarshal([]byte(out), &told), out)
	}
	return told, notes, err
}

func TestAPodOfTheClusterIsExplainedAsFarAsRightsGo(t *testing.T) {
	const took, waits = "web-headroom-for-uid-web-1", "It is on no node, and the scheduler default-scheduler has said nothing of it yet"
	move := func(from, to string) func(map[string]any) {
		return func(answers map[string]any) {
			answers[to] = answers[from]
			delete(answers, from)
		}
	}
	forbid := func(path string) func(map[string]any) { return func(answers map[string]any) { delete(answers, path) } }
	for name, tc := range map[string]struct {
		change     func(map[string]any)
		took, rule string
		notNow     bool
		notes      string
	}{
		"with all of them":          {change: func(map[string]any) {}, took: took, rule: "a rule"},
		"accounts of its namespace": {change: move(allAccounts, accountsOfShop), took: took, rule: "a rule"},
		"no accounts":               {change: forbid(allAccounts), rule: "a rule", notes: "what the pod took is not shown: no right to list"},
		"no events":                 {change: forbid(eventsOfShop), took: took, notes: "by which rule is not shown: no right to list events"},
		"pods of its namespace only": {
			change: move("/api/v1/pods", podsOfShop), took: took, rule: "a rule", notNow: true, notes: "what would happen now is not shown: no right",
		},
		"what others had evicted": {
			change: func(answers map[string]any) {
				shared := swapevent.Swap{Shared: []types.NamespacedName{{Namespace: "shop", Name: "u"}}, Node: "n", Why: "another rule"}
				answers[eventsOfShop] = eventOf(swapevent.ReasonShared, shared)
			},
			took: took, rule: "evicted for another pod; another rule",
		},
		"an account that is broken": {
			change: func(answers map[string]any) {
				accounts, _ := answers[allAccounts].(v1alpha1.HeadroomAccountList)
				accounts.Items[0].Record.Hours = []byte("none")
			},
			rule: "a rule", notes: "the account of shop/web cannot be read: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			answers := fourNodes(t)
			tc.change(answers)
			told, notes, err := explainedLive(t, answers, "web-1")
			require.NoError(t, err)
			require.Equal(t, "shop/web-1", told.Pod)
			require.Contains(t, told.State, waits)
			require.Equal(t, tc.rule, told.Rule)
			require.Contains(t, notes, tc.notes)
			require.Equal(t, notes == "", tc.notes == "", notes)
			require.Equal(t, tc.notes != "", len(told.NotSeen) == 1, told.NotSeen)
			if tc.took == "" {
				require.Empty(t, told.Took)
			} else {
				require.Len(t, told.Took, 1)
				require.WithinDuration(t, time.Now().Add(-time.Minute), told.Took[0].Time, 30*time.Second)
				told.Took[0].Time = time.Time{}
				require.Equal(t, explanation.Taken{Headroom: "shop/web", Placeholder: tc.took, Node: "node-1", How: "Swap"}, told.Took[0])
			}
			if tc.notNow {
				require.Nil(t, told.Now)
				return
			}
			require.Equal(t, 4, told.Now.Nodes)
			require.Equal(t, []string{"shop/any-headroom-1"}, told.Now.Takes)
			require.Empty(t, told.Now.Remedies, "nothing would have to change")
			require.Contains(t, strings.Join(told.Assumptions, "; "), "the cluster is as it was at ")
		})
	}
}

func TestAPodThatFitsAsItIsIsToldWhere(t *testing.T) {
	answers := fourNodes(t)
	nodes, _ := answers["/api/v1/nodes"].(corev1.NodeList)
	nodes.Items[2].Status.Allocatable = nodes.Items[2].Status.Allocatable.DeepCopy()
	nodes.Items[2].Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("80")
	told, _, err := explainedLive(t, answers, "web-1")
	require.NoError(t, err)
	require.Equal(t, []string{"node-3"}, told.Now.Fits)
	require.Empty(t, told.Now.Takes)
}

func TestAPodThatDoesNotExistYetNeedsTheRightToSeeTheCluster(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pod.yaml")
	require.NoError(t, os.WriteFile(file, []byte("{apiVersion: v1, kind: Pod, metadata: {name: later}}"), 0o600))
	answers := fourNodes(t)
	_, _, err := explainedLive(t, answers, "-f "+file)
	require.NoError(t, err)
	delete(answers, "/api/v1/pods")
	_, _, err = explainedLive(t, answers, "-f "+file)
	require.ErrorContains(t, err, "no right to list pods of the whole cluster")
	require.Equal(t, exitForbidden, exitCode(err))
}

// TestAPodWithoutUIDTookNothing: nothing that is known of no pod is this one's.
func TestAPodWithoutUIDTookNothing(t *testing.T) {
	stored, err := json.Marshal(tookOne(t))
	require.NoError(t, err)
	told, err := explained(t, with(t, "  uid: uid-web-1\n", "")+"---\n"+string(stored)+"\n", "", "web-1")
	require.NoError(t, err)
	require.Empty(t, told.Took)
}

// TestARunningSchedulerIsAsked: it does not know shop/any yet, whose unit would go first. An API server without TLS is sent no credentials, and
// so it is not either.
func TestARunningSchedulerIsAsked(t *testing.T) {
	config, err := yaml.YAMLToJSON([]byte(strings.Replace(configuration, "{ARGS}", "{}", 1)))
	require.NoError(t, err)
	running := serveTo(t, "", http.StatusOK, fmt.Sprintf(`{"componentconfig": %s, "headroom": {"headrooms": ["shop/web"]}}`, config))
	answers := fourNodes(t)
	pods, _ := answers["/api/v1/pods"].(corev1.PodList)
	for i := range pods.Items {
		pods.Items[i].Spec.SchedulerName = "headroom-scheduler"
	}
	told, _, err := explainedLive(t, answers, "web-1 --from-scheduler "+running.URL)
	require.NoError(t, err)
	require.Len(t, told.Now.Takes, 1)
	require.NotContains(t, told.Now.Takes[0], "shop/any-")
	assumed := strings.Join(told.Assumptions, "; ")
	require.Contains(t, assumed, "the scheduler at "+running.URL)
	require.NotContains(t, assumed, "is headroom-scheduler or has the plugin Headroom", "it is known to have it")

	_, _, err = explainedLive(t, answers, "web-1 --from-scheduler "+running.URL+" --scheduler-ca none.crt")
	require.ErrorContains(t, err, "none.crt")
}
