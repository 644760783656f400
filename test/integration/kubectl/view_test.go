package kubectl

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/account"
	"github.com/headroom-dev/headroom/pkg/swapevent"
	"github.com/headroom-dev/headroom/pkg/view/explanation"
	"github.com/headroom-dev/headroom/pkg/view/ledger"
	"github.com/headroom-dev/headroom/pkg/view/nodes"
	"github.com/headroom-dev/headroom/pkg/view/status"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// shop has the Headroom web with 3 units of which 2 are ready, and a pod that took one.
type shop struct {
	cluster   *cluster.Cluster
	client    client.Client
	namespace string
	// taker is the pod that took one.
	taker *corev1.Pod
}

func newShop(t *testing.T) *shop {
	t.Helper()
	c := clustertest.SharedAPIServer(t)
	require.NoError(t, c.InstallCRD(t.Context()))
	cl, err := c.Client()
	require.NoError(t, err)
	s := &shop{cluster: c, client: cl, namespace: clustertest.Namespace(t, c, nil)}
	s.taker = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "api-1"}}
	s.taker.Spec = corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "main", Image: "main"}}}
	require.NoError(t, cl.Create(t.Context(), s.taker))
	s.addHeadroom(t)
	s.addTake(t)
	return s
}

func (s *shop) addHeadroom(t *testing.T) {
	t.Helper()
	h := &v1alpha1.Headroom{}
	h.Namespace, h.Name = s.namespace, "web"
	h.Spec.Replicas = ptr.To[int32](3)
	h.Spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	require.NoError(t, s.client.Create(t.Context(), h))
	condition := func(kind, status, reason, message string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: message, LastTransitionTime: metav1.Now(),
		}
	}
	clustertest.ChangeStatus(t, s.client, h, func(h *v1alpha1.Headroom) {
		h.Status = v1alpha1.HeadroomStatus{
			ObservedGeneration: h.Generation, DesiredReplicas: 3, Replicas: 3, ReadyReplicas: 2, PendingReplicas: 1, Conditions: []metav1.Condition{
				condition(v1alpha1.ConditionReady, "True", v1alpha1.ReasonValid, "valid"),
				condition(v1alpha1.ConditionFilled, "False", v1alpha1.ReasonWaitingForRoom, "0/3 nodes are available"),
			},
		}
	})
}

func (s *shop) addTake(t *testing.T) {
	t.Helper()
	now := time.Now()
	a := account.New(now.Add(-time.Hour))
	a.Take(account.Take{
		Time: now.Add(-time.Minute), Placeholder: "web-headroom-0", UID: "u", Node: "node-1", How: account.BySwap,
		Consumer: account.Consumer{
			NamespacedName: client.ObjectKeyFromObject(s.taker), UID: s.taker.UID, Owner: "ReplicaSet/api",
		},
	})
	record, err := a.Encode(v1alpha1.AccountPosition{})
	require.NoError(t, err)
	stored := &v1alpha1.HeadroomAccount{Record: record}
	stored.Namespace, stored.Name = s.namespace, "web"
	require.NoError(t, s.client.Create(t.Context(), stored))
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "took"}, Reason: swapevent.Reason, Type: corev1.EventTypeNormal,
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: s.namespace, Name: s.taker.Name, UID: s.taker.UID},
		Message: swapevent.Note(swapevent.Swap{
			Placeholders: []types.NamespacedName{{Namespace: s.namespace, Name: "web-headroom-0"}}, Node: "node-1", Why: "rule 6 Name: node-1 comes first",
		}),
	}
	require.NoError(t, s.client.Create(t.Context(), event))
}

// user returns a kubectl of an account that may do what the rules say in the namespace, and nothing else.
func (s *shop) user(t *testing.T, name string, rules ...rbacv1.PolicyRule) kubectl {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: s.namespace, Name: name}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta}, &rbacv1.Role{ObjectMeta: meta, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: name}},
		},
	} {
		require.NoError(t, s.client.Create(t.Context(), object))
	}
	kubeconfig, err := s.cluster.KubeconfigFor(t.Context(), s.namespace, name)
	require.NoError(t, err)
	k := newKubectl(t, s.cluster)
	k.env = append(k.env, "KUBECONFIG="+kubeconfig)
	return k
}

var (
	viewsHeadrooms = rbacv1.PolicyRule{APIGroups: []string{"headroom.dev"}, Resources: []string{"headrooms", "headroomaccounts"}, Verbs: []string{"list"}}
	viewsRest      = rbacv1.PolicyRule{APIGroups: []string{"", "apps"}, Resources: []string{"pods", "events", "daemonsets"}, Verbs: []string{"list"}}
)

// eventuallyRuns runs kubectl until it succeeds: the API server learns of roles in a moment.
func eventuallyRuns(t *testing.T, k kubectl, args ...string) string {
	t.Helper()
	var out string
	require.Eventually(t, func() bool {
		var err error
		out, err = k.run(args...)
		return err == nil
	}, soon, 100*time.Millisecond, "%s", &out)
	return out
}

// requireExit fails the test unless kubectl ended with the code and says the words.
func requireExit(t *testing.T, k kubectl, code int, words string, args ...string) {
	t.Helper()
	out, err := k.run(args...)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%v: %s", err, out)
	require.Contains(t, out, words)
	require.Equal(t, code, exit.ExitCode(), out)
}

