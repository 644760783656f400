package controller

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/pkg/controller/app"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	nodes       = 5_000
	foreignPods = 50_000
	writers     = 16
	// settled is how long after the last write the memory is read.
	settled = 20 * time.Second
)

// BenchmarkMemory runs the binary on a cluster of 5,000 nodes and 50,000 pods that are none of its business, with one Headroom of
// 500 units, and reports how much memory it took at most and in the end. At most 150 MiB are wanted.
func BenchmarkMemory(b *testing.B) {
	c := clustertest.SharedAPIServer(b)
	cl, err := client.New(c.RESTConfig(), client.Options{Scheme: app.Scheme()})
	require.NoError(b, err)
	namespace := clustertest.Namespace(b, c, nil)
	inParallel(b, nodes, func(i int) error { return createNode(b, cl, node(i)) })
	inParallel(b, foreignPods, func(i int) error { return cl.Create(b.Context(), foreignPod(namespace, i)) })
	for b.Loop() {
		controller, err := c.RunController(b.Context())
		require.NoError(b, err)
		h := headroom(namespace)
		require.NoError(b, cl.Create(b.Context(), h))
		require.Eventually(b, func() bool {
			require.NoError(b, cl.Get(b.Context(), client.ObjectKeyFromObject(h), h))
			return h.Status.Replicas == units
		}, 2*time.Minute, 100*time.Millisecond)
		<-time.After(settled)
		b.ReportMetric(memory(b, controller.PID(), "VmHWM"), "peak-MiB")
		b.ReportMetric(memory(b, controller.PID(), "VmRSS"), "MiB")
		b.ReportMetric(memory(b, controller.PID(), "RssAnon"), "anonymous-MiB")
	}
}

// memory reads a value of a process's status, which is in KiB, in MiB.
func memory(b *testing.B, pid int, key string) float64 {
	b.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(b, err)
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); fields[0] == key+":" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			require.NoError(b, err)
			return kib / 1024
		}
	}
	b.Fatalf("the status of process %d has no %s", pid, key)
	return 0
}

// createNode makes a node that pods can be bound to, unless another benchmark has: admission gives a new one a taint, which the node's
// controller would take.
func createNode(b *testing.B, cl client.Client, n *corev1.Node) error {
	if err := cl.Create(b.Context(), n); err != nil {
		return client.IgnoreAlreadyExists(err)
	}
	n.Spec.Taints = nil
	return cl.Update(b.Context(), n)
}

// node is a node with what a cloud's nodes carry.
func node(i int) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: nodeName(i),
		Labels: map[string]string{
			corev1.LabelHostname: nodeName(i), corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3), corev1.LabelTopologyRegion: "region",
			corev1.LabelInstanceTypeStable: "large", corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux",
			"node.example.com/pool": "general", "node.example.com/capacity": "spot",
		},
		Annotations: map[string]string{"csi.example.com/nodeid": strings.Repeat("x", 200)},
	}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	n.Status.Capacity = n.Status.Allocatable
	for range 50 {
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{strings.Repeat("registry.example.com/image", 4)}})
	}
	return n
}

func nodeName(i int) string {
	return fmt.Sprintf("ip-10-0-%d-%d.region.compute.internal", i/250, i%250)
}

func foreignPod(namespace string, i int) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("app-%d", i), Labels: map[string]string{"app": "app", "pod-template-hash": "abcdef"},
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName(i % nodes),
			Containers: []corev1.Container{{
				Name: "main", Image: "registry.example.com/app:v1", Env: []corev1.EnvVar{{Name: "SETTING", Value: strings.Repeat("y", 300)}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1")}},
			}},
		},
	}
}

// inParallel calls do for 0 to n-1.
func inParallel(b *testing.B, n int, do func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					b.Errorf("creating object %d: %v", i, err)
					return
				}
			}
		})
	}
	running.Wait()
	if b.Failed() {
		b.FailNow()
	}
}
