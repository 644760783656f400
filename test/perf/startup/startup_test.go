// Package startup measures how long headroom-scheduler takes from its start to its first swap, beside what
// kube-scheduler takes to its first binding. See docs/benchmarks.md for how to run it and for results.
package startup

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/cluster/process"
)

const (
	nodes = 5_000
	// loadPerNode is how many ordinary pods run on each node.
	loadPerNode = 9
	writers     = 16
	// boundWithin is when the benchmark gives up.
	boundWithin = 5 * time.Minute
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// program is a scheduler that is not running yet.
type program interface {
	Start(args ...string) (*process.Process, error)
}

// BenchmarkFirstBinding has a pod wait, starts a scheduler, and takes the time from the start of its process until the
// pod is bound: in turn kube-scheduler (this project's binary without the plugin, which is kube-scheduler's code), for
// a pod that fits on free room, and headroom-scheduler as it is deployed, for a pod that only a swap can serve. The
// cluster is the same: 5,000 nodes with nine ordinary pods and one placeholder each. Neither elects a leader. It
// reports both medians and their ratio: at most 1.2 is wanted.
func BenchmarkFirstBinding(b *testing.B) {
	c := clustertest.SharedAPIServer(b)
	cl := clientOf(b, c)
	namespace := clustertest.Namespace(b, c, nil)
	binary, err := cluster.FindProduct("headroom-scheduler")
	require.NoError(b, err)
	_, err = c.DeployController(b.Context(), c.RESTConfig()) // for the class of placeholders; it does not run
	require.NoError(b, err)
	stock, err := c.DeployScheduler("stock", binary, c.RESTConfig())
	require.NoError(b, err)
	ours, err := c.DeployHeadroomScheduler(b.Context(), cluster.SecondScheduler, c.RESTConfig())
	require.NoError(b, err)
	h := &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To[int32](nodes), Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		},
	}
	require.NoError(b, cl.Create(b.Context(), h))
	fill(b, cl, h)

	var stocks, swaps []time.Duration
	for b.Loop() {
		i := len(swaps)
		free, swapped := consumer(namespace, corev1.DefaultSchedulerName, "100m", i), consumer(namespace, "headroom-scheduler", "1", i)
		stocks = append(stocks, firstBinding(b, c, stock, free, "--secure-port=0"))
		swaps = append(swaps, firstBinding(b, c, ours, swapped, "--secure-port=0", "--leader-elect=false"))
		left := &corev1.PodList{}
		require.NoError(b, cl.List(b.Context(), left, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelHeadroom}))
		held := len(left.Items) // not the list itself, which a failure would print
		require.Equal(b, nodes-len(swaps), held, "each start of headroom-scheduler swaps once, and stock's takes nothing")
	}
	b.ReportMetric(median(stocks).Seconds(), "stock-s")
	b.ReportMetric(median(swaps).Seconds(), "headroom-s")
	b.ReportMetric(median(swaps).Seconds()/median(stocks).Seconds(), "ratio")
	b.Logf("stock %v, headroom %v", stocks, swaps)
}

// clientOf returns a client that may write as fast as it can.
func clientOf(b *testing.B, c *cluster.Cluster) client.Client {
	b.Helper()
	config := rest.CopyConfig(c.RESTConfig())
	config.QPS = -1
	require.NoError(b, c.InstallCRD(b.Context()))
	cl, err := client.New(config, client.Options{Scheme: cluster.Scheme()})
	require.NoError(b, err)
	return cl
}

// fill makes the nodes, their ordinary pods and the placeholders, all of them bound.
func fill(b *testing.B, cl client.Client, h *v1alpha1.Headroom) {
	b.Helper()
	var writing errgroup.Group
	var next atomic.Int64
	for range writers {
		writing.Go(func() error {
			for i := int(next.Add(1)) - 1; i < nodes; i = int(next.Add(1)) - 1 {
				if err := fillNode(b.Context(), cl, h, i); err != nil {
					return fmt.Errorf("filling node %d: %w", i, err)
				}
			}
			return nil
		})
	}
	require.NoError(b, writing.Wait())
}

func fillNode(ctx context.Context, cl client.Client, h *v1alpha1.Headroom, i int) error {
	n := node(i)
	if err := cl.Create(ctx, n); err != nil {
		return err
	}
	n.Spec.Taints = nil // admission gives a new node one, which the node's controller would take
	if err := cl.Update(ctx, n); err != nil {
		return err
	}
	for k := range loadPerNode {
		if err := cl.Create(ctx, pod(h.Namespace, fmt.Sprintf("load-%d-%d", i, k), "300m", n.Name)); err != nil {
			return err
		}
	}
	unit := placeholder.Build(h, placeholder.Defaults{}, i)
	unit.Spec.NodeName = n.Name
	return cl.Create(ctx, unit)
}

// node is a node of 4 CPUs: 2.7 of them are taken by load and 1 by a placeholder, 0.3 are free.
func node(i int) *corev1.Node {
	name := fmt.Sprintf("node-%d", i)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelHostname: name, corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3),
	}}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods: resource.MustParse("110"),
	}
	n.Status.Capacity = n.Status.Allocatable
	return n
}

func pod(namespace, name, cpu, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			NodeName: node,
			Containers: []corev1.Container{{
				Name: "main", Image: "registry.example.com/app:v1",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
			}},
		},
	}
}

func consumer(namespace, scheduler, cpu string, i int) *corev1.Pod {
	p := pod(namespace, fmt.Sprintf("%s-%d", scheduler, i), cpu, "")
	p.Spec.SchedulerName = scheduler
	return p
}

// firstBinding returns how long after its start a scheduler has bound a pod that waited for it. The pod stays.
func firstBinding(b *testing.B, c *cluster.Cluster, scheduler program, waits *corev1.Pod, args ...string) time.Duration {
	b.Helper()
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(b, err)
	pods := clientset.CoreV1().Pods(waits.Namespace)
	created, err := pods.Create(b.Context(), waits, metav1.CreateOptions{})
	require.NoError(b, err)
	watcher, err := pods.Watch(b.Context(), metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, created.Name).String(), ResourceVersion: created.ResourceVersion,
	})
	require.NoError(b, err)
	defer watcher.Stop()

	began := time.Now()
	running, err := scheduler.Start(args...)
	require.NoError(b, err)
	late := time.After(boundWithin)
	var took time.Duration
	for took == 0 {
		select {
		case event, ok := <-watcher.ResultChan():
			require.True(b, ok, "the watch of the pod ended")
			if p, ok := event.Object.(*corev1.Pod); ok && p.Spec.NodeName != "" {
				took = time.Since(began)
			}
		case <-running.Done():
			require.FailNow(b, "the scheduler ended before it had bound the pod")
		case <-late:
			require.FailNow(b, "the pod was not bound", "within %v", boundWithin)
		}
	}
	running.Stop()
	return took
}

func median(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2]
}
