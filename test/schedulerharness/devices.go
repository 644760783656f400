package schedulerharness

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/resourceclaim"
	"k8s.io/utils/ptr"
)

// CreateDeviceClass creates a DeviceClass of a driver's devices, with the driver's name, which pods can ask for as an extended resource. When
// the test ends, all classes, devices and claims of the test's namespace are removed.
func (c *Cluster) CreateDeviceClass(t *testing.T, driver, extendedResource string) {
	t.Helper()
	class := &resourcev1.DeviceClass{ObjectMeta: metav1.ObjectMeta{Name: driver}, Spec: resourcev1.DeviceClassSpec{
		ExtendedResourceName: ptr.To(extendedResource),
		Selectors: []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{
			Expression: fmt.Sprintf("device.driver == %q", driver),
		}}},
	}}
	_, err := c.Client.ResourceV1().DeviceClasses().Create(t.Context(), class, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { c.emptyOfDevices(t) })
}

// CreateDevices creates a pool of that many devices of a driver, which can be reached from where the function says.
func (c *Cluster) CreateDevices(t *testing.T, driver, pool string, devices int, reach func(*resourcev1.ResourceSliceSpec)) {
	t.Helper()
	slice := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: pool + "-" + driver}, Spec: resourcev1.ResourceSliceSpec{
		Driver: driver,
		Pool:   resourcev1.ResourcePool{Name: pool, Generation: 1, ResourceSliceCount: 1},
	}}
	reach(&slice.Spec)
	for i := range devices {
		slice.Spec.Devices = append(slice.Spec.Devices, resourcev1.Device{Name: fmt.Sprintf("gpu-%d", i)})
	}
	_, err := c.Client.ResourceV1().ResourceSlices().Create(t.Context(), slice, metav1.CreateOptions{})
	require.NoError(t, err)
}

// StartClaimController starts the controller of kube-controller-manager that frees the devices of pods that are gone. It runs until the test
// ends.
func (c *Cluster) StartClaimController(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	factory := informers.NewSharedInformerFactory(c.Client, 0)
	controller, err := resourceclaim.NewController(klog.FromContext(ctx), c.Client, factory.Core().V1().Pods(),
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

// emptyOfDevices removes what has to do with devices.
func (c *Cluster) emptyOfDevices(t *testing.T) {
	t.Helper()
	ctx, api := context.WithoutCancel(t.Context()), c.Client.ResourceV1()
	require.NoError(t, api.DeviceClasses().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	require.NoError(t, api.ResourceSlices().DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	claims, err := api.ResourceClaims(c.Namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	for i := range claims.Items {
		name := claims.Items[i].Name
		_, err := api.ResourceClaims(c.Namespace).Patch(ctx, name, types.MergePatchType, noFinalizers, metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
		if err := api.ResourceClaims(c.Namespace).Delete(ctx, name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
	}
}
