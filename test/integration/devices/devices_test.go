// Package devices tests, on the real binaries and with the real kube-controller-manager, that units hold devices which dynamic resource
// allocation hands out, and that consumers get them.
package devices

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/cluster"
	"github.com/headroom-dev/headroom/test/cluster/clustertest"
	"github.com/headroom-dev/headroom/test/observer"
)

const (
	gpu = "example.org/gpu"
	// soon is how long anything may take that takes seconds on an idle machine.
	soon   = 5 * time.Minute
	glance = 50 * time.Millisecond
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(klog.Background())
	os.Exit(clustertest.Main(m))
}

// world is a cluster with both binaries, and with a DeviceClass that maps an extended resource.
type world struct {
	*testing.T
	cluster   *cluster.Cluster
	client    client.Client
	namespace string
	headroom  *v1alpha1.Headroom
	pods      *observer.Observer
	devices   *observer.Devices
}

// newWorld returns a cluster of two nodes, of which the first has two devices and the second has one, and a Headroom of three units of one
// device each, which is filled.
func newWorld(t *testing.T) *world {
	c := clustertest.Start(t, cluster.Options{})
	require.NoError(t, c.AddNodes(t.Context(), cluster.Nodes{Count: 2, Zones: 2}))
	cl, err := c.Client()
	require.NoError(t, err)
	w := &world{T: t, cluster: c, client: cl, namespace: clustertest.Namespace(t, c, nil)}
	w.pods, err = observer.Watch(context.WithoutCancel(t.Context()), c.RESTConfig())
	require.NoError(t, err)
	w.devices, err = observer.WatchDevices(context.WithoutCancel(t.Context()), c.RESTConfig())
	require.NoError(t, err)
	class := &resourcev1.DeviceClass{}
	class.Name = "gpu.example.org"
	class.Spec.ExtendedResourceName = ptr.To(gpu)
	class.Spec.Selectors = []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: `device.driver == "gpu.example.org"`}}}
	require.NoError(t, cl.Create(t.Context(), class))
	w.offer("node-01", "gpu-0", "gpu-1")
	w.offer("node-02", "gpu-0")
	_, err = c.RunController(t.Context(), "--placeholder-scheduler-name=headroom-scheduler")
	require.NoError(t, err)
	_, err = c.RunHeadroomScheduler(t.Context(), cluster.SecondScheduler)
	require.NoError(t, err)
	w.headroom = builders.Headroom("inference", builders.Resources{gpu: "1", "cpu": "100m"}).Namespace(w.namespace).Replicas(3).Obj()
	require.NoError(t, cl.Create(t.Context(), w.headroom))
	w.waitReady(3)
	return w
}

// offer lets a node have these devices, beside those of earlier calls.
func (w *world) offer(node string, devices ...string) {
	w.Helper()
	slice := &resourcev1.ResourceSlice{}
	slice.GenerateName = node + "-gpu-"
	slice.Spec.Driver, slice.Spec.NodeName = "gpu.example.org", ptr.To(node)
	slice.Spec.Pool = resourcev1.ResourcePool{Name: node + "-" + devices[0], Generation: 1, ResourceSliceCount: 1}
	for _, device := range devices {
		slice.Spec.Devices = append(slice.Spec.Devices, resourcev1.Device{Name: device})
	}
	require.NoError(w, w.client.Create(w.Context(), slice))
}

func (w *world) waitReady(units int) {
	w.Helper()
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		require.NoError(t, w.client.Get(context.Background(), client.ObjectKeyFromObject(w.headroom), w.headroom))
		require.EqualValues(t, units, w.headroom.Status.ReadyReplicas)
	}, soon, glance)
}

// consume creates consumers of one device each, all at once, and waits until they are bound.
func (w *world) consume(names ...string) {
	w.Helper()
	for _, name := range names {
		pod := builders.Consumer(name, builders.Resources{gpu: "1", "cpu": "100m"}).Namespace(w.namespace).
			SchedulerName("headroom-scheduler").Obj()
		pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{gpu: pod.Spec.Containers[0].Resources.Requests[gpu]}
		require.NoError(w, w.client.Create(w.Context(), pod))
	}
	require.EventuallyWithT(w, func(t *assert.CollectT) {
		for _, name := range names {
			pod := &corev1.Pod{}
			require.NoError(t, w.client.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: name}, pod))
			require.NotEmpty(t, pod.Spec.NodeName, "%s: %v", name, pod.Status.Conditions)
		}
	}, soon, glance)
}

// took are the placeholders that each consumer's decision evicted, as its binding says.
func (w *world) took(names ...string) []string {
	w.Helper()
	var took []string
	for _, name := range names {
		pod := &corev1.Pod{}
		require.NoError(w, w.client.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, pod))
		took = append(took, pod.Annotations[v1alpha1.AnnotationTook])
	}
	return took
}

func TestConsumersGetTheDevicesThatUnitsHold(t *testing.T) {
	w := newWorld(t)

	t.Log("three devices, all held by three units, and three consumers")
	first := []string{"model-0", "model-1", "model-2"}
	w.consume(first...)
	took := w.took(first...)
	slices.Sort(took)
	require.Len(t, slices.Compact(took), 3, "each took one unit of its own: %v", took)
	require.NotContains(t, took, "")
	w.waitReady(0)

	t.Log("three more devices bring the units back, and three more consumers take them again")
	w.offer("node-01", "gpu-2")
	w.offer("node-02", "gpu-3", "gpu-4")
	w.waitReady(3)
	w.consume("model-3", "model-4", "model-5")

	allocated, doubles, err := w.devices.Stop(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	require.Empty(t, doubles)
	require.Len(t, allocated, 6)
	for device, times := range allocated {
		require.Equal(t, 2, times, "%s was a unit's and then a consumer's", device)
	}
	w.requireOneAttempt()
}

// requireOneAttempt fails the test if a consumer ever showed PodScheduled=False, which autoscalers act upon.
func (w *world) requireOneAttempt() {
	w.Helper()
	history, err := w.pods.Stop(context.WithoutCancel(w.Context()))
	require.NoError(w, err)
	for _, event := range history {
		if event.Pod == nil || event.Pod.Namespace != w.namespace || event.Pod.Labels[v1alpha1.LabelHeadroom] != "" {
			continue
		}
		for _, condition := range event.Pod.Status.Conditions {
			failed := condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse
			require.False(w, failed, "%s was not bound by its first attempt: %s", event.Pod.Name, condition.Message)
		}
	}
}
