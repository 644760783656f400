package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/audit"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// theirs are the namespaces of the kustomize component for some namespaces only.
var theirs = []string{"shop", "search"}

// TestInSomeNamespacesOnlyTheControllerSeesNoOther runs the controller as the kustomize component deploys it: it works in its
// namespaces, asks for nothing outside of them, and would get nothing.
func TestInSomeNamespacesOnlyTheControllerSeesNoOther(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log, err := audit.NewLog(t.TempDir(), controllerUser)
	require.NoError(t, err)
	c := clustertest.Start(t, cluster.Options{APIServerOnly: true, APIServerArgs: log.Args()})
	cl, err := c.Client()
	require.NoError(t, err)
	for _, name := range append([]string{"bank"}, theirs...) {
		require.NoError(t, cl.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	}
	require.NoError(t, c.InstallCRD(ctx))
	binary, err := cluster.FindProduct("headroom-controller")
	require.NoError(t, err)
	_, err = c.RunDeployment(ctx, namespacedManifests(t, c), binary,
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect-lease-namespace="+system)
	require.NoError(t, err)

	for _, namespace := range []string{"bank", "shop", "search"} { // the last one shows that the first was passed over
		web := builders.Headroom("web", builders.Resources{"cpu": "1"}).Namespace(namespace).Replicas(2).Obj()
		reserve := builders.Headroom("reserve", builders.Resources{"cpu": "1"}).Namespace(namespace).Obj()
		reserve.Spec.Placement, reserve.Spec.Replicas = v1alpha1.PlacementPerNode, nil
		for _, headroom := range []*v1alpha1.Headroom{web, reserve} {
			require.NoError(t, cl.Create(ctx, headroom))
		}
		if namespace != "bank" {
			waitActedOn(t, cl, web)
			waitActedOn(t, cl, reserve)
		}
	}
	var pods corev1.PodList
	require.NoError(t, cl.List(ctx, &pods, client.InNamespace("bank")))
	require.Empty(t, pods.Items)

	requests, err := log.Requests()
	require.NoError(t, err)
	require.NotEmpty(t, requests)
	for _, r := range requests {
		require.True(t, r.Allowed, "%s", r)
		if r.Resource == "nodes" || r.Resource == "priorityclasses" || r.Resource == "" {
			continue // in no namespace
		}
		require.True(t, r.Namespace == system || slices.Contains(theirs, r.Namespace), "outside of its namespaces: %s", r)
	}
	requireShutOut(t, c)
}

// requireShutOut tries with the controller's own credentials.
func requireShutOut(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	access, err := c.ConfigFor(t.Context(), system, "headroom-controller")
	require.NoError(t, err)
	cl, err := client.New(access, client.Options{Scheme: cluster.Scheme()})
	require.NoError(t, err)
	require.NoError(t, cl.List(t.Context(), &corev1.PodList{}, client.InNamespace("shop")))
	web := &v1alpha1.Headroom{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "web"}}
	for what, err := range map[string]error{
		"pods of all namespaces":      cl.List(t.Context(), &corev1.PodList{}),
		"headrooms of all namespaces": cl.List(t.Context(), &v1alpha1.HeadroomList{}),
		"namespaces":                  cl.List(t.Context(), &corev1.NamespaceList{}),
		"pods of another":             cl.List(t.Context(), &corev1.PodList{}, client.InNamespace("bank")),
		"a headroom of another":       cl.Get(t.Context(), client.ObjectKeyFromObject(web), web),
		"its status":                  cl.Status().Patch(t.Context(), web, client.RawPatch("application/merge-patch+json", []byte(`{}`))),
		"a new pod of another":        cl.Create(t.Context(), builders.Consumer("pod", nil).Namespace("bank").Obj()),
		"secrets of its own":          cl.List(t.Context(), &corev1.SecretList{}, client.InNamespace("shop")),
		"pods of its own home":        cl.List(t.Context(), &corev1.PodList{}, client.InNamespace(system)),
	} {
		require.True(t, apierrors.IsForbidden(err), "%s: %v", what, err)
	}
}

// waitActedOn waits until the controller has reported on a Headroom.
func waitActedOn(t *testing.T, cl client.Client, headroom *v1alpha1.Headroom) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.NoError(t, cl.Get(context.Background(), client.ObjectKeyFromObject(headroom), headroom))
		require.Equal(t, headroom.Generation, headroom.Status.ObservedGeneration)
		if headroom.Spec.Placement != v1alpha1.PlacementPerNode {
			require.EqualValues(t, 2, headroom.Status.PendingReplicas)
		}
	}, soon, glance)
}

// namespacedManifests renders the controller's manifests with the component for some namespaces only.
func namespacedManifests(t *testing.T, c *cluster.Cluster) []*unstructured.Unstructured {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	controller, err := filepath.Rel(dir, manifests(t, "controller"))
	require.NoError(t, err)
	text := fmt.Sprintf("resources: [%s]\ncomponents: [%s]\n", controller, filepath.Join(controller, "components", "namespaced"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	objects, err := c.Tools().Kustomize(t.Context(), dir)
	require.NoError(t, err)
	return objects
}
