// Package devices tests how consumers take devices that placeholders hold, on a real API server with the real scheduler and
// kube-controller-manager's own controller of resource claims. It stands apart because DeviceClasses and ResourceSlices are the cluster's.
package devices

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/resourceclaim"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/test/builders"
	"github.com/headroom-dev/headroom/test/observer"
	"github.com/headroom-dev/headroom/test/schedulerharness"
)

const gpu = "example.org/gpu"

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
	class := &resourcev1.DeviceClass{ObjectMeta: metav1.ObjectMeta{Name: "gpu.example.org"}, Spec: resourcev1.DeviceClassSpec{
		ExtendedResourceName: ptr.To(gpu),
		Selectors:            []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: `device.driver == "gpu.example.org"`}}},
	}}
	_, err := w.Client.ResourceV1().DeviceClasses().Create(t.Context(), class, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { w.empty(t) })
	w.devices, err = observer.WatchDevices(context.WithoutCancel(t.Context()), w.Config)
	require.NoError(t, err)
	t.Cleanup(func() { w.allocated(t) })
	w.StartHeadroom(t, schedulerharness.SecondScheduler(t), w.faults)
	return w
}

// empty removes what the harness does not know of.
func (w *world) empty(t *testing.T) {
	t.Helper()
	ctx, api := context.WithoutCancel(t.Context()), w.Client.ResourceV1()
	require.NoError(t, api.DeviceClasses().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	require.NoError(t, api.ResourceSlices().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	claims, err := api.ResourceClaims(w.Namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	for i := range claims.Items {
		claim := &claims.Items[i]
		claim.Finalizers = nil
		if _, err := api.ResourceClaims(w.Namespace).Update(ctx, claim, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
		if err := api.ResourceClaims(w.Namespace).Delete(ctx, claim.Name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
	}
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

// startClaimController starts the controller of kube-controller-manager that frees the devices of pods that are gone.
func (w *world) startClaimController(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	factory := informers.NewSharedInformerFactory(w.Client, 0)
	controller, err := resourceclaim.NewController(klog.FromContext(ctx), w.Client, factory.Core().V1().Pods(),
		factory.Scheduling().V1beta1().PodGroups(), factory.Resource().V1().ResourceClaims(), factory.Resource().V1().ResourceClaimTemplates())
	require.NoError(t, err)
	factory.Start(ctx.Done())
	done := make(chan struct{})
	go func() {
		defer close(done)
		controller.Run(ctx, 2)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		factory.Shutdown()
	})
}

// node creates a node of four cores with that many devices.
func (w *world) node(t *testing.T, name, zone string, devices int) {
	t.Helper()
	w.CreateNodes(t, builders.Node(name, zone, builders.Resources{"cpu": "4", "memory": "16Gi"}).Obj())
	if devices > 0 {
		w.offer(t, name, devices, func(spec *resourcev1.ResourceSliceSpec) { spec.NodeName = ptr.To(name) })
	}
}

// offer creates a pool of that many devices, which can be reached from where the function says.
func (w *world) offer(t *testing.T, pool string, devices int, reach func(*resourcev1.ResourceSliceSpec)) {
	t.Helper()
	slice := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: pool + "-gpu"}, Spec: resourcev1.ResourceSliceSpec{
		Driver: "gpu.example.org",
		Pool:   resourcev1.ResourcePool{Name: pool, Generation: 1, ResourceSliceCount: 1},
	}}
	reach(&slice.Spec)
	for i := range devices {
		slice.Spec.Devices = append(slice.Spec.Devices, resourcev1.Device{Name: fmt.Sprintf("gpu-%d", i)})
	}
	_, err := w.Client.ResourceV1().ResourceSlices().Create(t.Context(), slice, metav1.CreateOptions{})
	require.NoError(t, err)
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
