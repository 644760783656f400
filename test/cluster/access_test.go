package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func TestAServiceAccountMayWhatRBACAllowsIt(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	namespace := clustertest.Namespace(t, c, nil)
	objects, err := cluster.Parse(fmt.Appendf(nil, `
{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader, namespace: %[1]s}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: %[1]s}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: %[1]s}]
`, namespace))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))

	path, err := c.KubeconfigFor(t.Context(), namespace, "reader")
	require.NoError(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	require.NoError(t, err)
	reader, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)

	require.EventuallyWithT(t, func(collect *assert.CollectT) { // The authorizer learns of a new binding by a watch.
		_, err := reader.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(collect, err)
	}, patience, 50*time.Millisecond)
	_, err = reader.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.ErrorContains(t, err, `User "system:serviceaccount:`+namespace+`:reader" cannot list resource "pods"`)

	_, err = c.ConfigFor(t.Context(), namespace, "nobody")
	require.ErrorContains(t, err, "requesting a token of the service account "+namespace+"/nobody: ")
}

func TestAKubeconfigIsPrivate(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, c.Kubeconfig(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.ErrorContains(t, c.Kubeconfig(filepath.Join(path, "below")), "writing the kubeconfig: open "+path)
}