func TestSomebodyWithRightsInOneNamespaceSeesIt(t *testing.T) {
	s := newShop(t)
	k := s.user(t, "viewer", viewsHeadrooms, viewsRest)
	var report status.Report
	require.NoError(t, json.Unmarshal([]byte(eventuallyRuns(t, k, "headroom", "status", "-n", s.namespace, "-o", "json")), &report))
	require.Len(t, report.Headrooms, 1)
	require.Equal(t, "0/3 nodes are available", report.Headrooms[0].Why)
	require.EqualValues(t, 1, report.Headrooms[0].Missing)
	require.Equal(t, 1, report.Headrooms[0].Lately.Taken)
	require.Empty(t, report.NotSeen)

	var book ledger.Report
	require.NoError(t, json.Unmarshal([]byte(k.mustRun("headroom", "ledger", "-n", s.namespace, "-o", "json")), &book))
	require.Len(t, book.Takes, 1)
	require.Equal(t, "rule 6 Name: node-1 comes first", book.Takes[0].Rule)

	var told explanation.Explanation
	require.NoError(t, json.Unmarshal([]byte(k.mustRun("headroom", "explain", "pod", "api-1", "-n", s.namespace, "-o", "json")), &told))
	require.Len(t, told.Took, 1, "by the accounts of the namespace: %v", told.NotSeen)
	require.Equal(t, "web-headroom-0", told.Took[0].Placeholder)
	require.Equal(t, "rule 6 Name: node-1 comes first", told.Rule)
	require.Nil(t, told.Now, "what would happen now depends on the whole cluster")
	require.Len(t, told.NotSeen, 1)

	var room nodes.Report
	require.NoError(t, json.Unmarshal([]byte(k.mustRun("headroom", "nodes", "-n", s.namespace, "-o", "json")), &room))
	require.Len(t, room.NotSeen, 2, "pods of other namespaces, and nodes")

	requireExit(t, k, 3, "no right to list headrooms.headroom.dev of the whole cluster: ask for the verbs list and watch on it", "headroom", "status", "-A")
	requireExit(t, k, 3, "no right to list headroomaccounts.headroom.dev of the whole cluster", "headroom", "ledger", "-A")
	requireExit(t, k, 3, "no right to list pods of the whole cluster", "headroom", "explain")
	requireExit(t, k, 2, "there is no Headroom other among those of namespace "+s.namespace, "headroom", "status", "other", "-n", s.namespace)
	requireExit(t, k, 2, "there is no account of a Headroom other", "headroom", "ledger", "other", "-n", s.namespace)
}

func TestWhatMayNotBeSeenIsSaid(t *testing.T) {
	s := newShop(t)
	headrooms := viewsHeadrooms
	headrooms.Resources = []string{"headrooms"}
	k := s.user(t, "partly", headrooms)
	var report status.Report
	require.NoError(t, json.Unmarshal([]byte(eventuallyRuns(t, k, "headroom", "status", "-n", s.namespace, "-o", "json")), &report))
	require.Nil(t, report.Headrooms[0].Lately)
	require.Len(t, report.NotSeen, 1)
	require.Contains(t, report.NotSeen[0], "who took what is not shown: no right to list headroomaccounts.headroom.dev in namespace "+s.namespace)
	requireExit(t, k, 3, "no right to list pods in namespace "+s.namespace, "headroom", "nodes", "-n", s.namespace)
}

func TestAPipeGetsOneLineForEachHeadroomWithoutColors(t *testing.T) {
	s := newShop(t)
	k := newKubectl(t, s.cluster)
	out := k.mustRun("headroom", "status", "-n", s.namespace)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 2, out)
	require.Contains(t, lines[1], "WaitingForRoom")
	require.NotContains(t, out, "\x1b")
	requireExit(t, k, 1, "--watch needs a terminal", "headroom", "status", "--watch")
	requireExit(t, k, 1, "--watch needs a terminal", "headroom", "nodes", "--watch")
	require.Contains(t, k.mustRun("headroom", "ledger", "-n", s.namespace, "-o", "csv"), ",web-headroom-0,node-1,"+s.namespace+",api-1,"+string(s.taker.UID)+",ReplicaSet/api,Swap,")
	require.Equal(t, "web\n:4\n", k.mustRun("headroom", "__complete", "status", "-n", s.namespace, ""), "names are completed")
}

func TestTenThousandEventsAreReadPageByPage(t *testing.T) {
	s := newShop(t)
	for i := range 600 { // more than a page; what a page costs does not depend on how many there are
		event := &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: fmt.Sprintf("other-%d", i)}, Reason: swapevent.Reason, Type: "Normal",
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: s.namespace, Name: "p", UID: types.UID(fmt.Sprint(i))},
			Message:        "Took a/b on node n: rule 1 Nearest: here",
		}
		require.NoError(t, s.client.Create(t.Context(), event))
	}
	k := newKubectl(t, s.cluster)
	require.Contains(t, k.mustRun("headroom", "ledger", "-n", s.namespace), "rule 6 Name: node-1 comes first")
}

func TestWithoutHeadroomInTheClusterTheCommandsSaySo(t *testing.T) {
	c := clustertest.Start(t, cluster.Options{APIServerOnly: true})
	k := newKubectl(t, c)
	for _, command := range []string{"status", "ledger", "advise", "report -o -"} {
		args := append([]string{"headroom"}, strings.Fields(command)...)
		requireExit(t, k, 2, "install Headroom, or its CustomResourceDefinitions after an upgrade", args...)
	}
	requireExit(t, k, 2, "pod default/nobody is not in the cluster", "headroom", "explain", "pod", "nobody")
	require.Contains(t, k.mustRun("headroom", "nodes"), "ZONE")
}
