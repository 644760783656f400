package observer

import (
	"testing"

	"github.com/stretchr/testify/require"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

func allocated(name string, devices ...string) *resourcev1.ResourceClaim {
	claim := &resourcev1.ResourceClaim{}
	claim.Namespace, claim.Name, claim.UID = "default", name, types.UID(name)
	if len(devices) > 0 {
		claim.Status.Allocation = &resourcev1.AllocationResult{}
	}
	for _, device := range devices {
		claim.Status.Allocation.Devices.Results = append(claim.Status.Allocation.Devices.Results,
			resourcev1.DeviceRequestAllocationResult{Driver: "driver", Pool: "pool", Device: device})
	}
	return claim
}

func TestADeviceMustBeGivenBackBeforeItIsAllocatedAgain(t *testing.T) {
	a := allocations{}
	a.observe(watch.Added, allocated("first"))
	a.observe(watch.Modified, allocated("first", "a", "b"))
	a.observe(watch.Modified, allocated("first", "a", "b")) // somebody else changed the claim
	a.observe(watch.Modified, allocated("first"))
	a.observe(watch.Modified, allocated("second", "a"))
	a.observe(watch.Deleted, allocated("second", "a"))
	a.observe(watch.Modified, allocated("third", "a"))
	require.Empty(t, a["driver/pool/a"].doubles)
	require.Equal(t, 3, a["driver/pool/a"].times)

	a.observe(watch.Modified, allocated("fourth", "b"))
	a.observe(watch.Modified, allocated("fifth", "a", "b"))
	require.Equal(t, []string{"device driver/pool/a is in ResourceClaim default/fifth while it is in default/third"},
		a["driver/pool/a"].doubles)
	require.Len(t, a["driver/pool/b"].doubles, 1)
}
