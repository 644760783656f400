package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// workloads has one of each kind that a controller makes pods for.
const workloads = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: deployment, namespace: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: deployment}}
  template: {metadata: {labels: {app: deployment}}, spec: {containers: [{name: main, image: main}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: stateful, namespace: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: stateful}}
  template: {metadata: {labels: {app: stateful}}, spec: {containers: [{name: main, image: main}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: daemon, namespace: %[1]s}
spec:
  selector: {matchLabels: {app: daemon}}
  template: {metadata: {labels: {app: daemon}}, spec: {containers: [{name: main, image: main}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job, namespace: %[1]s}
spec:
  completions: 2
  parallelism: 2
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: main}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: budget, namespace: %[1]s}
spec: {minAvailable: 1, selector: {matchLabels: {app: deployment}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: %[1]s}
spec: {hard: {pods: "100"}}
`

func TestTheWholeClusterRunsWorkloads(t *testing.T) {
	c := clustertest.Shared(t)
	scheduler, err := cluster.FindProduct("headroom-scheduler")
	require.NoError(t, err)
	p, err := c.RunScheduler("kube-scheduler", scheduler)
	require.NoError(t, err)
	defer p.Stop()
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 3, Zones: 3, Prefix: "workload"}))
	namespace := clustertest.Namespace(t, c, nil)
	objects, err := cluster.Parse(fmt.Appendf(nil, workloads, namespace))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), objects...))

	clientset := clientsetOf(t, c)
	t.Run("nodes say that they live, or the node lifecycle controller would give them up", func(t *testing.T) {
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			leases, err := clientset.CoordinationV1().Leases("kube-node-lease").List(t.Context(), metav1.ListOptions{})
			require.NoError(collect, err)
			held := slices.DeleteFunc(leases.Items, func(l coordinationv1.Lease) bool { return !strings.HasPrefix(l.Name, "workload-") })
			require.Len(collect, held, 3)
		}, patience, 50*time.Millisecond)
	})
	t.Run("every controller does its part", func(t *testing.T) {
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			pods, err := clientset.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
			require.NoError(collect, err)
			phases := map[corev1.PodPhase]int{}
			for _, pod := range pods.Items {
				phases[pod.Status.Phase]++
			}
			require.Equal(collect, map[corev1.PodPhase]int{corev1.PodRunning: 2 + 2 + 3, corev1.PodSucceeded: 2}, phases)
			budget, err := clientset.PolicyV1().PodDisruptionBudgets(namespace).Get(t.Context(), "budget", metav1.GetOptions{})
			require.NoError(collect, err)
			require.NotEmpty(collect, budget.Status.Conditions, "the number itself can stay wrong when pods come at the same time")
			quota, err := clientset.CoreV1().ResourceQuotas(namespace).Get(t.Context(), "quota", metav1.GetOptions{})
			require.NoError(collect, err)
			require.Equal(collect, "7", quota.Status.Used.Pods().String(), "pods that have ended do not count")
		}, patience, 100*time.Millisecond)
	})
	t.Run("pods go with their owner", func(t *testing.T) {
		background := metav1.DeletePropagationBackground
		options := metav1.DeleteOptions{PropagationPolicy: &background}
		require.NoError(t, clientset.AppsV1().Deployments(namespace).Delete(t.Context(), "deployment", options))
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			pods, err := clientset.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=deployment"})
			require.NoError(collect, err)
			require.Empty(collect, pods.Items)
		}, patience, 100*time.Millisecond)
	})
	t.Run("a namespace goes with all that is in it", func(t *testing.T) {
		short := clustertest.Namespace(t, c, nil) // Pods would make it last for a part of their grace period.
		require.NoError(t, clientset.CoreV1().Namespaces().Delete(t.Context(), short, metav1.DeleteOptions{}))
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			_, err := clientset.CoreV1().Namespaces().Get(t.Context(), short, metav1.GetOptions{})
			require.Error(collect, err)
		}, patience, 100*time.Millisecond)
	})
	t.Run("Pod Security is on", func(t *testing.T) {
		strict := clustertest.Namespace(t, c, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "lax"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "main"}}},
		}
		require.EventuallyWithT(t, func(collect *assert.CollectT) { // Until the namespace has its service account.
			_, err := clientset.CoreV1().Pods(strict).Create(t.Context(), pod, metav1.CreateOptions{})
			require.ErrorContains(collect, err, `violates PodSecurity "restricted:latest"`)
		}, patience, 100*time.Millisecond)
	})
}
