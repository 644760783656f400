package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/app"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/cluster/process"
)

const (
	// podsPerNode is how many pods of others each node has.
	podsPerNode = 10
	// nodesPerUnit is for how many nodes there is one unit.
	nodesPerUnit = 10
)

// BenchmarkBySize runs both binaries on a cluster that grows: with 100 nodes, 1,000, and 5,000, ten pods each, and a unit for every ten nodes,
// which headroom-scheduler binds. It reports what each of them takes: memory at most, and CPU time until 20 seconds after the units are bound.
func BenchmarkBySize(b *testing.B) {
	c := clustertest.SharedAPIServer(b)
	cl, err := client.New(c.RESTConfig(), client.Options{Scheme: app.Scheme()})
	require.NoError(b, err)
	namespace := clustertest.Namespace(b, c, nil)
	there := 0
	for _, size := range []int{100, 1_000, 5_000} {
		b.Run(fmt.Sprint(size, "Nodes"), func(b *testing.B) {
			grow(b, cl, namespace, there, size)
			there = size
			for b.Loop() {
				controller, err := c.RunController(b.Context(), "--placeholder-scheduler-name=headroom-scheduler")
				require.NoError(b, err)
				scheduler, err := c.RunHeadroomScheduler(b.Context(), cluster.SecondScheduler)
				require.NoError(b, err)
				h := headroomOf(namespace, int32(size/nodesPerUnit)) //nolint:gosec // at most 500
				h.Spec.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
				require.NoError(b, cl.Create(b.Context(), h))
				require.Eventually(b, func() bool {
					require.NoError(b, cl.Get(b.Context(), client.ObjectKeyFromObject(h), h))
					return h.Status.ReadyReplicas == *h.Spec.Replicas
				}, 5*time.Minute, 100*time.Millisecond)
				<-time.After(settled)
				for name, p := range map[string]*process.Process{"controller": controller, "scheduler": scheduler} {
					b.ReportMetric(memory(b, p.PID(), "VmHWM"), name+"-peak-MiB")
					b.ReportMetric(processorTime(b, p.PID()).Seconds(), name+"-cpu-s")
					p.Stop()
				}
				require.NoError(b, cl.Delete(b.Context(), h))
				require.NoError(b, cl.DeleteAllOf(b.Context(), &corev1.Pod{}, client.InNamespace(namespace),
					client.HasLabels{v1alpha1.LabelHeadroom}, client.GracePeriodSeconds(0)))
			}
		})
	}
}

// grow adds nodes to a cluster, with pods on them.
func grow(b *testing.B, cl client.Client, namespace string, from, to int) {
	b.Helper()
	inParallel(b, to-from, func(i int) error { return createNode(b, cl, node(from+i)) })
	inParallel(b, (to-from)*podsPerNode, func(i int) error {
		pod := foreignPod(namespace, from*podsPerNode+i)
		pod.Spec.NodeName = nodeName(from + i/podsPerNode)
		pod.Spec.TerminationGracePeriodSeconds = ptr.To[int64](0)
		return cl.Create(b.Context(), pod)
	})
}
