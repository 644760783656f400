package api_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/cluster"
)

// Files written for the OpenFaaS Headroom Controller work with only apiVersion changed: they are accepted, nothing of them is
// lost, and the placeholders made from them are admitted.
func TestHeadroomsOfOpenFaaSNeedOnlyAnotherAPIVersion(t *testing.T) {
	c, cl := apiServer(t)
	namespace := restricted(t, c)
	files, err := filepath.Glob("testdata/openfaas/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 5)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			objects, err := cluster.ParseFiles(file)
			require.NoError(t, err)
			require.Len(t, objects, 1)
			obj := objects[0]
			require.Equal(t, "openfaas.com/v1", obj.GetAPIVersion())
			obj.SetAPIVersion("headroom.dev/v1alpha1")
			obj.SetNamespace(namespace)
			written := obj.DeepCopy().Object["spec"].(map[string]any)

			headroom := created(t, cl, obj)
			kept := obj.Object["spec"].(map[string]any)
			for field, value := range written {
				require.Equal(t, asJSON(t, value), asJSON(t, kept[field]), field)
			}
			pod := placeholder.Build(headroom, placeholder.Defaults{}, 0)
			require.NoError(t, cl.Create(t.Context(), pod))
			require.Equal(t, headroom.Name, pod.Labels["headroom"])
		})
	}
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	require.NoError(t, err)
	return string(data)
}
