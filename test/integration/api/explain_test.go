package api_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster"
)

func kubectl(t *testing.T, c *cluster.Cluster, args ...string) string {
	t.Helper()
	out, err := tryKubectl(t, c, args...)
	require.NoError(t, err, "%s", out)
	return out
}

func tryKubectl(t *testing.T, c *cluster.Cluster, args ...string) (string, error) {
	t.Helper()
	binary, err := c.Tools().Binary("kubectl")
	require.NoError(t, err)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, c.Kubeconfig(kubeconfig))
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	return string(out), err
}

func TestExplain(t *testing.T) {
	c, _ := apiServer(t)
	require.Eventually(t, func() bool { // The API server publishes the schema of a new CRD after it serves it.
		out, err := tryKubectl(t, c, "explain", "hdr")
		return err == nil && strings.Contains(out, "Headroom is spare capacity kept ready")
	}, soon, 200*time.Millisecond)

	consumers := kubectl(t, c, "explain", "hdr.spec.consumers")
	for _, text := range []string{"podSelector\t", "namespaceSelector\t", "minPriority\t", "any priority above the"} {
		require.Contains(t, consumers, text)
	}
}

// Fields of the core API have the core API's descriptions.
func TestEveryFieldOfOursIsDescribedByName(t *testing.T) {
	spec, status := crdSchema(t).Properties["spec"], crdSchema(t).Properties["status"]
	spread := status.Properties["spread"]
	for path, fields := range map[string]map[string]apiextensionsv1.JSONSchemaProps{
		"spec":                    spec.Properties,
		"spec.consumers":          spec.Properties["consumers"].Properties,
		"status":                  status.Properties,
		"status.spread":           spread.Properties,
		"status.spread.domains[]": spread.Properties["domains"].Items.Schema.Properties,
	} {
		require.NotEmpty(t, fields)
		for name, field := range fields {
			assert.True(t, strings.HasPrefix(field.Description, name+" "), "%s.%s: %q", path, name, field.Description)
		}
	}
}

func crdSchema(t *testing.T) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	data, err := os.ReadFile(repositoryPath(t, "manifests/crd/headroom.dev_headrooms.yaml"))
	require.NoError(t, err)
	var crd apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.UnmarshalStrict(data, &crd))
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}
