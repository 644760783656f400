package headroom

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/structured"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/test/builders"
)

// accelerator is an extended resource that a DeviceClass maps.
const accelerator = "example.com/gpu"

// oneDevice is what the scheduler knows of devices where there is one, which every node reaches and a claim holds.
type oneDevice struct {
	fwk.ResourceClaimTracker
	claim *resourcev1.ResourceClaim
}

func (d *oneDevice) ResourceClaims() fwk.ResourceClaimTracker     { return d }
func (d *oneDevice) ResourceSlices() fwk.ResourceSliceLister      { return d }
func (d *oneDevice) DeviceClasses() fwk.DeviceClassLister         { return oneClass{} }
func (d *oneDevice) DeviceClassResolver() fwk.DeviceClassResolver { return oneClass{} }
func (d *oneDevice) List() ([]*resourcev1.ResourceClaim, error) {
	return []*resourcev1.ResourceClaim{d.claim}, nil
}
func (d *oneDevice) GetPendingAllocation(types.UID) *resourcev1.AllocationResult { return nil }

func (d *oneDevice) Get(namespace, name string) (*resourcev1.ResourceClaim, error) {
	if d.claim.Namespace == namespace && d.claim.Name == name {
		return d.claim, nil
	}
	return nil, assumecache.ErrNotFound
}

func (d *oneDevice) ListAllAllocatedDevices() (sets.Set[structured.DeviceID], error) {
	return sets.New(structured.MakeDeviceID("driver", "pool", "device")), nil
}

func (d *oneDevice) GatherAllocatedState() (*structured.AllocatedState, error) {
	held, err := d.ListAllAllocatedDevices()
	return &structured.AllocatedState{
		AllocatedDevices: held, AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](),
		AggregatedCapacity: structured.NewConsumedCapacityCollection(),
	}, err
}

func (d *oneDevice) ListWithDeviceTaintRules() ([]*resourcev1.ResourceSlice, error) {
	return []*resourcev1.ResourceSlice{{Spec: resourcev1.ResourceSliceSpec{
		Driver: "driver", Pool: resourcev1.ResourcePool{Name: "pool", ResourceSliceCount: 1}, AllNodes: ptr.To(true),
		Devices: []resourcev1.Device{{Name: "device"}},
	}}}, nil
}

// oneClass is a DeviceClass for all devices, which maps accelerator.
type oneClass struct{}

func (oneClass) Get(string) (*resourcev1.DeviceClass, error) {
	return &resourcev1.DeviceClass{
		ObjectMeta: metav1.ObjectMeta{Name: "class"}, Spec: resourcev1.DeviceClassSpec{ExtendedResourceName: ptr.To(accelerator)},
	}, nil
}

func (c oneClass) List() ([]*resourcev1.DeviceClass, error) {
	class, err := c.Get("class")
	return []*resourcev1.DeviceClass{class}, err
}

func (c oneClass) GetDeviceClass(resource corev1.ResourceName) *resourcev1.DeviceClass {
	if resource != accelerator {
		return nil
	}
	class, _ := c.Get("class")
	return class
}

// heldBy gives a pod the one device there is, as the scheduler writes it down.
func (d *oneDevice) heldBy(pod *corev1.Pod) *corev1.Pod {
	d.claim = &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: "claim", UID: "claim",
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind("Pod"))},
	}}
	d.claim.Status.Allocation = &resourcev1.AllocationResult{Devices: resourcev1.DeviceAllocationResult{
		Results: []resourcev1.DeviceRequestAllocationResult{{Driver: "driver", Pool: "pool", Device: "device"}},
	}}
	pod.Status.ExtendedResourceClaimStatus = &corev1.PodExtendedResourceClaimStatus{ResourceClaimName: d.claim.Name}
	return pod
}

// TestInTheCycleOfASwapDevicesOfTheVictimsAreFree, on the node of the victims alone, and till the swap comes to nothing.
func TestInTheCycleOfASwapDevicesOfTheVictimsAreFree(t *testing.T) {
	wanted, d := builders.Resources{"cpu": "1", accelerator: "1"}, &oneDevice{}
	h := builders.Headroom("gpu", wanted).Namespace("default").UID("uid-hr").Obj()
	f := newFixture(t, cluster{
		nodes: []*corev1.Node{builders.Node("a", "z-1", res("1")).Obj(), builders.Node("b", "z-1", res("1")).Obj()},
		pods:  []*corev1.Pod{d.heldBy(unit(h, 0, "a").Obj())}, manager: d,
		arrange: func(plugins *schedulerconfig.Plugins) {
			plugins.PreBind.Enabled = []schedulerconfig.Plugin{{Name: Name}}
		},
	})
	pod := builders.Consumer("consumer", wanted).Namespace("default").UID("consumer").Obj()

	c, state := f.decided(t, pod)

	require.NotNil(t, c.swap)
	require.Equal(t, "a", c.swap.Node)
	require.NotNil(t, c.swap.Devices)
	require.Equal(t, []*resourcev1.ResourceClaim{d.claim}, c.swap.Devices.Claims, "what must not be allocated any more before the binding")
	passes := func() (nodes []string) {
		for _, info := range f.nodes {
			if f.framework.RunFilterPluginsWithNominatedPods(t.Context(), state, pod, info).IsSuccess() {
				nodes = append(nodes, info.Node().Name)
			}
		}
		return nodes
	}
	require.Equal(t, []string{"a"}, passes())
	f.PostFilter(t.Context(), state, pod, framework.NewDefaultNodeToStatus())
	require.Empty(t, passes())
	_, err := state.Read(dryrun.DevicesKey)
	require.NoError(t, err)
}
