package gang

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/dynamic-resource-allocation/structured"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	st "k8s.io/kubernetes/pkg/scheduler/testing"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/pkg/scheduler/dryrun"
	"github.com/headroom-dev/headroom/test/builders"
)

// gpu is an extended resource that a DeviceClass maps.
const gpu = "example.com/gpu"

// device is what the scheduler knows of the only device that there is, and the claim that holds it, if any does.
type device struct {
	fwk.ResourceClaimTracker
	claims []*resourcev1.ResourceClaim
}

func (d *device) ResourceClaims() fwk.ResourceClaimTracker                    { return d }
func (d *device) ResourceSlices() fwk.ResourceSliceLister                     { return d }
func (d *device) DeviceClasses() fwk.DeviceClassLister                        { return classes{} }
func (d *device) DeviceClassResolver() fwk.DeviceClassResolver                { return classes{} }
func (d *device) List() ([]*resourcev1.ResourceClaim, error)                  { return d.claims, nil }
func (d *device) GetPendingAllocation(types.UID) *resourcev1.AllocationResult { return nil }

func (d *device) Get(_, name string) (*resourcev1.ResourceClaim, error) {
	for _, claim := range d.claims {
		if claim.Name == name {
			return claim, nil
		}
	}
	return nil, assumecache.ErrNotFound
}

func (d *device) ListAllAllocatedDevices() (sets.Set[structured.DeviceID], error) {
	held := sets.New[structured.DeviceID]()
	if len(d.claims) > 0 {
		held.Insert(structured.MakeDeviceID("driver", "pool", "device"))
	}
	return held, nil
}

func (d *device) GatherAllocatedState() (*structured.AllocatedState, error) {
	held, err := d.ListAllAllocatedDevices()
	return &structured.AllocatedState{
		AllocatedDevices: held, AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](),
		AggregatedCapacity: structured.NewConsumedCapacityCollection(),
	}, err
}

func (d *device) ListWithDeviceTaintRules() ([]*resourcev1.ResourceSlice, error) {
	return []*resourcev1.ResourceSlice{{Spec: resourcev1.ResourceSliceSpec{
		Driver: "driver", Pool: resourcev1.ResourcePool{Name: "pool", ResourceSliceCount: 1}, AllNodes: ptr.To(true),
		Devices: []resourcev1.Device{{Name: "device"}},
	}}}, nil
}

// hold lets a pod hold the device, as the scheduler writes it down.
func (d *device) hold(wrapped *st.PodWrapper) *st.PodWrapper {
	pod := wrapped.Obj()
	claim := &resourcev1.ResourceClaim{}
	claim.Namespace, claim.Name, claim.UID = pod.Namespace, "claim", "claim"
	claim.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind("Pod"))}
	claim.Status.Allocation = &resourcev1.AllocationResult{Devices: resourcev1.DeviceAllocationResult{
		Results: []resourcev1.DeviceRequestAllocationResult{{Driver: "driver", Pool: "pool", Device: "device"}},
	}}
	d.claims = append(d.claims, claim)
	pod.Status.ExtendedResourceClaimStatus = &corev1.PodExtendedResourceClaimStatus{ResourceClaimName: claim.Name}
	return wrapped
}

// classes are a DeviceClass for the device, which maps gpu.
type classes struct{}

func (classes) class() *resourcev1.DeviceClass {
	class := &resourcev1.DeviceClass{Spec: resourcev1.DeviceClassSpec{ExtendedResourceName: ptr.To(gpu)}}
	class.Name = "class"
	return class
}

func (c classes) List() ([]*resourcev1.DeviceClass, error) {
	return []*resourcev1.DeviceClass{c.class()}, nil
}

func (c classes) Get(string) (*resourcev1.DeviceClass, error) { return c.class(), nil }

func (c classes) GetDeviceClass(resource corev1.ResourceName) *resourcev1.DeviceClass {
	if resource != gpu {
		return nil
	}
	return c.class()
}

// TestNoDevicesOfPlaceholdersAreTakenForAGroup: nothing would tell the next member that they are taken. A pod of no group gets them.
func TestNoDevicesOfPlaceholdersAreTakenForAGroup(t *testing.T) {
	wantsDevice := func(name string) *st.PodWrapper {
		return builders.Consumer(name, builders.Resources{"cpu": "1", gpu: "1"}).Namespace("default").UID(name)
	}
	d := &device{}
	of := builders.Headroom("spare", builders.Resources{"cpu": "1", gpu: "1"}).Namespace("default").UID("spare").Obj()
	p := plannerWith(t, d, []string{"a"}, []*st.PodWrapper{d.hold(builders.Placeholder(of, 0).UID("unit").Node("a")), runs("r", "a")})
	features := feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
	p.Selector.Features = features
	asked, err := dryrun.NewDevices(t.Context(), p.framework, features)
	require.NoError(t, err)
	p.Selector.Devices = func(context.Context) *dryrun.Devices { return asked }

	alone := wantsDevice("alone").Obj()
	run := p.Profile.NewRunApart(alone)
	require.True(t, run.Start(t.Context()))
	swap := p.Selector.Select(t.Context(), run, p.Selector.Consumer(alone)).Swap
	require.NotNil(t, swap)
	require.NotNil(t, swap.Devices)

	plan := p.plan(t, 2, nothingWithheld, wantsDevice("x"), waits("y"))
	require.Equal(t, []string{"x"}, namesOf(plan.Unplaced))
	require.Equal(t, map[string]string{"y": "a"}, plan.places(), "who wants none gets the room")
}
