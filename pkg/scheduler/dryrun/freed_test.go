package dryrun

import (
	"testing"

	"github.com/stretchr/testify/require"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/structured"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/ptr"
)

// held is what a scheduler says of all claims.
type held struct {
	fwk.ResourceClaimTracker
	state structured.AllocatedState
}

func (h *held) ListAllAllocatedDevices() (sets.Set[structured.DeviceID], error) {
	return h.state.AllocatedDevices.Clone(), nil
}

func (h *held) GatherAllocatedState() (*structured.AllocatedState, error) {
	return &structured.AllocatedState{
		AllocatedDevices: h.state.AllocatedDevices.Clone(), AllocatedSharedDeviceIDs: h.state.AllocatedSharedDeviceIDs.Clone(),
		AggregatedCapacity: h.state.AggregatedCapacity.Clone(),
	}, nil
}

func device(name string) structured.DeviceID { return structured.MakeDeviceID("driver", "pool", name) }

func result(name string) resourcev1.DeviceRequestAllocationResult {
	return resourcev1.DeviceRequestAllocationResult{Driver: "driver", Pool: "pool", Device: name}
}

func claim(results ...resourcev1.DeviceRequestAllocationResult) *resourcev1.ResourceClaim {
	return &resourcev1.ResourceClaim{Status: resourcev1.ResourceClaimStatus{
		Allocation: &resourcev1.AllocationResult{Devices: resourcev1.DeviceAllocationResult{Results: results}},
	}}
}

func TestOnlyTheDevicesOfHiddenClaimsAreFree(t *testing.T) {
	share, other := types.UID("share"), types.UID("other")
	memory := func(quantity string) map[resourcev1.QualifiedName]resource.Quantity {
		return map[resourcev1.QualifiedName]resource.Quantity{"memory": resource.MustParse(quantity)}
	}
	all := structured.AllocatedState{
		AllocatedDevices: sets.New(device("a"), device("b"), device("c")),
		AllocatedSharedDeviceIDs: sets.New(
			structured.MakeSharedDeviceID(device("d"), &share), structured.MakeSharedDeviceID(device("d"), &other)),
		AggregatedCapacity: structured.NewConsumedCapacityCollection(),
	}
	all.AggregatedCapacity.Insert(structured.NewDeviceConsumedCapacity(device("d"), memory("3Gi")))
	watched, shared := result("c"), result("d")
	watched.AdminAccess = ptr.To(true)
	shared.ShareID, shared.ConsumedCapacity = &share, memory("1Gi")
	f := &freed{ResourceClaimTracker: &held{state: all}, hidden: []*resourcev1.ResourceClaim{
		claim(result("a"), watched), claim(shared), {}, // The last one is not allocated.
	}}

	devices, err := f.ListAllAllocatedDevices()
	require.NoError(t, err)
	require.Equal(t, sets.New(device("b"), device("c")), devices)

	state, err := f.GatherAllocatedState()
	require.NoError(t, err)
	require.Equal(t, sets.New(device("b"), device("c")), state.AllocatedDevices, "administrative access holds nothing")
	require.Equal(t, sets.New(structured.MakeSharedDeviceID(device("d"), &other)), state.AllocatedSharedDeviceIDs)
	left := state.AggregatedCapacity[device("d")]["memory"]
	require.Zero(t, left.Cmp(resource.MustParse("2Gi")), "%s are left", left)

	f.hidden = nil
	devices, err = f.ListAllAllocatedDevices()
	require.NoError(t, err)
	require.Equal(t, all.AllocatedDevices, devices)
}
