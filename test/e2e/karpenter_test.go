package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

// TestKarpenterMakesANodeForAPendingPodAndTakesItAway is about what the other tests stand on, without anything of the product.
func TestKarpenterMakesANodeForAPendingPodAndTakesItAway(t *testing.T) {
	t.Parallel()
	const delay = 3 * time.Second
	c := clustertest.Start(t, cluster.Options{})
	binary, err := cluster.FindProduct("headroom-scheduler")
	require.NoError(t, err)
	_, err = c.RunScheduler("kube-scheduler", binary)
	require.NoError(t, err)
	karpenter, err := c.RunKarpenter(t.Context(), cluster.Karpenter{
		RegistrationDelay: delay,
		InstanceTypes:     []cluster.InstanceType{{}, {CPU: resource.MustParse("8"), Memory: resource.MustParse("32Gi")}},
		NodePools:         []cluster.NodePool{{Name: "default", Zones: []string{"b"}, ConsolidateAfter: time.Second}},
	})
	require.NoError(t, err)
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(t, err)

	pods := clientset.CoreV1().Pods(clustertest.Namespace(t, c, nil))
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "large"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: "main",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("8")}},
		}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		pod, err = pods.Get(t.Context(), "large", metav1.GetOptions{})
		require.NoError(collect, err)
		require.Equal(collect, corev1.PodRunning, pod.Status.Phase)
	}, patience, 50*time.Millisecond)

	node, err := clientset.CoreV1().Nodes().Get(t.Context(), pod.Spec.NodeName, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "8", node.Status.Allocatable.Cpu().String(), "what a pod can have, not what the machine has")
	require.Equal(t, "region-1-b", node.Labels[corev1.LabelTopologyZone])
	require.Equal(t, "region-1", node.Labels[corev1.LabelTopologyRegion])
	require.Equal(t, "karpenter-8-32Gi", node.Labels[corev1.LabelInstanceTypeStable])
	claims, err := c.NodeClaims(t.Context())
	require.NoError(t, err)
	require.Len(t, claims, 1)
	ordered := claims[0].GetCreationTimestamp()
	require.GreaterOrEqual(t, node.CreationTimestamp.Sub(ordered.Time), delay-time.Second, "timestamps are whole seconds")
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		_, err := clientset.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), node.Name, metav1.GetOptions{})
		require.NoError(collect, err, "KWOK says that the node lives")
	}, patience, 50*time.Millisecond)

	require.NoError(t, pods.Delete(t.Context(), "large", metav1.DeleteOptions{}))
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		nodes, err := clientset.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		require.NoError(collect, err)
		require.Empty(collect, nodes.Items)
	}, patience, 100*time.Millisecond)

	log, err := os.ReadFile(karpenter.Log())
	require.NoError(t, err)
	for line := range strings.Lines(string(log)) {
		require.NotContains(t, strings.ToLower(line), "forbidden", "it has the rights it needs")
	}
}
