package api_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// Samples are accepted as they are, every field of them known, and the list of the kustomization is complete.
func TestSamples(t *testing.T) {
	c, cl := apiServer(t)
	namespace := clustertest.Namespace(t, c, nil)
	files, err := filepath.Glob(filepath.Join(repositoryPath(t, "manifests/samples"), "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	samples := 0
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			objects, err := cluster.ParseFiles(file)
			require.NoError(t, err)
			for _, obj := range objects {
				obj.SetNamespace(namespace)
				require.NoError(t, tryCreate(t.Context(), cl, obj), "%s %s", obj.GetKind(), obj.GetName())
			}
			samples += len(objects)
		})
	}
	rendered, err := c.Tools().Kustomize(t.Context(), repositoryPath(t, "manifests/samples"))
	require.NoError(t, err)
	require.Len(t, rendered, samples)
}

// The service account that scales by the clock can do that, and nothing else.
func TestOfficeHoursMayScaleOnly(t *testing.T) {
	c, cl := apiServer(t)
	namespace := clustertest.Namespace(t, c, nil)
	for _, file := range []string{"ci-runners.yaml", "office-hours.yaml"} {
		objects, err := cluster.ParseFiles(repositoryPath(t, "manifests/samples/"+file))
		require.NoError(t, err)
		for _, obj := range objects {
			obj.SetNamespace(namespace)
			require.NoError(t, cl.Create(t.Context(), obj))
		}
	}
	as := []string{"--namespace", namespace, "--as", "system:serviceaccount:" + namespace + ":headroom-office-hours"}
	require.EventuallyWithT(t, func(collect *assert.CollectT) { // The authorizer learns of a new binding by a watch.
		out, err := tryKubectl(t, c, append(as, "scale", "headrooms.headroom.dev/ci", "--replicas=0")...)
		require.NoError(collect, err, out)
	}, soon, 100*time.Millisecond)
	require.Equal(t, "0", kubectl(t, c, "--namespace", namespace, "get", "hdr", "ci", "-o", "jsonpath={.spec.replicas}"))

	out, err := tryKubectl(t, c, append(as, "delete", "hdr", "ci")...)
	require.ErrorContains(t, err, "exit status")
	require.Contains(t, out, "cannot delete resource")
}
