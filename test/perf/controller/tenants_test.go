package controller

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	// manyNodes is how many nodes there are for them, and zones in how many zones.
	manyNodes = 15_000
	zones     = 3
	// fillTimeout is how long each step may take.
	fillTimeout = 15 * time.Minute
)

// BenchmarkTwentyThousand has two Headrooms of 10,000 units filled, on an API server of 15,000 nodes without any other load, by a scheduler
// that binds every unit in the order in which they come and has room for all. When the window is full, another tenant's Headroom of 3 comes.
// It reports how long that waits for its units, how long all of it takes, and the controller's memory and CPU time, at most and once all is
// bound. Then half of the nodes of one zone vanish, and it reports how long it takes until as many units are ready again, and the CPU time.
func BenchmarkTwentyThousand(b *testing.B) {
	c := clustertest.SharedAPIServer(b)
	cl, err := client.New(c.RESTConfig(), client.Options{Scheme: app.Scheme()})
	require.NoError(b, err)
	for b.Loop() {
		inParallel(b, manyNodes, func(i int) error { return createNode(b, cl, node(i)) })
		namespaces := []string{clustertest.Namespace(b, c, nil), clustertest.Namespace(b, c, nil), clustertest.Namespace(b, c, nil)}
		scheduler := bindAll(b, c.RESTConfig())
		controller, err := c.RunController(b.Context())
		require.NoError(b, err)
		begun := time.Now()
		first, second := headroomOf(namespaces[0], large), headroomOf(namespaces[1], large)
		require.NoError(b, cl.Create(b.Context(), first))
		require.NoError(b, cl.Create(b.Context(), second))
		scheduler.await(b, 1000)
		other := headroomOf(namespaces[2], few)
		asked := time.Now()
		require.NoError(b, cl.Create(b.Context(), other))
		awaitReady(b, cl, scheduler, other)
		b.ReportMetric(time.Since(asked).Seconds(), "others-s")
		awaitReady(b, cl, scheduler, first, second)
		b.ReportMetric(time.Since(begun).Seconds(), "fill-s")
		filled := processorTime(b, controller.PID())
		b.ReportMetric(filled.Seconds(), "fill-cpu-s")
		<-time.After(settled)
		b.ReportMetric(memory(b, controller.PID(), "VmHWM"), "peak-MiB")
		b.ReportMetric(memory(b, controller.PID(), "VmRSS"), "MiB")
		b.ReportMetric(memory(b, controller.PID(), "RssAnon"), "anonymous-MiB")

		spent := processorTime(b, controller.PID())
		lost := loseHalfOfAZone(b, cl, scheduler)
		begun = time.Now()
		awaitReplaced(b, cl, scheduler, lost, first, second, other)
		b.ReportMetric(float64(lost.units), "lost-units")
		b.ReportMetric(time.Since(begun).Seconds(), "refill-s")
		b.ReportMetric((processorTime(b, controller.PID()) - spent).Seconds(), "refill-cpu-s")
		<-time.After(settled)
		b.ReportMetric(memory(b, controller.PID(), "VmHWM"), "refill-peak-MiB")
		controller.Stop()
		for _, h := range []*v1alpha1.Headroom{first, second, other} {
			require.NoError(b, cl.Delete(b.Context(), h))
			require.NoError(b, cl.DeleteAllOf(b.Context(), &corev1.Pod{}, client.InNamespace(h.Namespace), client.GracePeriodSeconds(0)))
		}
	}
}

func headroomOf(namespace string, units int32) *v1alpha1.Headroom {
	h := headroom(namespace)
	h.Spec.Replicas = ptr.To(units)
	return h
}

// awaitReady waits until all units of some Headrooms are ready.
func awaitReady(b *testing.B, cl client.Client, scheduler *binder, headrooms ...*v1alpha1.Headroom) {
	b.Helper()
	for _, h := range headrooms {
		require.Eventually(b, func() bool {
			require.NoError(b, cl.Get(b.Context(), client.ObjectKeyFromObject(h), h))
			return h.Status.ReadyReplicas == *h.Spec.Replicas
		}, fillTimeout, 20*time.Millisecond, "%s/%s: %s", h.Namespace, h.Name, scheduler)
	}
}

// loss are the nodes that vanished and how many units were on them.
type loss struct {
	nodes map[string]bool
	units int
}

// loseHalfOfAZone deletes every second node of the first zone.
func loseHalfOfAZone(b *testing.B, cl client.Client, scheduler *binder) loss {
	b.Helper()
	lost := loss{nodes: map[string]bool{}}
	var names []string
	for i := 0; i < manyNodes; i += 2 * zones {
		names = append(names, nodeName(i))
		lost.nodes[nodeName(i)] = true
	}
	lost.units = scheduler.without(lost.nodes)
	inParallel(b, len(names), func(i int) error {
		return cl.Delete(b.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: names[i]}})
	})
	return lost
}

// awaitReplaced waits until all units of some Headrooms are ready and none is on a lost node.
func awaitReplaced(b *testing.B, cl client.Client, scheduler *binder, lost loss, headrooms ...*v1alpha1.Headroom) {
	b.Helper()
	require.Eventually(b, func() bool { return scheduler.on(lost.nodes) == 0 }, fillTimeout, 20*time.Millisecond, "%s", scheduler)
	awaitReady(b, cl, scheduler, headrooms...)
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
