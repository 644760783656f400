// Package controller measures headroom-controller on the embedded cluster. See docs/benchmarks-controller.md for how to run it and
// for results.
package controller

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/app"
	"github.com/headroom-dev/headroom/pkg/placeholder"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// units is how many pods are created.
const units = 500

// bench is a cluster with a controller, and clients.
type bench struct {
	*testing.B
	cluster *cluster.Cluster
	client  client.Client
	pods    func(namespace string) podsOf
}

type podsOf interface {
	Watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
}

func start(b *testing.B) *bench {
	b.Helper()
	c := clustertest.Shared(b)
	cl, err := client.New(c.RESTConfig(), client.Options{Scheme: app.Scheme()})
	require.NoError(b, err)
	clientset, err := kubernetes.NewForConfig(c.RESTConfig())
	require.NoError(b, err)
	return &bench{B: b, cluster: c, client: cl, pods: func(namespace string) podsOf { return clientset.CoreV1().Pods(namespace) }}
}

// BenchmarkCreate500 creates 500 placeholders of one Headroom and, in turn with that, 500 pods of the same spec of one ReplicaSet.
// Both controllers may send 500 requests a second. It reports the median of both, and their ratio: at most 1 is wanted.
func BenchmarkCreate500(b *testing.B) {
	e := start(b)
	_, err := e.cluster.RunController(b.Context(), "--kube-api-qps=500", "--kube-api-burst=1000")
	require.NoError(b, err)
	var headrooms, replicaSets []time.Duration
	e.measure(func(namespace string) client.Object { return replicaSet(headroom(namespace)) }) // warms up both
	e.measure(func(namespace string) client.Object { return headroom(namespace) })
	for b.Loop() {
		replicaSets = append(replicaSets, e.measure(func(namespace string) client.Object { return replicaSet(headroom(namespace)) }))
		headrooms = append(headrooms, e.measure(func(namespace string) client.Object { return headroom(namespace) }))
	}
	ours, theirs := median(headrooms), median(replicaSets)
	b.ReportMetric(ours.Seconds(), "headroom-s")
	b.ReportMetric(theirs.Seconds(), "replicaset-s")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}

func headroom(namespace string) *v1alpha1.Headroom {
	return &v1alpha1.Headroom{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: v1alpha1.HeadroomSpec{
			Replicas: ptr.To[int32](units), Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		},
	}
}

// replicaSet makes pods as the Headroom does.
func replicaSet(h *v1alpha1.Headroom) *appsv1.ReplicaSet {
	pod := placeholder.Build(h, placeholder.Defaults{}, 0)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.Namespace, Name: h.Name},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: h.Spec.Replicas,
			Selector: &metav1.LabelSelector{MatchLabels: pod.Labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels, Annotations: pod.Annotations}, Spec: pod.Spec,
			},
		},
	}
}

// measure creates an object in a namespace of its own and returns after how long there were all pods. Then it cleans up.
func (e *bench) measure(object func(namespace string) client.Object) time.Duration {
	e.Helper()
	namespace := clustertest.Namespace(e.B, e.cluster, nil)
	e.waitServiceAccount(namespace)
	watcher, err := e.pods(namespace).Watch(e.Context(), metav1.ListOptions{})
	require.NoError(e, err)
	defer watcher.Stop()
	owner := object(namespace)
	begun := time.Now()
	require.NoError(e, e.client.Create(e.Context(), owner))
	e.await(watcher, watch.Added)
	took := time.Since(begun)

	require.NoError(e, e.client.Delete(e.Context(), owner, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	require.NoError(e, e.client.DeleteAllOf(e.Context(), &corev1.Pod{}, client.InNamespace(namespace), client.GracePeriodSeconds(0)))
	e.await(watcher, watch.Deleted)
	return took
}

// await returns after as many changes of a kind as there are units.
func (e *bench) await(watcher watch.Interface, kind watch.EventType) {
	e.Helper()
	for seen := 0; seen < units; {
		change, open := <-watcher.ResultChan()
		require.True(e, open, "the watch ended")
		if change.Type == kind {
			seen++
		}
	}
}

func (e *bench) waitServiceAccount(namespace string) {
	e.Helper()
	key := client.ObjectKey{Namespace: namespace, Name: "default"}
	require.Eventually(e, func() bool {
		return e.client.Get(e.Context(), key, &corev1.ServiceAccount{}) == nil
	}, 30*time.Second, 10*time.Millisecond)
}

func median(of []time.Duration) time.Duration {
	of = slices.Clone(of)
	slices.Sort(of)
	return of[len(of)/2]
}
