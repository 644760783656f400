package dryrun

import (
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/structured"
	fwk "k8s.io/kube-scheduler/framework"
)

// freed is the scheduler's view of claims, but for the devices of some, which are free.
type freed struct {
	fwk.ResourceClaimTracker
	// hidden are the claims whose devices are free.
	hidden []*resourcev1.ResourceClaim
}

// ListAllAllocatedDevices returns the devices of all claims but the hidden ones. The scheduler asks this where devices cannot be shared.
func (f *freed) ListAllAllocatedDevices() (sets.Set[structured.DeviceID], error) {
	devices, err := f.ResourceClaimTracker.ListAllAllocatedDevices()
	if err != nil {
		return nil, err
	}
	f.each(func(device structured.DeviceID, _ *resourcev1.DeviceRequestAllocationResult) { devices.Delete(device) })
	return devices, nil
}

// GatherAllocatedState returns what all claims but the hidden ones have of devices, whole ones and shares.
func (f *freed) GatherAllocatedState() (*structured.AllocatedState, error) {
	state, err := f.ResourceClaimTracker.GatherAllocatedState()
	if err != nil || state == nil {
		return state, err
	}
	f.each(func(device structured.DeviceID, result *resourcev1.DeviceRequestAllocationResult) {
		if result.ShareID == nil {
			state.AllocatedDevices.Delete(device)
			return
		}
		state.AllocatedSharedDeviceIDs.Delete(structured.MakeSharedDeviceID(device, result.ShareID))
		state.AggregatedCapacity.Remove(structured.NewDeviceConsumedCapacity(device, result.ConsumedCapacity))
	})
	return state, nil
}

// each calls a function for each device that a hidden claim holds. With administrative access it holds none.
func (f *freed) each(do func(device structured.DeviceID, result *resourcev1.DeviceRequestAllocationResult)) {
	for _, claim := range f.hidden {
		if claim.Status.Allocation == nil {
			continue
		}
		results := claim.Status.Allocation.Devices.Results
		for i := range results {
			result := &results[i]
			if result.AdminAccess == nil || !*result.AdminAccess {
				do(structured.MakeDeviceID(result.Driver, result.Pool, result.Device), result)
			}
		}
	}
}
