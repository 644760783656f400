// Package chart tests the Helm chart: it installs what the kustomizations install, in a real API server, by Helm itself.
package chart

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// systemNamespace is where the kustomizations put the product, and where the docs tell users of the chart to.
const systemNamespace = "headroom-system"

// soon is how long anything may take that takes a second on an idle machine.
const soon = 5 * time.Minute

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// repository is a path in the repository.
func repository(t *testing.T, path ...string) string {
	t.Helper()
	root, err := cluster.RepositoryRoot()
	require.NoError(t, err)
	return filepath.Join(append([]string{root}, path...)...)
}

func chartDir(t *testing.T) string {
	t.Helper()
	return repository(t, "manifests", "charts", "headroom")
}

// tool runs one of the tools and returns what it prints, or an error with what it prints to stderr.
func tool(t *testing.T, kubeconfig, name string, args ...string) (string, error) {
	t.Helper()
	tools, err := cluster.FindTools()
	require.NoError(t, err)
	path, err := tools.Binary(name)
	require.NoError(t, err)
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "KUBECONFIG="+kubeconfig,
		"HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), errors.New(strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// render returns the objects of the chart for a release named headroom on Kubernetes 1.37, without a cluster.
func render(t *testing.T, args ...string) []*unstructured.Unstructured {
	t.Helper()
	return renderRelease(t, "headroom", args...)
}

func renderRelease(t *testing.T, release string, args ...string) []*unstructured.Unstructured {
	t.Helper()
	args = append([]string{"template", release, chartDir(t), "--namespace", systemNamespace, "--kube-version", "1.37.0"}, args...)
	out, err := tool(t, "", "helm", args...)
	require.NoError(t, err)
	objects, err := cluster.Parse([]byte(out))
	require.NoError(t, err)
	return objects
}

// find returns the object of a kind and a name.
func find(t *testing.T, objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	require.Failf(t, "not rendered", "%s %s", kind, name)
	return nil
}
