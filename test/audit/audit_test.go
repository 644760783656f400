package audit

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

const (
	reader   = "system:serviceaccount:shop:reader"
	accounts = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader, namespace: shop}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules:
- {apiGroups: ["", apps], resources: [pods], verbs: [list, watch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [reader], verbs: [update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [nodes, pods/status], verbs: [get]}
- {nonResourceURLs: [/metrics], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: nobodys}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: nobodys}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nobodys}
subjects: [{kind: ServiceAccount, name: reader, namespace: elsewhere}]
`
)

func TestGrantedIsWhatTheRolesOfTheAccountSay(t *testing.T) {
	objects, err := cluster.Parse([]byte(accounts))
	require.NoError(t, err)
	granted, err := Granted(objects, "shop", "reader")
	require.NoError(t, err)
	require.Equal(t, []Right{
		{Verb: "get", Resource: "nodes"},
		{Verb: "list", Resource: "pods", Namespace: "shop"},
		{Verb: "watch", Resource: "pods", Namespace: "shop"},
		{Verb: "get", Resource: "pods/status"},
		{Verb: "list", Group: "apps", Resource: "pods", Namespace: "shop"},
		{Verb: "watch", Group: "apps", Resource: "pods", Namespace: "shop"},
		{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Name: "reader", Namespace: "shop"},
	}, granted)
	require.Equal(t, "update leases.coordination.k8s.io reader in shop", granted[6].String())
	require.Equal(t, "get pods/status", granted[3].String())
}

func TestARightIsUsedByARequestItCovers(t *testing.T) {
	lease := Request{User: reader, Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Namespace: "shop", Name: "reader"}
	change := func(change func(*Request)) Request {
		changed := lease
		change(&changed)
		return changed
	}
	right := Right{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Name: "reader", Namespace: "shop"}
	for name, tc := range map[string]struct {
		request Request
		used    bool
	}{
		"the request itself":    {lease, true},
		"another user's":        {change(func(r *Request) { r.User = "other" }), false},
		"another verb":          {change(func(r *Request) { r.Verb = "get" }), false},
		"another group":         {change(func(r *Request) { r.Group = "" }), false},
		"another resource":      {change(func(r *Request) { r.Resource = "pods" }), false},
		"a subresource":         {change(func(r *Request) { r.Subresource = "status" }), false},
		"another object":        {change(func(r *Request) { r.Name = "other" }), false},
		"in another namespace":  {change(func(r *Request) { r.Namespace = "other" }), false},
		"in no namespace":       {change(func(r *Request) { r.Namespace = "" }), false},
		"one that was answered": {change(func(r *Request) { r.Code = 404 }), true},
	} {
		t.Run(name, func(t *testing.T) {
			unused := Unused([]Right{right}, []Request{tc.request}, reader)
			require.Equal(t, tc.used, len(unused) == 0)
		})
	}
}

func TestTheLogHoldsWhatAUserWasAllowedAndWhatNot(t *testing.T) {
	log, err := NewLog(t.TempDir(), reader)
	require.NoError(t, err)
	requests, err := log.Requests()
	require.NoError(t, err)
	require.Empty(t, requests, "nothing was asked yet")
	c := clustertest.Start(t, cluster.Options{APIServerOnly: true, APIServerArgs: log.Args()})
	objects, err := cluster.Parse([]byte(accounts))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))
	access, err := c.ConfigFor(t.Context(), "shop", "reader")
	require.NoError(t, err)
	clientset, err := kubernetes.NewForConfig(access)
	require.NoError(t, err)

	require.EventuallyWithT(t, func(collect *assert.CollectT) { // The authorizer learns of a new binding by a watch.
		_, err := clientset.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
		require.NoError(collect, err)
	}, 5*time.Minute, 20*time.Millisecond)
	_, err = clientset.CoreV1().Secrets("shop").Get(t.Context(), "password", metav1.GetOptions{})
	require.ErrorContains(t, err, "forbidden")
	_, err = clientset.Discovery().ServerVersion()
	require.NoError(t, err)
	watch, err := clientset.CoreV1().Pods("shop").Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	defer watch.Stop()

	requests, err = log.Requests()
	require.NoError(t, err)
	want := []Request{
		{User: reader, Verb: "list", Path: "/api/v1/namespaces/shop/pods", Resource: "pods", Namespace: "shop", Code: 200, Allowed: true,
			Reason: `RBAC: allowed by RoleBinding "reader/shop" of Role "reader" to ServiceAccount "reader/shop"`},
		{User: reader, Verb: "get", Path: "/api/v1/namespaces/shop/secrets/password", Resource: "secrets", Namespace: "shop",
			Name: "password", Code: 403},
		{User: reader, Verb: "get", Path: "/version", Code: 200, Allowed: true},
		{User: reader, Verb: "watch", Path: "/api/v1/namespaces/shop/pods", Resource: "pods", Namespace: "shop", Code: 200, Allowed: true,
			Reason: `RBAC: allowed by RoleBinding "reader/shop" of Role "reader" to ServiceAccount "reader/shop"`},
	}
	require.GreaterOrEqual(t, len(requests), len(want))
	got := requests[len(requests)-len(want):]
	// Several bindings of Kubernetes itself allow this; which one is named differs from start to start.
	require.Contains(t, got[2].Reason, `to Group "system:authenticated"`)
	got[2].Reason = ""
	require.Equal(t, want, got)
	require.Equal(t, `get secrets in namespace "shop", name "password": 403 `, want[1].String())
}
