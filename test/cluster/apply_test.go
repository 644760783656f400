package cluster_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

func TestApplyServesTheCRDAndTakesObjectsInAnyOrder(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	require.NoError(t, c.ApplyFiles(t.Context(), filepath.Join(root, "manifests", "crd")))

	objects, err := cluster.Parse([]byte(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: play}
---
---
apiVersion: v1
kind: Namespace
metadata: {name: play}
`))
	require.NoError(t, err)
	require.Len(t, objects, 2)
	require.NoError(t, c.Apply(t.Context(), objects...))
	require.NoError(t, c.Apply(t.Context(), objects...), "applying twice changes nothing")

	cl, err := c.Client()
	require.NoError(t, err)
	require.NoError(t, cl.Get(t.Context(), client.ObjectKey{Namespace: "play", Name: "settings"}, &corev1.ConfigMap{}))
	require.NoError(t, cl.List(t.Context(), &v1alpha1.HeadroomList{}))
}
