// Package api_test holds the Headroom API against a real API server: what it accepts, refuses, defaults and prints.
package api_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// soon is how long anything may take that takes a second on an idle machine.
const soon = 5 * time.Minute

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// apiServer returns a client of an API server that serves Headrooms.
func apiServer(t *testing.T) (*cluster.Cluster, client.Client) {
	t.Helper()
	c := clustertest.SharedAPIServer(t)
	require.NoError(t, c.ApplyFiles(t.Context(), repositoryPath(t, "manifests/crd")))
	cl, err := c.Client()
	require.NoError(t, err)
	return c, cl
}

func repositoryPath(t *testing.T, path string) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	return filepath.Join(root, path)
}

// headroom is a Headroom as a user writes it: the YAML of its spec, and its name ("" for example).
func headroom(t *testing.T, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	if name == "" {
		name = "example"
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "headroom.dev/v1alpha1",
		"kind":       "Headroom",
		"metadata":   map[string]any{"name": name, "namespace": namespace},
	}}
	var fields any
	require.NoError(t, yaml.Unmarshal([]byte(spec), &fields))
	obj.Object["spec"] = fields
	return obj
}

// tryCreate is a create that leaves nothing behind. Unknown fields are errors, as kubectl makes them.
func tryCreate(ctx context.Context, cl client.Client, obj client.Object) error {
	return cl.Create(ctx, obj, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}
