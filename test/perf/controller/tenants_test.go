package controller

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/app"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
)

const (
	// large is how many units each of two Headrooms asks for.
	large = 10_000
	// few is how many units another tenant asks for.
	few = 3
	// binders is how many units are bound at the same time.
	binders = 8
	// fillTimeout is how long all of it may take.
	fillTimeout = 15 * time.Minute
)

// BenchmarkTwentyThousand has two Headrooms of 10,000 units filled, on an API server without any other load, by a scheduler that binds every
// unit in the order in which they come and has room for all. When the window is full, another tenant's Headroom of 3 comes. It reports how
// long that waits for its units, how long all of it takes, and the controller's memory and CPU time, at most and once all is bound.
func BenchmarkTwentyThousand(b *testing.B) {
	c := clustertest.SharedAPIServer(b)
	cl, err := client.New(c.RESTConfig(), client.Options{Scheme: app.Scheme()})
	require.NoError(b, err)
	inParallel(b, nodes, func(i int) error { return createNode(b, cl, node(i)) })
	for b.Loop() {
		namespaces := []string{clustertest.Namespace(b, c, nil), clustertest.Namespace(b, c, nil), clustertest.Namespace(b, c, nil)}
		bound := bindAll(b, c.RESTConfig())
		controller, err := c.RunController(b.Context())
		require.NoError(b, err)
		begun := time.Now()
		for _, namespace := range namespaces[:2] {
			require.NoError(b, cl.Create(b.Context(), headroomOf(namespace, large)))
		}
		await(b, bound, 1000)
		other := headroomOf(namespaces[2], few)
		asked := time.Now()
		require.NoError(b, cl.Create(b.Context(), other))
		require.Eventually(b, func() bool {
			require.NoError(b, cl.Get(b.Context(), client.ObjectKeyFromObject(other), other))
			return other.Status.ReadyReplicas == few
		}, fillTimeout, 20*time.Millisecond)
		b.ReportMetric(time.Since(asked).Seconds(), "others-s")
		await(b, bound, 2*large+few)
		b.ReportMetric(time.Since(begun).Seconds(), "all-s")
		<-time.After(settled)
		b.ReportMetric(memory(b, controller.PID(), "VmHWM"), "peak-MiB")
		b.ReportMetric(memory(b, controller.PID(), "VmRSS"), "MiB")
		b.ReportMetric(memory(b, controller.PID(), "RssAnon"), "anonymous-MiB")
		b.ReportMetric(processorTime(b, controller.PID()).Seconds(), "cpu-s")
	}
}

func headroomOf(namespace string, units int32) *v1alpha1.Headroom {
	h := headroom(namespace)
	h.Spec.Replicas = ptr.To(units)
	return h
}

// bindAll plays a scheduler that binds every placeholder, in the order in which they come, to the nodes in turn. It returns how many it has
// bound.
func bindAll(b *testing.B, access *rest.Config) *counter {
	b.Helper()
	access = rest.CopyConfig(access)
	access.QPS = -1
	clientset, err := kubernetes.NewForConfig(access)
	require.NoError(b, err)
	watcher, err := clientset.CoreV1().Pods("").Watch(b.Context(), metav1.ListOptions{LabelSelector: v1alpha1.LabelHeadroom})
	require.NoError(b, err)
	b.Cleanup(watcher.Stop)
	pods, bound := make(chan *corev1.Pod, 2*large), &counter{}
	go func() {
		defer close(pods)
		for change := range watcher.ResultChan() {
			if pod, ok := change.Object.(*corev1.Pod); ok && change.Type == watch.Added && pod.Spec.NodeName == "" {
				pods <- pod
			}
		}
	}()
	for i := range binders {
		go func() {
			next := i
			for pod := range pods {
				next += binders
				binding := &corev1.Binding{
					ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID},
					Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName(next % nodes)},
				}
				if clientset.CoreV1().Pods(pod.Namespace).Bind(b.Context(), binding, metav1.CreateOptions{}) == nil {
					bound.add()
				}
			}
		}()
	}
	return bound
}

// processorTime reads how much CPU time a process has used.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(b, err)
	_, after, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(after) // from the third field of proc(5) on; utime and stime are the 14th and 15th, in hundredths of a second
	require.Greater(b, len(fields), 12)
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(b, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// counter counts from several goroutines.
type counter struct {
	sync.Mutex
	n int
}

func (c *counter) add() {
	c.Lock()
	defer c.Unlock()
	c.n++
}

func (c *counter) value() int {
	c.Lock()
	defer c.Unlock()
	return c.n
}

// await waits until so many are counted.
func await(b *testing.B, c *counter, n int) {
	b.Helper()
	require.Eventually(b, func() bool { return c.value() >= n }, fillTimeout, 20*time.Millisecond)
}
