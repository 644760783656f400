package cluster_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const echoManifests = `
{apiVersion: v1, kind: Namespace, metadata: {name: echo-system}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: echo, namespace: echo-system}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: echo-config, namespace: echo-system}
data:
  scheduler.yaml: |
    apiVersion: kubescheduler.config.k8s.io/v1
    kind: KubeSchedulerConfiguration
    clientConnection: {qps: 7}
  note.txt: "not: [yaml"
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: echo-system}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      serviceAccountName: echo
      volumes: [{name: config, configMap: {name: echo-config}}]
      containers:
      - name: echo
        image: echo
        args: [--config=/etc/echo/scheduler.yaml, --leader-elect]
        volumeMounts: [{name: config, mountPath: /etc/echo}]
`

func TestADeploymentIsRunWithItsArgumentsFilesAndServiceAccount(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	script := filepath.Join(t.TempDir(), "echo")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\"; exec sleep 600\n"), 0o700))
	objects, err := cluster.Parse([]byte(echoManifests))
	require.NoError(t, err)

	p, err := c.RunDeployment(t.Context(), objects, script, "--last")
	require.NoError(t, err)
	defer p.Kill()

	kubeconfig := filepath.Join(c.Dir(), "echo-system.echo.kubeconfig")
	config := filepath.Join(c.Dir(), "echo", "config", "scheduler.yaml")
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		log, err := os.ReadFile(p.Log())
		require.NoError(collect, err)
		require.Equal(collect, "--kubeconfig="+kubeconfig+" --config="+config+" --leader-elect --last\n", string(log))
	}, patience, 10*time.Millisecond)
	data, err := os.ReadFile(config)
	require.NoError(t, err)
	require.Contains(t, string(data), "kubeconfig: "+kubeconfig)
	require.Contains(t, string(data), "qps: 7")
	require.FileExists(t, kubeconfig)
	deployments, err := clientsetOf(t, c).AppsV1().Deployments(corev1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, deployments.Items, "it is played, not applied")
}

func TestManifestsThatCannotBeRunAreExplained(t *testing.T) {
	c := clustertest.SharedAPIServer(t)
	objects, err := cluster.Parse([]byte(echoManifests))
	require.NoError(t, err)
	_, err = c.RunDeployment(t.Context(), objects[:3], "/bin/true")
	require.EqualError(t, err, "there is no Deployment among the manifests")
	_, err = c.RunDeployment(t.Context(), append(objects[:2:2], objects[3]), "/bin/true")
	require.EqualError(t, err, "the ConfigMap echo-config is mounted but not among the manifests")
}
