// Package kubectl runs bin/kubectl-headroom as a plugin of kubectl against a real API server.
package kubectl

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// soon is how long anything may take that takes a second on an idle machine.
const soon = 5 * time.Minute

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// objectsFile is also what the command's own tests read.
const objectsFile = "../../../cmd/kubectl-headroom/testdata/cluster.yaml"

// kubectl runs kubectl with the plugin on its PATH.
type kubectl struct {
	*testing.T
	binary string
	env    []string
}

func newKubectl(t *testing.T, c *cluster.Cluster) kubectl {
	t.Helper()
	binary, err := c.Tools().Binary("kubectl")
	require.NoError(t, err)
	plugin, err := cluster.FindProduct("kubectl-headroom")
	require.NoError(t, err)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, c.Kubeconfig(kubeconfig))
	return kubectl{T: t, binary: binary, env: append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+filepath.Dir(plugin))}
}

func (k kubectl) run(args ...string) (stdout string, err error) {
	k.Helper()
	command := exec.CommandContext(k.Context(), k.binary, args...)
	command.Env = k.env
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return problems.String(), err
	}
	return out.String(), nil
}

func (k kubectl) mustRun(args ...string) string {
	k.Helper()
	out, err := k.run(args...)
	require.NoError(k, err, out)
	return out
}

func TestTheClusterIsExplainedAsAFileWithItsObjectsIs(t *testing.T) {
	c := clustertest.Start(t, cluster.Options{APIServerOnly: true}) // all that there is is explained
	require.NoError(t, c.InstallCRD(t.Context()))
	createObjects(t, c)
	k := newKubectl(t, c)
	for name, args := range map[string][]string{
		"a consumer":              {"--consumer", "shop/web-1"},
		"a consumer by namespace": {"--consumer", "web-1", "-n", "shop"},
		"all placeholders":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			live := k.mustRun(append([]string{"headroom", "explain"}, args...)...)
			require.Contains(t, live, "victim rule 1 leaving: shop/any-headroom-1 is being deleted already")
			file := filepath.Join(t.TempDir(), "cluster.yaml")
			objects := k.mustRun("get", "headrooms.headroom.dev,daemonsets,nodes,namespaces,pods", "-A", "-o", "yaml")
			require.NoError(t, os.WriteFile(file, []byte(objects), 0o600))
			require.Equal(t, live, k.mustRun(append([]string{"headroom", "explain", "-f", file}, args...)...))
		})
	}
	t.Run("a consumer that is not there", func(t *testing.T) {
		out, err := k.run("headroom", "explain", "--consumer", "nobody")
		require.Error(t, err)
		require.Equal(t, "error: pod default/nobody is not in the cluster: name the consumer as NAMESPACE/NAME, or its namespace by --namespace\n", out)
	})
	t.Run("kubectl finds the plugin", func(t *testing.T) {
		require.Contains(t, k.mustRun("plugin", "list", "--name-only"), "kubectl-headroom")
		require.Contains(t, k.mustRun("headroom", "--version"), "kubectl-headroom v")
	})
}

// createObjects creates the objects of the file, with the status of nodes, and without what the API server does not let anybody set. It gives
// each a UID, by which its owners are named here.
func createObjects(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	cl, err := c.Client()
	require.NoError(t, err)
	objects, err := cluster.ParseFiles(objectsFile)
	require.NoError(t, err)
	namespace := &unstructured.Unstructured{}
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	namespace.SetName("shop")
	require.NoError(t, c.Apply(t.Context(), namespace, priorityClass()))
	uids := map[string]types.UID{}
	for _, object := range objects {
		status := object.DeepCopy()
		owners := object.GetOwnerReferences()
		for i := range owners {
			owners[i].UID = uids[owners[i].Kind+" "+owners[i].Name]
			require.NotEmpty(t, owners[i].UID, "owners come first in the file")
		}
		object.SetOwnerReferences(owners)
		switch {
		case object.GetKind() == "Pod" && strings.Contains(object.GetName(), "-headroom-"):
			unstructured.RemoveNestedField(object.Object, "spec", "priority")
			require.NoError(t, unstructured.SetNestedField(object.Object, "low", "spec", "priorityClassName"))
		case object.GetKind() == "Pod":
			unstructured.RemoveNestedField(object.Object, "spec", "priority")
		}
		// One that is being deleted cannot be made; it is deleted later, and its finalizer keeps it.
		leaving := object.GetDeletionTimestamp() != nil
		object.SetDeletionTimestamp(nil)
		object.SetDeletionGracePeriodSeconds(nil)
		require.NoError(t, cl.Create(t.Context(), object))
		uids[object.GetKind()+" "+object.GetName()] = object.GetUID()
		if object.GetKind() == "Node" {
			clustertest.ChangeStatus(t, cl, object, func(o *unstructured.Unstructured) { o.Object["status"] = status.Object["status"] })
		}
		if leaving {
			require.NoError(t, cl.Delete(t.Context(), object, &client.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
		}
	}
}

func priorityClass() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": map[string]any{"name": "low"}, "value": int64(-10),
		"preemptionPolicy": "Never",
	}}
}
