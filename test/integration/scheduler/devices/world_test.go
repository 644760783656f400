// Package devices tests how consumers take devices that placeholders hold, on a real API server with the real scheduler and
// kube-controller-manager's own controller of resource claims. It stands apart because DeviceClasses and ResourceSlices are the cluster's.
package devices

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

const (
	gpu    = "example.org/gpu"
	driver = "gpu.example.org"
)

func TestMain(m *testing.M) { schedulerharness.Main(m, schedulerharness.Options{}) }

// world is a cluster under observation, with a scheduler and a DeviceClass that maps an extended resource.
type world struct {
	*schedulerharness.Cluster
	faults  *schedulerharness.Faults
	devices *observer.Devices
	judged  bool
}

// newWorld returns a world without nodes. When the test ends, devices that were in two claims at once fail it.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: schedulerharness.New(t), faults: schedulerharness.NewFaults()}
	w.CreateDeviceClass(t, driver, gpu)
	var err error
	w.devices, err = observer.WatchDevices(context.WithoutCancel(t.Context()), w.Config)
	require.NoError(t, err)
	t.Cleanup(func() { w.allocated(t) })
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), w.faults)
	return w
}

// allocated ends the observation and returns how many times each device was allocated.
func (w *world) allocated(t *testing.T) map[string]int {
	t.Helper()
	if w.judged {
		return nil
	}
	w.judged = true
	allocated, doubles, err := w.devices.Stop(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	require.Empty(t, doubles)
	return allocated
}

// node creates a node of four cores with that many devices.
func (w *world) node(t *testing.T, name, zone string, devices int) {
	t.Helper()
	w.CreateNodes(t, builders.Node(name, zone, builders.Resources{"cpu": "4", "memory": "16Gi"}).Obj())
	if devices > 0 {
		w.CreateDevices(t, driver, name, devices, func(spec *resourcev1.ResourceSliceSpec) { spec.NodeName = ptr.To(name) })
	}
}

// withLimits sets the limits that Kubernetes insists on for extended resources.
func withLimits(pod *st.PodWrapper) *corev1.Pod {
	container := &pod.Spec.Containers[0]
	if quantity, ok := container.Resources.Requests[gpu]; ok {
		container.Resources.Limits = corev1.ResourceList{gpu: quantity}
	}
	return pod.SchedulerName(schedulerharness.HeadroomScheduler).Obj()
}

// units creates a Headroom of that many units of that size, lets the scheduler place them and returns their nodes by name.
func (w *world) units(t *testing.T, h *v1alpha1.Headroom, count int) map[string]string {
	t.Helper()
	w.CreateHeadroom(t, h)
	var names []string
	for i := range count {
		names = append(names, w.CreatePods(t, withLimits(builders.Placeholder(h, i)))[0].Name)
	}
	return w.WaitBound(t, names...)
}

// consume creates a consumer.
func (w *world) consume(t *testing.T, name string, requests builders.Resources) {
	t.Helper()
	w.CreatePods(t, withLimits(builders.Consumer(name, requests)))
}

// remaining are those of the units that exist.
func (w *world) remaining(t *testing.T, units map[string]string) []string {
	t.Helper()
	var names []string
	for name, pod := range w.Pods(t) {
		if units[name] != "" && pod.DeletionTimestamp == nil {
			names = append(names, name)
		}
	}
	return names
}

// waitGone waits until none of the units is left.
func (w *world) waitGone(t *testing.T, units map[string]string) {
	t.Helper()
	w.Eventually(t, "waiting for the units to be gone", func(context.Context) string {
		if left := w.remaining(t, units); len(left) > 0 {
			return left[0] + " is there"
		}
		return ""
	})
}

// oneGPU is a request.
func oneGPU() builders.Resources { return builders.Resources{gpu: "1", "cpu": "100m"} }
