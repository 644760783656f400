package dryrun

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/structured"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
	"k8s.io/utils/ptr"
)

// held is what a scheduler says of all claims.
type held struct {
	fwk.ResourceClaimTracker
	state structured.AllocatedState
	err   error
	// claim is the only one that can be read.
	claim *resourcev1.ResourceClaim
}

func (h *held) Get(namespace, name string) (*resourcev1.ResourceClaim, error) {
	if h.claim.Namespace != namespace || h.claim.Name != name {
		return nil, assumecache.ErrNotFound
	}
	return h.claim, nil
}

func (h *held) ListAllAllocatedDevices() (sets.Set[structured.DeviceID], error) {
	return h.state.AllocatedDevices.Clone(), h.err
}

func (h *held) GatherAllocatedState() (*structured.AllocatedState, error) {
	return &structured.AllocatedState{
		AllocatedDevices: h.state.AllocatedDevices.Clone(), AllocatedSharedDeviceIDs: h.state.AllocatedSharedDeviceIDs.Clone(),
		AggregatedCapacity: h.state.AggregatedCapacity.Clone(),
	}, h.err
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
	used, watched, shared := result("a"), result("c"), result("d")
	used.AdminAccess, watched.AdminAccess = ptr.To(false), ptr.To(true)
	shared.ShareID, shared.ConsumedCapacity = &share, memory("1Gi")
	f := &freed{ResourceClaimTracker: &held{state: all}, hidden: []*resourcev1.ResourceClaim{
		claim(used, watched), {}, claim(shared), // The one between is not allocated.
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

func TestAClaimHoldsDevicesForThePodThatControlsIt(t *testing.T) {
	pod, sameName := on("a", "unit", "1"), on("a", "unit", "1")
	sameName.UID = "another"
	pod.Status.ExtendedResourceClaimStatus = &corev1.PodExtendedResourceClaimStatus{ResourceClaimName: "its"}
	unnamed := pod.DeepCopy()
	unnamed.Status.ExtendedResourceClaimStatus = nil
	of := func(owner *corev1.Pod) *resourcev1.ResourceClaim {
		c := claim(result("a"))
		c.Namespace, c.Name = "default", "its"
		c.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("Pod"))}
		return c
	}
	elsewhere, free, owned, orphan := of(pod), of(pod), of(pod), of(pod)
	elsewhere.Namespace = "other"
	free.Status.Allocation = nil
	owned.OwnerReferences[0].Controller = nil
	orphan.OwnerReferences = nil
	away := pod.DeepCopy()
	away.Namespace = "away"
	there := of(away)
	there.Namespace = away.Namespace
	for name, tc := range map[string]struct {
		pod   *corev1.Pod
		claim *resourcev1.ResourceClaim
		want  bool
	}{
		"the pod's own":                           {pod: pod, claim: of(pod), want: true},
		"its own in any namespace":                {pod: away, claim: there, want: true},
		"that of an earlier pod of its name":      {pod: pod, claim: of(sameName)},
		"that of another pod":                     {pod: pod, claim: of(on("a", "other", "1"))},
		"one that the pod owns without control":   {pod: pod, claim: owned},
		"one that nobody owns":                    {pod: pod, claim: orphan},
		"one of its name in another namespace":    {pod: pod, claim: elsewhere},
		"one that is not allocated":               {pod: pod, claim: free},
		"one that the pod's status does not name": {pod: unnamed, claim: of(pod)},
	} {
		t.Run(name, func(t *testing.T) {
			got := (&Devices{claims: &held{claim: tc.claim}}).ClaimOf(tc.pod)
			if !tc.want {
				require.Nil(t, got)
				return
			}
			require.Same(t, tc.claim, got)
		})
	}
}

func TestWhatIsNotKnownOfClaimsIsNotFree(t *testing.T) {
	failed := errors.New("failed")
	f := &freed{ResourceClaimTracker: &held{err: failed}, hidden: []*resourcev1.ResourceClaim{claim(result("a"))}}
	_, err := f.ListAllAllocatedDevices()
	require.ErrorIs(t, err, failed)
	_, err = f.GatherAllocatedState()
	require.ErrorIs(t, err, failed)
}
